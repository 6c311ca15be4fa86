package sse

import (
	"fmt"
	"net/http"
	"reflect"
)

// HandlerOption changes what [Manager.Handler] does.
type HandlerOption func(*handlerConfig)

type handlerConfig struct {
	topic      string
	service    PollingService
	newService func(*http.Request) PollingService
	repeats    bool
}

// WithCustomTopic names the topic of a handler, in place of [TopicOf] its
// requests. Such topics do not count against the limit on requests' topics.
func WithCustomTopic(topic string) HandlerOption {
	return func(c *handlerConfig) { c.topic = topic }
}

// WithPollingService makes service feed the topics of a handler.
//
// A topic is fed by the first service that a stream brings to it, and keeps it
// until its last stream leaves; so a new handler may be made for each request,
// with its own service. Such a service outlives the request and must not read
// from it: frameworks such as Echo reuse their contexts, so it would read
// somebody else's parameters and rights. Use [WithPollingFunc] for that.
//
// A service runs once, however many handlers and topics of a Manager name it. The
// first stream of any of them starts it, each value goes to all of them, one that
// joins later gets the newest value at once, and when the last stream of the last
// of them has left, it is stopped, without making that stream wait. Topics that
// need values of their own need a service each.
//
// The dynamic type of service must be comparable, as pointers are; another panics.
func WithPollingService(service PollingService) HandlerOption {
	mustBeComparable("WithPollingService", service)
	return func(c *handlerConfig) { c.service, c.newService = service, nil }
}

// WithPollingFunc makes the service that newService returns feed a topic, as
// [WithPollingService] does. newService is called for a stream whose topic nothing
// feeds yet, with a request that is the service's own: a copy of the stream's, without
// a body, whose context has the values of that one and does not end. It must hold what
// the values depend on, and the topic's name must tell those apart, since whoever comes
// to the topic sees them. For streams that come at the same moment it may be called
// more than once, and all services but one are never started. Nil means none.
func WithPollingFunc(newService func(*http.Request) PollingService) HandlerOption {
	return func(c *handlerConfig) { c.service, c.newService = nil, newService }
}

// WithRepeats makes a handler's topics also send values that are equal to the
// newest, for events that are not state, such as alarms. It applies to a topic
// as soon as one of its streams comes through such a handler.
func WithRepeats() HandlerOption {
	return func(c *handlerConfig) { c.repeats = true }
}

func mustBeComparable(option string, service PollingService) {
	if service != nil && !reflect.TypeOf(service).Comparable() {
		panic(fmt.Sprintf("sse: %s(%T): want a comparable type, such as a pointer", option, service))
	}
}
