package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
)

// answerWhile answers requests on ln while wait waits for a store that cannot be reached yet: the process lives and is not
// ready. ln stays open.
func answerWhile(live context.Context, ln net.Listener, secret *tls.Config, wait func() error) error {
	lent := &lentListener{Listener: ln}
	server := &http.Server{
		Handler: http.HandlerFunc(notYet), TLSConfig: secret, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
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
func notYet(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case "/livez":
		_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
	case "/readyz":
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"unavailable","store":"failing"}` + "\n"))
	default:
		h.Set("Content-Type", "application/problem+json")
		h.Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"type":"about:blank","title":"Service Unavailable","status":503,` +
			`"detail":"the store of this replica cannot be reached yet: its log says why"}` + "\n"))
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
