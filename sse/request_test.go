package sse_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

func TestRequestLastEventID(t *testing.T) {
	for _, tt := range []struct{ url, header, want string }{
		{"/", "", ""},
		{"/", "r-1", "r-1"},
		{"/?last_event_id=r-2", "", "r-2"},
		{"/?last_event_id=r-2", "r-1", "r-1"},
		{"/?other=r-2", "", ""},
		{"/?other=1&last_event_id=a+b%2Dc", "", "a b-c"},
		{"/?last%5Fevent_id=r-2&last_event_id=r-3", "", "r-2"},
		{"/?last_event_id=%zz&last_event_id=r-3", "", "r-3"},
		{"/?last_event_id=a;b&%zz=1&&last_event_id", "", ""},
		{"/?last_event_id=&last_event_id=r-3", "", ""},
		{"/?last_event_id=r=4", "", "r=4"},
	} {
		r := httptest.NewRequest("GET", tt.url, nil)
		if tt.header != "" {
			r.Header.Set("Last-Event-ID", tt.header)
		}
		expect(t, "RequestLastEventID of "+tt.url+" "+tt.header, sse.RequestLastEventID(r), tt.want)
		if tt.header == "" {
			expect(t, "the query's value in "+tt.url, r.URL.Query().Get("last_event_id"), tt.want)
		}
	}
	r := httptest.NewRequest("GET", "/?stream=t&last_event_id=r-2", nil)
	if n := testing.AllocsPerRun(100, func() { sse.RequestLastEventID(r) }); n > 0 {
		t.Errorf("RequestLastEventID allocates %v times", n)
	}
}

// What one handler's middleware adds to the headers of a stream is not in those of the next.
func TestHeadersAreNotShared(t *testing.T) {
	hub := sse.NewHub(t.Context(), nil)
	for range 2 {
		w := &ssetest.Writer{}
		r := httptest.NewRequest("HEAD", "/", nil)
		if err := hub.Serve(w, r, hub.Topic("t", sse.TopicOptions{})); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
		} {
			expect(t, key, strings.Join(w.Header()[key], " and "), want)
			w.Header().Add(key, "more")
		}
	}
}

func TestServeGone(t *testing.T) {
	for id, want := range map[string]bool{
		"r-end": true, "ABC123-end": true,
		"": false, "-end": false, "end": false, "r-1": false, "r-endx": false, "r-x-end": false, "r\n-end": false, "r-end\n": false,
	} {
		if got := sse.IsTerminalID(id); got != want {
			t.Errorf("IsTerminalID(%q) = %v, want %v", id, got, want)
		}
		w := &ssetest.Writer{}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Last-Event-ID", id)
		if got := sse.ServeGone(w, r); got != want || (w.Status() == http.StatusNoContent) != want || !want && w.Status() != 0 {
			t.Errorf("ServeGone with %q = %v, status %d, want %v", id, got, w.Status(), want)
		}
	}
}

type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// flusher has a Flush of its own that can do nothing if the inner writer cannot flush.
type flusher struct{ unwrapper }

func (flusher) Flush() {}

// noDeadline can flush, and hides the rest.
type noDeadline struct{ http.ResponseWriter }

func (noDeadline) FlushError() error { return nil }

type noFlush struct{ http.ResponseWriter }

func (noFlush) SetWriteDeadline(time.Time) error { return nil }

func TestCheckWriter(t *testing.T) {
	w := &ssetest.Writer{}
	for _, tt := range []struct {
		w    http.ResponseWriter
		want string
	}{
		{w, ""},
		{unwrapper{w}, ""},
		{flusher{unwrapper{unwrapper{w}}}, ""},
		{hider{w}, "sse: sse_test.hider hides Flush and SetWriteDeadline: add an Unwrap method"},
		{unwrapper{hider{w}}, "sse: sse_test.hider hides Flush and SetWriteDeadline: add an Unwrap method"},
		{flusher{unwrapper{hider{w}}}, "sse: sse_test.hider hides Flush and SetWriteDeadline: add an Unwrap method"},
		{unwrapper{noDeadline{w}}, "sse: sse_test.noDeadline hides SetWriteDeadline: add an Unwrap method"},
		{noFlush{w}, "sse: sse_test.noFlush hides Flush: add an Unwrap method"},
		{httptest.NewRecorder(), "sse: *httptest.ResponseRecorder hides SetWriteDeadline: add an Unwrap method"},
	} {
		got := ""
		if err := sse.CheckWriter(tt.w); err != nil {
			got = err.Error()
			if writer := new(sse.WriterError); !errors.As(err, &writer) || !strings.Contains(got, writer.Writer+" hides "+writer.Missing[0]) {
				t.Errorf("CheckWriter = %#v, want a WriterError", err)
			}
		}
		expect(t, "CheckWriter", got, tt.want)
	}
	if w.Status() != 0 {
		t.Errorf("CheckWriter wrote status %d", w.Status())
	}

	// What middleware of the standard library does.
	srv := httptest.NewServer(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err := sse.CheckWriter(w)
		const want = "sse: *http.timeoutWriter hides Flush and SetWriteDeadline: add an Unwrap method"
		if err == nil || err.Error() != want {
			t.Errorf("CheckWriter under TimeoutHandler = %v, want %s", err, want)
		}
	}), time.Minute, ""))
	defer srv.Close()
	if _, err := srv.Client().Get(srv.URL); err != nil {
		t.Error(err)
	}
}
