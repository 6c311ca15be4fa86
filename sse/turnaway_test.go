package sse_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Who is turned away is told to come back soon, and leaves nothing behind.
func TestTurnAway(t *testing.T) {
	for _, e := range engines {
		for _, path := range []string{"/one/a", "/all/a,b"} {
			t.Run(e.name+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var refused []sse.Cause
					f := newFixture(t, e, &sse.HubOptions{
						TurnAway: func(r *http.Request) bool { return sse.RequestLastEventID(r) == "r-9" },
						Quotas:   []sse.Quota{byHeader("X-User")},
						Observer: &sse.Observer{Refused: func(r sse.Refused) { refused = append(refused, r.Cause) }},
					})
					publish(t, f.topic("a"), "1")
					header := http.Header{"Last-Event-Id": {"r-9"}, "X-User": {"ann 1"}, "Accept": {"text/event-stream"}}
					for range 2 {
						stream := f.srv.Open(t, path, header)
						expect(t, "events", rest(t, stream), "bye()")
						if retry := stream.Retry(); retry < 100*time.Millisecond || retry > 2*time.Second {
							t.Errorf("retry = %v, want 0.1 to 2 s", retry)
						}
						<-f.results
					}
					if len(refused) != 2 || refused[0] != sse.CauseElsewhere {
						t.Errorf("refused = %v, want elsewhere twice", refused)
					}
					if got := f.hub.Counts(); got != 0 {
						t.Errorf("%d keys are counted, want none", got)
					}
					header.Set("Last-Event-ID", "r-8")
					stream := f.srv.Open(t, path, header)
					if path == "/all/a,b" {
						expect(t, "first event", string(stream.Event(t).Data), "") // reset
					}
					expect(t, "event", string(stream.Event(t).Data), "1")
					stream.Close()
					<-f.results
				})
			})
		}
	}
}

// A stream that begins while the reason for ending all others comes up ends too, or is turned away.
func TestEndWhileTurnAwayIsAsked(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f *fixture
				f = newFixture(t, e, &sse.HubOptions{TurnAway: func(*http.Request) bool {
					f.hub.End(func(any) bool { return true }, "lost")
					return false // as it was a moment ago
				}})
				publish(t, f.topic("a"), "1")
				stream := f.srv.Open(t, "/one/a", nil)
				expect(t, "events", rest(t, stream), "bye(lost)")
			})
		})
	}
}

// A panic of TurnAway reaches the caller, and leaves no stream behind.
func TestTurnAwayPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub := sse.NewHub(ctx, &sse.HubOptions{TurnAway: func(*http.Request) bool { panic("mine") }})
		topic := hub.Topic("a", sse.TopicOptions{})
		func() {
			defer func() {
				if got := recover(); got != "mine" {
					t.Errorf("Serve panicked with %v, want that of TurnAway", got)
				}
			}()
			r, _ := http.NewRequest(http.MethodGet, "/", nil)
			_ = hub.Serve(&ssetest.Writer{}, r, topic)
		}()
		if _, streams := hub.Size(); streams != 0 {
			t.Errorf("%d streams are left behind, want none", streams)
		}
	})
}
