package api

import (
	stdlog "log"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/flood"
)

// logged logs each request when it has been answered, if the level is debug: without its query and headers, which may
// contain secrets. A stream that was handed off counts as answered when it has begun; its end is among the metrics.
func (a *API) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.deps.Log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		begun := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		defer func() { // also when the handler gives up the connection
			a.deps.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", seen.status,
				"took", time.Since(begun), "address", a.addressOf(r))
		}()
		next.ServeHTTP(seen, r)
	})
}

// ErrorLog returns a log for the errors of an [http.Server], many of which any client can cause, for example by a
// failed TLS handshake.
func ErrorLog(log *slog.Logger) *stdlog.Logger {
	return stdlog.New(serverErrors{log}, "", 0)
}

// serverErrors logs lines of the HTTP server, and moves the client's address from the middle of a line to an attribute.
type serverErrors struct{ log *slog.Logger }

func (s serverErrors) Write(line []byte) (int, error) {
	words := strings.Fields(string(line))
	for i, word := range words {
		if at, err := netip.ParseAddrPort(strings.TrimSuffix(word, ":")); err == nil {
			s.log.Warn(
				strings.Join(words[:i], " "), flood.Address, at.Addr().String(), "err", strings.Join(words[i+1:], " "),
			)
			return len(line), nil
		}
	}
	s.log.Warn("http: server", "err", strings.Join(words, " "))
	return len(line), nil
}

// A statusWriter remembers the status of an answer, 0 until there is one.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status < http.StatusOK { // informational ones are no answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
