package sse_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A Manager whose handlers hand connections off keeps a topic until its last stream ends, not until the handler returns.
func TestManagerHandsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := sse.NewHub(t.Context(), nil)
		hub.TakeMemorySockets()
		m := sse.NewHubManager(hub)
		stream := m.Handler(sse.WithStreams(sse.StreamOptions{HandOff: true}))
		var returned atomic.Int64
		srv := handOffServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream.ServeHTTP(w, r)
			returned.Add(1)
		})})
		st, other := srv.Open(t, "/tank", nil), srv.Open(t, "/tank", nil)
		synctest.Wait()
		if got := returned.Load(); got != 2 {
			t.Fatalf("%d handlers have returned, want 2", got)
		}
		m.Publish("/tank", 1)
		expect(t, "data", string(st.Event(t).Data), "1")
		st.Close()
		time.Sleep(10 * time.Second) // until it is noticed
		if topics, _, _ := m.Held(); topics != 1 {
			t.Errorf("the Manager holds %d topics after one of two streams has ended, want 1", topics)
		}
		m.Publish("/tank", 2)
		other.Event(t)
		expect(t, "data", string(other.Event(t).Data), "2")
		other.Close()
		time.Sleep(10 * time.Second)
		checkHoldsNothing(t, m)
	})
}

// A handler whose stream was refused leaves nothing behind, whatever its options are.
func TestManagerHandsNothingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := sse.NewHub(t.Context(), &sse.HubOptions{
			MaxStreams: 1,
			Subject: func(r *http.Request) any {
				if r.URL.Path == "/panics" {
					panic(http.ErrAbortHandler)
				}
				return nil
			},
		})
		hub.TakeMemorySockets()
		m := sse.NewHubManager(hub)
		srv := handOffServer(t, &http.Server{Handler: m.Handler(sse.WithStreams(sse.StreamOptions{HandOff: true}))})
		st := srv.Open(t, "/tank", nil)
		srv.Open(t, "/tank", nil).Rest(t)
		if resp, err := srv.Client.Get("http://hub/panics"); err == nil {
			t.Errorf("a request whose Subject panics is answered with %d", resp.StatusCode)
		}
		if topics, _, _ := m.Held(); topics != 1 {
			t.Errorf("the Manager holds %d topics, want the one that is watched", topics)
		}
		st.Close()
		time.Sleep(10 * time.Second)
		checkHoldsNothing(t, m)
	})
}

// WithStreams may be given several times.
func TestWithStreamsAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, time.Second)
		r := read(t, m, "/tank",
			sse.WithStreams(sse.StreamOptions{HeartbeatBlock: true, Pause: time.Hour}),
			sse.WithStreams(sse.StreamOptions{Pause: time.Minute}))
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if got := r.w.Body(); len(got) < 6 || got[len(got)-6:] != ":\n\n:\n\n" {
			t.Errorf("heartbeats are %q, want blank lines after them", got)
		}
		m.Publish("/tank", 1)
		synctest.Wait()
		m.Publish("/tank", 2)
		r.want(t, "1")
		time.Sleep(61 * time.Second)
		r.want(t, "2")
		r.close()
	})
}
