package sse

import (
	"fmt"
	"net/http"
	"reflect"
)

// HandlerOption configures a [Manager.Handler].
type HandlerOption func(*handlerConfig)

type handlerConfig struct {
	topic      string
	service    PollingService
	newService func(*http.Request) PollingService
	repeats    bool
	streams    StreamOptions
}

// WithCustomTopic sets the topic of a handler, in place of the [TopicOf] its requests. Such topics do not count towards
// the limit of topics made by requests.
func WithCustomTopic(topic string) HandlerOption {
	return func(c *handlerConfig) { c.topic = topic }
}

// WithPollingService makes service feed the topics of a handler.
//
// A topic is fed by the first service that a stream brings to it, and keeps that until its last stream leaves; so a new
// handler may be made for each request, with its own service. Such a service outlives the request and must not read
// from it: frameworks such as Echo reuse their contexts, so it would read the parameters and rights of another client.
// Use [WithPollingFunc] for that.
//
// A service runs once, however many handlers and topics of a Manager use it. The first stream of any of its topics
// starts it, each value goes to all of its topics, a topic that joins later gets the newest value at once, and the
// service is stopped when the last stream of the last topic has left, without making that stream wait. Topics with
// different values need a service each.
//
// The dynamic type of service must be comparable, such as a pointer; WithPollingService panics otherwise.
func WithPollingService(service PollingService) HandlerOption {
	mustBeComparable("WithPollingService", service)
	return func(c *handlerConfig) { c.service, c.newService = service, nil }
}

// WithPollingFunc makes the service that newService returns feed a topic, as [WithPollingService] does. newService is
// called for a stream whose topic has no service yet. Its argument is a copy of the stream's request that the service
// may keep, without a body; its context has the values of the stream's context and does not end. The service must hold
// everything that its values depend on, and the topic's name must include it, since every reader of the topic sees the
// values. For streams that arrive at the same moment newService may be called more than once, and all services but one
// are never started. Nil means none.
func WithPollingFunc(newService func(*http.Request) PollingService) HandlerOption {
	return func(c *handlerConfig) { c.service, c.newService = nil, newService }
}

// WithRepeats makes a handler's topics also send values that are equal to the newest, for events that are not state,
// such as alarms. It applies to a topic as soon as one of its streams is served by such a handler.
func WithRepeats() HandlerOption {
	return func(c *handlerConfig) { c.repeats = true }
}

// WithStreams carries a handler's streams with opts. If it is given several times, the last value other than zero of
// each field counts.
func WithStreams(opts StreamOptions) HandlerOption {
	return func(c *handlerConfig) { c.streams = c.streams.with(opts) }
}

func mustBeComparable(option string, service PollingService) {
	if service != nil && !reflect.TypeOf(service).Comparable() {
		panic(fmt.Sprintf("sse: %s(%T): want a comparable type, such as a pointer", option, service))
	}
}
