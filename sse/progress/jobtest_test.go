package progress_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/jobtest"
	"github.com/tidewire/tidewire/sse/progress"
)

// A Handler answers as the gateway does.
func TestHandlerAnswersAsOthers(t *testing.T) {
	jobtest.Test(t, func(t *testing.T) jobtest.API {
		tracker := progress.New(t.Context(), time.Minute, time.Minute, nil)
		works := make(chan chan struct{}, 10)
		server := httptest.NewServer(progress.Handler(tracker, progress.HandlerOptions{
			Work: func(ctx context.Context, _ *progress.Reporter, _ *http.Request) (any, error) {
				over := make(chan struct{})
				works <- over
				select {
				case <-over:
					return nil, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
		}))
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		at := server.URL + "/scan"
		run := func(id string) string { return at + "?run=" + id }
		return jobtest.API{
			Start: at, First: `{}`, Second: `{"fast":true}`,
			Run:    run,
			Cancel: func(id string) (method, url string) { return "DELETE", run(id) },
			Begun: func() (finish func()) {
				over := <-works
				return func() { close(over) }
			},
			Stop: func() {
				if err := tracker.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			},
		}
	})
}
