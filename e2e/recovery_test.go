package e2e_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/internal/scripttest"
)

func TestThePageRecoversWhenTheServerRestarts(t *testing.T) {
	t.Parallel() // it waits most of the time
	plant := newUpstream(t, `{"level": 41}`)
	s := scripttest.New(t)
	g := serve(t, tank(plant.url)+scan(s))
	p := open(t, g.url, view{width: 1440, height: 900})
	p.expect(`network: Failed to load resource: net::`)
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	p.click(startReport)
	s.Begun().Exit(0)
	p.await(`card("report").dataset.state === "ok"`)

	g.stop()
	p.await(`connection() === "reconnecting"`)
	p.await(`value("tank") === "41.0" && band().startsWith("No connection since")`)
	plant.say(`{"level": 44}`)
	began := eval[float64](p, `performance.now()`)
	g.start()
	p.await(`connection() === "live"`)
	t.Logf("the page is live %.0f ms after the gateway began to start", eval[float64](p, `performance.now()`)-began)
	p.await(`value("tank") === "44.0" && card("tank").dataset.state === "ok"`)
	// What the new server does not know is not shown any more, and nothing twice.
	p.await(`card("report").dataset.state === "idle"`)
	if got, want := eval[int](p, `document.querySelectorAll(".card, .job").length`), 3; got != want {
		t.Errorf("the page shows %d cards, want %d", got, want)
	}
	p.click(startReport)
	s.Begun().Exit(0)
	p.await(`card("report").dataset.state === "ok"`)
}

// Losses that a browser does not mend by itself: an answer that is no stream closes an
// EventSource for good, and a path that went dead leaves it open, silently.
func TestThePageOpensAnewWhatTheBrowserGaveUp(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	first, recover := make(chan struct{}), make(chan struct{})
	f.instead(func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			close(first)
			<-recover
			http.Error(w, "no backend", http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "retry: 3000\n\nid: x-1\ndata: {\"key\":\"source/other\",\"name\":\"other\",\"state\":\"ok\",\"value\":1}\n\n")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		return n <= 2
	})
	p := open(t, f.url, view{before: sooner(45_000, 500)}) // silence is told from rest sooner here
	p.expect(`status of 503`)
	<-first
	p.await(`connection() === "connecting"`)
	close(recover)
	p.await(`connection() === "reconnecting"`)
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0"`)
	f.await("a refused, a silent and a good stream", func(f *front) bool { return len(f.streams) == 3 && f.open == 1 })
	if got := f.stream(3).Query().Get("last_event_id"); got != "x-1" {
		t.Errorf("the page goes on after %q, want the last id that it has had", got)
	}
}

// A server that takes no more streams says so with 200 and the time to come back: any
// other status would end an EventSource for good.
func TestThePageComesBackWhereItWasTurnedAway(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	f.instead(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 2 {
			return false
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 100\n\n")
		return true
	})
	p := open(t, f.url, view{})
	f.await("three streams", func(f *front) bool { return len(f.streams) == 3 && f.open == 1 })
	p.await(`connection() === "live"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0"`)
}

// When the network is back, nobody waits for the next attempt.
func TestThePageComesBackWithTheNetwork(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	f.instead(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		http.Error(w, "no backend", http.StatusBadGateway)
		return true
	})
	p := open(t, f.url, view{before: `
		window.setTimeout = ((set) => (f, ms) => set(f, 500 <= ms && ms < 1000 ? 1e9 : ms))(window.setTimeout); // the first backoff`})
	p.expect(`status of 502`)
	p.await(`connection() === "reconnecting"`)
	eval[bool](p, `dispatchEvent(new Event("online"))`)
	p.await(`connection() === "live" && value("tank") === "41.0"`)
}

// A machine that sleeps stops the clocks of the page as well: it looks at the time when
// it is seen again.
func TestThePageOpensAnewAfterASleep(t *testing.T) {
	f := newFront(t, serve(t, tank(newUpstream(t, `{"level": 41}`).url)).url)
	p := open(t, f.url, view{before: hidden})
	p.await(`connection() === "live"`)
	eval[bool](p, `(hide(true), hide(false))`)
	eval[bool](p, `(Date.now = ((now) => () => now() + 46_000)(Date.now), hide(true), hide(false))`)
	f.await("a second stream", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
	p.await(`connection() === "live"`)
}
