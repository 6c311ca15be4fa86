package ssetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "a helper of tests should bring nothing into them",
		"github.com/tidewire/tidewire/sse", "github.com/tidewire/tidewire/internal/httpclient",
		"github.com/tidewire/tidewire/internal/network")
}

// recorder is a test that keeps what it is told.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Errorf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }

func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub := sse.NewHub(ctx, nil)
		a := hub.Topic("a", sse.TopicOptions{})
		a.Open("r")
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := hub.Serve(w, r, a); err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		}))
		_ = a.Publish(sse.Event{Data: []byte("1")})
		st := srv.Open(t, "/any?x=1", http.Header{"Last-Event-Id": {"r-0"}})
		if ev := st.Event(t); ev.ID != "r-1" || string(ev.Data) != "1" {
			t.Errorf("Event = %v, want r-1", ev)
		}
		header, path := st.Response.Request.Header.Get("Last-Event-ID"), st.Response.Request.URL.RequestURI()
		if header != "r-0" || path != "/any?x=1" {
			t.Errorf("requested %s with id %q, want /any?x=1 and r-0", path, header)
		}

		st = srv.Open(t, "/", nil)
		_ = a.Close(sse.Event{Data: []byte("end")})
		if got := st.Rest(t); len(got) != 2 || got[1].ID != "r-end" {
			t.Errorf("Rest = %v, want 1 and the terminal", got)
		}
	})
}

// An event that never comes fails the test with what was waited for. In a bubble that is not until hours of silence are over.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(48 * time.Hour):
				_, _ = io.WriteString(w, "data: 2\n\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
			}
			<-r.Context().Done()
		}))
		st := srv.Open(t, "/", nil)
		for _, want := range []string{"1", "2"} {
			if got := string(st.Event(t).Data); got != want {
				t.Errorf("Event = %s, want %s", got, want)
			}
		}
		r := &recorder{TB: t}
		if st.Event(r); r.failed != "ssetest: no event within 8760h0m0s" {
			t.Errorf("Event without one: failed with %q, want what was waited for", r.failed)
		}
		st = srv.Open(t, "/", nil)
		r = &recorder{TB: t}
		if st.Rest(r); r.failed != "ssetest: no end of the stream within 8760h0m0s, after 2 events" {
			t.Errorf("Rest without end: failed with %q, want what was waited for", r.failed)
		}
		st = srv.Open(t, "/", nil)
		st.Close()
		r = &recorder{TB: t}
		if st.Event(r); !strings.HasPrefix(r.failed, "ssetest: next event: ") {
			t.Errorf("Event of a stream that is closed: failed with %q, want the reason", r.failed)
		}
	})
}

// What the server has written before it closes the connection is there for a client that comes to read it later, as it
// is with a socket; and the other way with no buffer.
func TestBuffer(t *testing.T) {
	for _, tt := range []struct {
		opts *ssetest.Options
		size int
		sent bool
	}{
		{nil, 60 << 10, true},
		{nil, 80 << 10, false},
		{&ssetest.Options{Buffer: 10 << 10}, 8 << 10, true},
		{&ssetest.Options{Buffer: 10 << 10}, 20 << 10, false},
		{&ssetest.Options{Buffer: -1}, 3 << 10, false}, // Client takes 4 KB at once, and what the server has after it waits
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Bool
			srv := ssetest.Start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				_, _ = w.Write(make([]byte, tt.size/3))
				_ = http.NewResponseController(w).Flush()
				_, _ = w.Write(make([]byte, tt.size/3))
				if _, err := w.Write(make([]byte, tt.size/3)); err == nil && http.NewResponseController(w).Flush() == nil {
					sent.Store(true)
				}
			})}, tt.opts)
			st := srv.Open(t, "/", nil)
			time.Sleep(time.Hour)
			if sent.Load() != tt.sent {
				t.Errorf("%+v: %d bytes sent: %v, want %v", tt.opts, tt.size, sent.Load(), tt.sent)
			}
			st.Close()
		})
	}
}

func TestWriter(t *testing.T) {
	w := &ssetest.Writer{}
	rc := http.NewResponseController(w)
	if w.Status() != 0 {
		t.Errorf("Status() = %d before anything is written, want 0", w.Status())
	}
	w.Header().Set("X", "y")
	_, _ = w.Write([]byte("a"))
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write([]byte("b"))
	if w.Status() != http.StatusOK || w.Body() != "ab" || w.Header().Get("X") != "y" {
		t.Errorf("wrote %d %q %v, want 200 ab with X", w.Status(), w.Body(), w.Header())
	}
	if err := errors.Join(rc.Flush(), rc.SetWriteDeadline(time.Now())); err != nil {
		t.Errorf("Flush, SetWriteDeadline = %v, want nil", err)
	}
	boom := errors.New("boom")
	w.OnWrite = func(p []byte) (int, error) { return 0, boom }
	w.OnFlush = func() error { return boom }
	w.OnSetWriteDeadline = func(time.Time) error { return boom }
	if _, err := w.Write(nil); err != boom || rc.Flush() != boom || rc.SetWriteDeadline(time.Now()) != boom {
		t.Errorf("the replaced methods are not called")
	}
}
