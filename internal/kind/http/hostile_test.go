package http_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// Endless bodies, gzip bombs, deep nesting, redirects and broken heads have tests of their own, beside what bounds
// them.

func TestALargeAnswerIsRefusedByItsHead(t *testing.T) {
	var sent atomic.Int64
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(10<<20))
		_, _ = io.WriteString(w, "[")
		for range 10<<10 - 1 {
			n, err := io.WriteString(w, strings.Repeat("1,", 512))
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	wantError(t, h, "GET "+h.URL.String()+": the answer is larger than 4 MiB")
	if got := sent.Load(); got > 9<<20 {
		t.Errorf("%d bytes were taken of it", got)
	}
}

// A byte now and then is not progress enough: the time that a poll may take is bounded as a whole.
func TestSlowBytes(t *testing.T) {
	left := make(chan struct{})
	h := raw(t, func(conn net.Conn) {
		defer close(left)
		readRequest(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, "1"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := h.Fetch(ctx)
	if want := "GET " + h.URL.String() + ": timed out after "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
	<-left // the connection was closed
}

func TestConnectionReset(t *testing.T) {
	for _, start := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1,"} {
		h := raw(t, func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, start)
			_ = conn.(*net.TCPConn).SetLinger(0) // so that closing resets
		})
		_, err := h.Fetch(t.Context())
		// Whether the reset overtakes what was sent before it is the kernel's business.
		want := "GET " + h.URL.String() + ": connection reset by peer"
		if err == nil || err.Error() != want {
			t.Errorf("after %q: Fetch = %v, want %s", start, err, want)
		}
	}
}

func TestTLSGarbage(t *testing.T) {
	const noTLS = "the server does not speak TLS there: write http:// in the address of the upstream, or another port"
	tests := []struct{ answer, want string }{
		{"HTTP/1.0 400 Bad Request\r\n\r\n", noTLS},
		{strings.Repeat("\x00garbage", 100), noTLS},
		{"\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff", "tls: handshake message of length 16777215 bytes exceeds maximum of 65536 bytes"},
	}
	for _, tt := range tests {
		h := raw(t, func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, tt.answer)
		})
		h.URL.Scheme = "https"
		_, err := h.Fetch(t.Context())
		if want := "GET " + h.URL.String() + ": " + tt.want; err == nil || err.Error() != want {
			t.Errorf("after %.20q: Fetch = %v, want %s", tt.answer, err, want)
		}
	}
}

func TestOnlyHTTP(t *testing.T) {
	for _, u := range []string{"file:///etc/passwd", "ftp://example.com/x"} {
		h := httpkind.Exchange{URL: parseURL(t, u)}
		wantError(t, h, "GET "+u+fmt.Sprintf(": the scheme is %q, want http or https", h.URL.Scheme))
	}
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file://"+r.Host+"/etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	wantError(t, h, "GET "+h.URL.String()+": redirected to a file address, want http or https")
}
