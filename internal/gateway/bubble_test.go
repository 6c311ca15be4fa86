package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// A bubble is a gateway for a test in synctest.Test: it polls, but listens on no socket.
type bubble struct {
	t       *testing.T
	handler http.Handler
	step    func(time.Duration) // sets the wall clock ahead, or back
}

// newBubble starts a gateway whose polls, jobs and webhooks make their requests through transport. It stops with the
// test.
func newBubble(t *testing.T, cfg *config.Config, log io.Writer, transport http.RoundTripper) *bubble {
	handler, run, step, err := gateway.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(log, nil)), transport)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return &bubble{t, handler, step}
}

// do makes a request, with a body of JSON if there is one.
func (b *bubble) do(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(b.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	b.handler.ServeHTTP(w, r)
	return w
}

// json makes a request and returns the object that answers it.
func (b *bubble) json(method, path, body string) object {
	b.t.Helper()
	return decode(b.t, b.do(method, path, body).Body.Bytes())
}
