package e2e_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// A browser comes back once after the end of a run, with the terminal's id, and stops at
// 204: exactly two requests.
func TestAnEventSourceStopsAtTheEndOfARun(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := scripttest.New(t)
	f := newFront(t, serve(t, scan(s)).url)
	p := open(t, f.url+"tidewire.js", view{})
	p.expect("favicon")
	id := endedRun(p, s)
	ids := eval[[]string](p, `new Promise((done) => {
		const ids = [], source = new EventSource("/api/v1/runs/`+id+`/events");
		source.onmessage = (e) => ids.push(e.lastEventId);
		source.onerror = () => source.readyState === EventSource.CLOSED && done(ids);
	})`)
	if want := []string{id + "-end"}; !slices.Equal(ids, want) {
		t.Errorf("the browser got events %q, want %q", ids, want)
	}
	f.await("two answered requests", func(f *front) bool { return f.open == 0 })
	if want := []int{200, 204}; !slices.Equal(f.status, want) {
		t.Errorf("its requests were answered with %v, want %v", f.status, want)
	}
	if got := f.streams[1].Header.Get("Last-Event-ID"); got != id+"-end" {
		t.Errorf("it came back with the id %q, want the terminal's", got)
	}
}

// endedRun runs a job to its end, by requests of the page, and returns the run's id.
func endedRun(p *page, s *scripttest.Script) string {
	p.t.Helper()
	id := startedRun(p)
	s.Begun().Exit(0)
	eval[string](p, `(async () => {
		for (let tag = "";;) {
			const response = await fetch("/api/v1/runs/`+id+`", { headers: { "If-None-Match": tag, Prefer: "wait=20" } });
			tag = response.headers.get("ETag");
			if (tag.endsWith('-end"')) return tag;
		}
	})()`)
	return id
}

// startedRun starts the job report, by a request of the page, and returns the run's id.
func startedRun(p *page) string {
	p.t.Helper()
	return eval[string](p, `fetch("/api/v1/jobs/report/runs", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" })
		.then((response) => response.json()).then((run) => run.id)`)
}

// The module knows the terminal by its id and needs no second request; a run that is not
// there ends a subscription too.
func TestASubscriptionEndsWithItsRun(t *testing.T) {
	s := scripttest.New(t)
	f := newFront(t, serve(t, scan(s)).url)
	p := open(t, f.url+"tidewire.js", view{})
	p.expect("favicon")
	id := endedRun(p, s)
	type ending struct{ States, Statuses []string }
	follow := func(run string) ending {
		return eval[ending](p, `import("/tidewire.js").then(({ subscribe }) => new Promise((done) => {
			const States = [], Statuses = [];
			subscribe("/api/v1/runs/`+run+`/events", {
				onSnapshot: (snapshot) => Statuses.push(snapshot.status),
				onState: (state) => States.push(state),
				onEnd: (snapshot) => done({ States, Statuses: [...Statuses, snapshot?.status ?? "none"] }),
			});
		}))`)
	}
	got := follow(id)
	if want := []string{"succeeded", "succeeded"}; !slices.Equal(got.Statuses, want) {
		t.Errorf("the subscription told %q, want the end as snapshot and as end", got.Statuses)
	}
	if want := []string{"connecting", "live"}; !slices.Equal(got.States, want) {
		t.Errorf("the subscription was %q, want %q", got.States, want)
	}
	f.await("one answered request", func(f *front) bool { return len(f.streams) == 1 && f.open == 0 })

	p.expect("status of 404")
	if got, want := follow("nothing").Statuses, []string{"none"}; !slices.Equal(got, want) {
		t.Errorf("of a run that is not there the subscription told %q, want %q", got, want)
	}
}

// While a page polls it tries the stream again, and takes it when something comes through.
func TestThePageReturnsToTheStream(t *testing.T) {
	t.Parallel() // it waits most of the time
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	through := make(chan struct{})
	f.instead(func(n int, w http.ResponseWriter, r *http.Request) bool {
		select {
		case <-through:
			return false
		default:
			<-r.Context().Done() // everything is held back, the head too
			return true
		}
	})
	p := open(t, f.url, view{before: sooner(5_000, 300) + sooner(120_000, 300)})
	p.await(`connection() === "polling" && value("tank") === "41.0"`)
	f.await("a further attempt", func(f *front) bool { return len(f.streams) >= 3 })
	p.await(`connection() === "polling"`)
	close(through)
	p.await(`connection() === "live"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0" && connection() === "live"`)
	f.await("one stream in the end", func(f *front) bool { return f.open == 1 })
}

// HTTP/2 has no limit of six connections.
func TestTwentyStreamsOnOneConnection(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newSecureFront(t, serve(t, tank(plant.url)).url)
	p := open(t, f.url, view{})
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	levels := eval[[]float64](p, `Promise.all(Array.from({ length: 20 }, (_, i) => new Promise((done, failed) => {
		const source = new EventSource("/api/v1/stream?i=" + i);
		source.onmessage = (e) => {
			const { key, value } = JSON.parse(e.data);
			if (key === "source/tank") done(value.level);
		};
		source.onerror = () => failed(new Error("stream " + i + " broke"));
	})))`)
	if len(levels) != 20 || slices.Min(levels) != 41 {
		t.Errorf("twenty streams brought %v, want the level on each", levels)
	}
	f.await("21 open streams", func(f *front) bool { return f.open == 21 })
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0"`)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.streams {
		if r.ProtoMajor != 2 {
			t.Errorf("%s came over %s, want HTTP/2", r.URL, r.Proto)
		}
	}
}
