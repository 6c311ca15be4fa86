package ssetest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "a helper of tests should bring nothing into them",
		"github.com/tidewire/tidewire/sse", "github.com/tidewire/tidewire/internal/httpclient")
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

		start, r := time.Now(), &recorder{TB: t}
		if st.Event(r); r.failed == "" || time.Since(start) != time.Minute {
			t.Errorf("Event without one: failed with %q after %v, want a failure after a minute", r.failed, time.Since(start))
		}
		st = srv.Open(t, "/", nil)
		start, r = time.Now(), &recorder{TB: t}
		if got := st.Rest(r); len(got) != 1 || r.failed == "" || time.Since(start) != time.Minute {
			t.Errorf("Rest without end = %v, failed with %q after %v, want a failure after a minute", got, r.failed, time.Since(start))
		}

		st = srv.Open(t, "/", nil)
		_ = a.Close(sse.Event{Data: []byte("end")})
		if got := st.Rest(t); len(got) != 2 || got[1].ID != "r-end" {
			t.Errorf("Rest = %v, want 1 and the terminal", got)
		}
	})
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
