//go:build linux

package main

import (
	"context"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/tidewire/tidewire/sse"
)

// subject is a server that is measured.
type subject struct {
	name   string
	title  string
	module string // of a peer
	// open makes a handler whose streams are all of one topic, and the function that publishes on it.
	open func(ctx context.Context, o subjectOptions) (http.Handler, func(data []byte))
	// listen prepares the listener of the server, if the library has something for it.
	listen func(net.Listener) net.Listener
}

// subjectOptions are those that the subjects have in common, as far as they have them. Zero means the default.
type subjectOptions struct {
	heartbeat    time.Duration
	stallTimeout time.Duration
	sendBuffer   int // SO_SNDBUF of the server's sockets
}

const (
	handOff   = "hand-off"
	blocking  = "blocking"
	goroutine = "goroutine"
	parked    = "net/http"
	rawLoop   = "write(2)"
)

// ours are the ways to carry a stream: handed off, by a call that blocks, and through the server's ResponseWriter.
var ours = []string{handOff, blocking, goroutine}

// taken are those that take the connection from its server.
var taken = []string{handOff, blocking}

// called is how the bars name one of ours.
func called(name string) string {
	if name == blocking {
		return "blocking call"
	}
	return name + " engine"
}

// peers are the libraries beside which ours are measured.
var peers = []string{"r3labs/sse", "go-sse"}

// libraries are those that publish to streams.
var libraries = slices.Concat(ours, peers)

var subjects = []subject{
	{
		name: handOff, title: "sse, hand-off engine", listen: sse.NewListener,
		open: func(ctx context.Context, o subjectOptions) (http.Handler, func([]byte)) {
			hub, topic := newHub(ctx, o)
			return hub.Handler(
					func(*http.Request) ([]*sse.Topic, error) { return []*sse.Topic{topic}, nil },
				), publishOn(
					topic,
				)
		},
	},
	{
		name: blocking, title: "sse, blocking call", listen: sse.NewListener,
		open: func(ctx context.Context, o subjectOptions) (http.Handler, func([]byte)) {
			hub, topic := newHub(ctx, o)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := hub.Serve(w, r, topic); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
				}
			}), publishOn(topic)
		},
	},
	{
		name: goroutine, title: "sse, goroutine engine", listen: sse.NewListener,
		open: func(ctx context.Context, o subjectOptions) (http.Handler, func([]byte)) {
			hub, topic := newHub(ctx, o)
			streams := hub.With(sse.StreamOptions{KeepConnection: true})
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := streams.Serve(w, r, topic); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
				}
			}), publishOn(topic)
		},
	},
	{
		name: "r3labs/sse", title: "r3labs/sse", module: "github.com/r3labs/sse/v2",
		open: func(context.Context, subjectOptions) (http.Handler, func([]byte)) {
			server := r3labs.New()
			server.AutoReplay = false // it would keep every event for ever
			server.CreateStream("t")
			return server, func(data []byte) { server.Publish("t", &r3labs.Event{Data: data}) }
		},
	},
	{
		name: "go-sse", title: "tmaxmax/go-sse", module: "github.com/tmaxmax/go-sse",
		open: func(context.Context, subjectOptions) (http.Handler, func([]byte)) {
			server := &gosse.Server{}
			return server, func(data []byte) {
				message := &gosse.Message{}
				message.AppendData(string(data))
				_ = server.Publish(message)
			}
		},
	},
	{
		// A handler that sends one event and waits for its client to leave: what net/http takes of any stream that it
		// serves.
		name: parked, title: "net/http, parked handler",
		open: func(context.Context, subjectOptions) (http.Handler, func([]byte)) {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				event, _ := sse.Event{Data: encode(0)}.AppendTo(nil)
				if _, err := w.Write(event); err != nil {
					return
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return
				}
				<-r.Context().Done()
			}), func([]byte) {}
		},
	},
}

func newHub(ctx context.Context, o subjectOptions) (*sse.Hub, *sse.Topic) {
	hub := sse.NewHub(ctx, &sse.HubOptions{Heartbeat: o.heartbeat, StallTimeout: o.stallTimeout})
	return hub, hub.Topic("t", sse.TopicOptions{})
}

func publishOn(topic *sse.Topic) func([]byte) {
	return func(data []byte) {
		if err := topic.Publish(sse.Event{Data: data}); err != nil {
			panic(err)
		}
	}
}

// subjectOf returns the subject of that name.
func subjectOf(name string) subject {
	for _, s := range subjects {
		if s.name == name {
			return s
		}
	}
	panic("no subject " + name)
}

// path is what is requested of any subject; the query is r3labs'.
const path = "/?stream=t"

// serve serves s on a port of loopback until ctx ends.
func (s subject) serve(ctx context.Context, o subjectOptions, by over) (net.Listener, func([]byte), error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if o.sendBuffer == 0 {
			return nil
		}
		controlErr := c.Control(func(fd uintptr) { // inherited by what is accepted
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, o.sendBuffer)
		})
		if controlErr != nil {
			return controlErr
		}
		return err
	}}
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	if s.listen != nil {
		l = s.listen(l)
	}
	handler, publish := s.open(ctx, o)
	server := &http.Server{Handler: handler, Protocols: by.protocols()}
	if by.TLS {
		if server.TLSConfig, err = selfSigned(); err != nil {
			return nil, nil, err
		}
		go func() { _ = server.ServeTLS(l, "", "") }()
	} else {
		go func() { _ = server.Serve(l) }()
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return l, publish, nil
}

// serveOn serves handler on a port of loopback until ctx ends.
func serveOn(ctx context.Context, handler http.Handler) (net.Listener, error) {
	s := subject{listen: sse.NewListener, open: func(context.Context, subjectOptions) (http.Handler, func([]byte)) {
		return handler, nil
	}}
	l, _, err := s.serve(ctx, subjectOptions{}, clearText)
	return l, err
}
