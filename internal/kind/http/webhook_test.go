package http_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

// hook starts a server and returns a Webhook of it.
func hook(t *testing.T, handler http.HandlerFunc) httpkind.Webhook {
	h := serve(t, "/secret-path?token=secret-query", handler)
	return httpkind.Webhook{Client: h.Client, Method: "POST", URL: h.URL, Header: http.Header{}}
}

func TestWebhookSends(t *testing.T) {
	var got string
	h := hook(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header["Content-Type"], r.Header["X-Team"], body)
	})
	h.Method = "PUT"
	h.Header.Set("X-Team", "tides")
	if err := h.Send(t.Context(), "text/plain", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if want := "PUT /secret-path?token=secret-query [text/plain] [tides] hello"; got != want {
		t.Errorf("the server got %s, want %s", got, want)
	}
	h.Header.Set("content-type", "application/json")
	if err := h.Send(t.Context(), "text/plain", []byte("{}")); err != nil || !strings.Contains(got, "[application/json]") {
		t.Errorf("the server got %s (%v), want the header's type", got, err)
	}
}

// What goes wrong is said without what the address is a credential by.
func TestWebhookErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // after "POST http://host"
		after  time.Duration
	}{
		{"status", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "slow down "+r.URL.String(), http.StatusTooManyRequests)
		}, ": 429 Too Many Requests: slow down ***", 7 * time.Second},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, ": 307 Temporary Redirect", 0},
		{"broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ": the connection closed before the answer was complete", 0},
	} {
		h := hook(t, tt.answer)
		h.Secrets = secret.New(h.URL.RequestURI())
		err := h.Send(t.Context(), "text/plain", nil)
		if want := "POST http://" + h.URL.Host + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s: Send = %v, want %s", tt.name, err, want)
		}
		var status *httpkind.StatusError
		if errors.As(err, &status) && status.RetryAfter() != tt.after || !errors.As(err, &status) && tt.after > 0 {
			t.Errorf("%s: Send = %#v, want Retry-After %v", tt.name, err, tt.after)
		}
	}

	h := hook(t, nil)
	h.URL = parseURL(t, "http://169.254.169.254/secret-path")
	if err := h.Send(t.Context(), "text/plain", nil); err == nil || !strings.Contains(err.Error(), "refused to connect") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Send to a metadata service = %v, want it refused, without the path", err)
	}
}
