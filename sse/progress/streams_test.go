package progress_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A Handler and a Tracker carry streams with the options that they are given.
func TestStreamOptions(t *testing.T) {
	opts := sse.StreamOptions{HeartbeatBlock: true}
	for name, handler := range map[string]func(*fixture) http.Handler{
		"Handler": func(f *fixture) http.Handler {
			return progress.Handler(f.Tracker, progress.HandlerOptions{
				Topic:   topicOf,
				Work:    func(context.Context, *progress.Reporter, *http.Request) (any, error) { return nil, nil },
				Streams: opts,
			})
		},
		"Tracker.With": func(f *fixture) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := f.With(opts).Serve(w, r, topicOf(r)); err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				job, _ := f.Start("a")
				srv := ssetest.NewServer(t, handler(f))
				st := srv.Open(t, "/a", nil)
				time.Sleep(heartbeat + 2*time.Second)
				job.Finish("over")
				body, err := io.ReadAll(st.Response.Body)
				if err != nil || !strings.Contains(string(body), "\n:\n\nid: ") {
					t.Errorf("body = %q, %v, want a heartbeat with a blank line", body, err)
				}
			})
		})
	}
}
