package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
)

// answerWhile answers requests on ln while wait waits for a store that cannot be reached yet, or that this program cannot
// read, as refused says then: the process lives and is not ready. ln stays open.
func answerWhile(live context.Context, ln net.Listener, secret *tls.Config, refused, wait func() error) error {
	lent := &lentListener{Listener: ln}
	server := &http.Server{
		Handler: notYet(refused), TLSConfig: secret, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
	}
	server.SetKeepAlivesEnabled(false) // the next request is the real server's
	answers := lifecycle.Start(live, func(context.Context, func()) error {
		if secret != nil {
			return server.ServeTLS(lent, "", "")
		}
		return server.Serve(lent)
	})
	err := wait()
	ctx, done := context.WithTimeout(context.WithoutCancel(live), time.Second)
	defer done()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // connections without a request yet
	}
	<-answers.Ended()
	lent.giveBack()
	return err
}

// notYet answers while the state cannot be read.
func notYet(refused func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		health := wire.Health{Status: wire.HealthUnavailable, Store: wire.StoreFailing}
		detail := "the store of this replica cannot be reached yet: its log says why"
		if err := refused(); err != nil {
			health.Store, detail = wire.StoreNewer, err.Error()
		}
		status, body := http.StatusServiceUnavailable, any(health)
		switch r.URL.Path {
		case "/livez":
			status, body = http.StatusOK, wire.Health{Status: wire.HealthOK}
		case "/readyz":
		default:
			h.Set("Content-Type", "application/problem+json")
			h.Set("Retry-After", "2")
			body = map[string]any{"type": "about:blank", "title": "Service Unavailable", "status": status, "detail": detail}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

// A lentListener is closed without closing the one that it is.
type lentListener struct {
	net.Listener
	once sync.Once
}

// A deadliner is a listener whose Accept can be ended: those of package net are.
type deadliner interface{ SetDeadline(time.Time) error }

// Close ends Accept.
func (l *lentListener) Close() error {
	l.once.Do(func() {
		if d, ok := l.Listener.(deadliner); ok {
			_ = d.SetDeadline(time.Unix(1, 0))
		} else {
			_ = l.Listener.Close()
		}
	})
	return nil
}

// giveBack has the listener accept connections again.
func (l *lentListener) giveBack() {
	if d, ok := l.Listener.(deadliner); ok {
		_ = d.SetDeadline(time.Time{})
	}
}
