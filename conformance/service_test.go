package conformance_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A service is a server of ours, which writes down what it is asked for.
type service struct {
	addr string
	stop func() // ends it without notice

	changing
	asked []asked
}

// asked is a request.
type asked struct {
	at     time.Time
	method string
	last   string // Last-Event-ID
}

// serve serves the handler until the test ends.
func serve(t *testing.T, h http.Handler) *service {
	t.Helper()
	s := &service{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.change(func() { s.asked = append(s.asked, asked{time.Now(), r.Method, r.Header.Get("Last-Event-ID")}) })
		h.ServeHTTP(w, r)
	}))
	s.addr = srv.Listener.Addr().String()
	s.stop = func() {
		srv.CloseClientConnections()
		srv.Close()
	}
	t.Cleanup(s.stop)
	return s
}

// awaitAsked waits for the n-th request, and returns it.
func (s *service) awaitAsked(t *testing.T, n int) asked {
	t.Helper()
	s.await(t, "the next request", func() bool { return len(s.asked) >= n })
	return read(&s.changing, func() asked { return s.asked[n-1] })
}

// newHub returns a hub that ends before the servers that were started before it.
func newHub(t *testing.T, opts *sse.HubOptions) *sse.Hub {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return sse.NewHub(ctx, opts)
}

// A call is one of those that serve the topics of a hub.
type call struct {
	name string
	of   func(*sse.Hub, ...*sse.Topic) http.Handler
}

// blocks serves by a call that returns an error.
func blocks(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

var (
	blocking = call{"Serve", func(h *sse.Hub, topics ...*sse.Topic) http.Handler {
		return blocks(func(w http.ResponseWriter, r *http.Request) error { return h.Serve(w, r, topics[0]) })
	}}
	kept = call{"Serve with KeepConnection", func(h *sse.Hub, topics ...*sse.Topic) http.Handler {
		streams := h.With(sse.StreamOptions{KeepConnection: true})
		return blocks(func(w http.ResponseWriter, r *http.Request) error { return streams.Serve(w, r, topics[0]) })
	}}
	handedOff = call{"Handler", func(h *sse.Hub, topics ...*sse.Topic) http.Handler {
		return h.Handler(func(*http.Request) ([]*sse.Topic, error) { return topics, nil })
	}}
	many = call{"ServeAll", func(h *sse.Hub, topics ...*sse.Topic) http.Handler {
		return blocks(func(w http.ResponseWriter, r *http.Request) error { return h.ServeAll(w, r, topics...) })
	}}
)
