package sse_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A run that is replaced, or removed, when a stream of it is about to begin costs the client neither the head of the
// response nor the retry time.
func TestARunIsReplacedAsAStreamBegins(t *testing.T) {
	for _, e := range engines {
		for _, tt := range []struct {
			name   string
			change func(*sse.Topic)
			want   string
		}{
			{"opened", func(a *sse.Topic) { a.Open("s") }, ""},
			{"published", func(a *sse.Topic) { _ = a.Publish(sse.Event{ID: "s-1", Data: []byte("other")}) }, "s-1=other"},
			{"removed", func(a *sse.Topic) { a.Remove("r") }, "EOF"},
		} {
			t.Run(e.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var f *fixture
					f = newFixture(t, e, &sse.HubOptions{Observer: &sse.Observer{
						Resumed: func(sse.Resume) { tt.change(f.topic("a")) },
					}})
					a := f.topic("a")
					a.Open("r")
					publish(t, a, "old")
					began := time.Now()
					stream := f.srv.Open(t, "/one/a", nil)
					if took := time.Since(began); took > 0 {
						t.Errorf("the head came after %v", took)
					}
					if tt.want == "EOF" {
						expect(t, "events", rest(t, stream), "")
						if stream.Retry() < 2*time.Second {
							t.Errorf("retry = %v, want 2 to 5 s", stream.Retry())
						}
						return
					}
					if tt.want != "" {
						expect(t, "first event", next(t, stream, 1), tt.want)
					}
					synctest.Wait()
					publish(t, a, "new")
					if got := next(t, stream, 1); !strings.HasSuffix(got, "=new") {
						t.Errorf("event %s, want new", got)
					}
					if stream.Retry() < 2*time.Second {
						t.Errorf("retry = %v, want 2 to 5 s", stream.Retry())
					}
				})
			})
		}
	}
}

// Who is ended while a stream is about to begin gets nothing of its topics any more.
func TestEndAsAStreamBegins(t *testing.T) {
	for _, e := range engines {
		for _, path := range []string{"/one/a", "/all/a,b"} {
			t.Run(e.name+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var f *fixture
					ends := make(chan sse.Ended, 1)
					f = newFixture(t, e, &sse.HubOptions{
						OnSubscribe: func(_ *http.Request, topic *sse.Topic) error {
							if topic.Name() == "a" { // it is allowed by what is true no more
								f.hub.End(func(any) bool { return true }, "revoked")
								publish(t, topic, "secret")
							}
							return nil
						},
						Observer: &sse.Observer{Ended: func(e sse.Ended) { ends <- e }},
					})
					stream := f.srv.Open(t, path, nil)
					expect(t, "events", rest(t, stream), "bye(revoked)")
					if retry := stream.Retry(); retry < 100*time.Millisecond || retry > 2*time.Second {
						t.Errorf("retry = %v, want 0.1 to 2 s", retry)
					}
					expect(t, "cause", string((<-ends).Cause), string(sse.CauseForbidden))
				})
			})
		}
	}
}

// What the server writes when a stream has ended, to a client that does not read, does not take for ever.
func TestAServersEndOfAStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		a := hub.Topic("a", sse.TopicOptions{})
		a.Open("r")
		publish(t, a, "1")
		closed := make(chan time.Time, 1)
		srv := ssetest.Start(t, &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := hub.With(sse.StreamOptions{KeepConnection: true}).Serve(w, r, a); err != nil {
					t.Error(err)
				}
			}),
			ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- time.Now()
				}
			},
		}, &ssetest.Options{Buffer: -1})
		stream := srv.Open(t, "/", nil)
		expect(t, "events", next(t, stream, 1), "r-1=1")
		synctest.Wait()
		begin := time.Now()
		a.Remove("r")
		select {
		case at := <-closed:
			if took := at.Sub(begin); took > 16*time.Second {
				t.Errorf("the connection was closed after %v, want at most 16 s", took)
			}
		case <-time.After(time.Hour):
			t.Error("the server still writes the end of the stream")
		}
	})
}
