package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// busy is JavaScript that gives the page a stream on which each source is told again, with another number, twice a second. It is
// made in the page, so that a machine with other things to do does not slow it down. beats() counts the slices of it, ten of which
// are all sources; of a thousand snapshots one changes its state.
const busy = `
	window.beats = 0;
	{
		const { fetch: ask } = window;
		window.fetch = async (url, options) => {
			if (!String(url).includes("/stream")) return ask(url, options);
			const { sources } = await (await ask("api/v1/sources")).json();
			const encoder = new TextEncoder();
			let n = 0;
			const body = new ReadableStream({ start: (to) => setInterval(() => {
				let text = "";
				for (let i = beats % 10; i < sources.length; i += 10) {
					n++;
					const source = sources[i], at = Date.now(), { value } = source;
					if (source.updated_at) Object.assign(source, { updated_at: new Date(at).toISOString(), next_at: new Date(at + 500).toISOString() });
					for (const name in Object(value)) if (typeof value[name] === "number") value[name] += n % 3 - 1;
					if (n % 1000 === 999) source.state = source.state === "failing" ? "ok" : "failing";
					text += "id: a-" + n + "\ndata: " + JSON.stringify(source) + "\n\n";
				}
				beats++;
				document.body.dataset.beats = beats;
				to.enqueue(encoder.encode(text));
			}, 50) });
			return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
		};
	}`

// The plants of which the overview is shown, how, and what is pressed.
var large = []struct {
	sources     int
	query, open string
}{
	{500, "", ""}, {500, "", "#sections details:not([open])"}, {500, "density=cards", "#sections details:not([open])"}, {2000, "", ""},
}

func openLarge(t testing.TB, sources int, query, open string) *page {
	p := newPageOf(t, fixture.Plant(sources)).overview(query, view{before: busy})
	if open != "" {
		eval[bool](p, fmt.Sprintf(`(document.querySelectorAll(%q).forEach((n) => { n.open = true; }), document.querySelector("#sections").scrollIntoView(), true)`, open))
	}
	return p
}

func (p *page) elements() int {
	p.t.Helper()
	return eval[int](p, `document.querySelectorAll("*").length`)
}

// A page of many sources stays one that a browser can lay out.
func TestTheOverviewHasABoundOfElements(t *testing.T) {
	for _, c := range large[2:] {
		p := openLarge(t, c.sources, c.query, c.open)
		p.await(`beats >= 10`) // each source has changed
		if got := p.elements(); got < c.sources || got > 15_000 {
			t.Errorf("the overview of %d sources, %q, has %d elements, want at most 15,000", c.sources, c.query, got)
		}
	}
}

// What the page costs while each of many sources changes twice a second. An iteration is a twentieth of a second, in which a tenth
// of them do: -benchtime 12000x takes ten minutes.
func BenchmarkTheOverview(b *testing.B) {
	for _, c := range large {
		b.Run(fmt.Sprintf("sources=%d/query=%s/unfolded=%t", c.sources, c.query, c.open != ""), func(b *testing.B) {
			p := openLarge(b, c.sources, c.query, c.open)
			p.await(`beats >= 40`)
			before := p.heap()
			draws := p.draws(func() {
				for n := range max(b.N, 20) { // each wait has its own bound
					p.await(fmt.Sprintf("beats >= %d", 41+n))
				}
			})
			b.ReportMetric(0, "ns/op") // which is the stream's pace
			b.ReportMetric(draws[len(draws)/2], "median-ms")
			b.ReportMetric(draws[len(draws)*95/100], "p95-ms")
			b.ReportMetric(draws[len(draws)-1], "worst-ms")
			b.ReportMetric(p.heap()-before, "heap-growth-MB")
			b.ReportMetric(float64(p.elements()), "elements")
			p.close()
		})
	}
}

// heap is what the page's objects take, in MB.
func (p *page) heap() float64 {
	p.t.Helper()
	p.do(call(heapprofiler.CollectGarbage, cdp.Empty{}))
	return eval[float64](p, `performance.memory.usedJSHeapSize / 1e6`)
}

// draws returns the thread time in ms, ascending, of each task of the main thread in which a frame was drawn while f ran: script,
// styles, layout and paint.
func (p *page) draws(f func()) []float64 {
	p.t.Helper()
	type event struct {
		Name, Ph string
		Pid, Tid int
		Ts, Dur  float64
		Tdur     float64
		Args     struct{ Name string }
	}
	var mu sync.Mutex // guards all
	var all []event
	done := make(chan struct{})
	if err := chromedp.Listen(p.ctx, func(e any) {
		switch e := e.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, raw := range e.Value {
				var one event
				if json.Unmarshal([]byte(raw), &one) == nil { // arguments of other types are of other events
					all = append(all, one)
				}
			}
		case *tracing.EventTracingComplete:
			close(done)
		}
	}); err != nil {
		p.t.Fatal(err)
	}
	p.do(call(tracing.Start, tracing.StartParams{
		TransferMode: "ReportEvents", TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"devtools.timeline", "toplevel", "__metadata"}},
	}))
	f()
	p.do(call(tracing.End, cdp.Empty{}))
	<-done
	mu.Lock()
	defer mu.Unlock()
	is := func(name string) func(event) bool {
		return func(e event) bool { return e.Ph == "X" && strings.HasSuffix(e.Name, name) }
	}
	var frames []event
	for _, e := range all {
		if is("FireAnimationFrame")(e) {
			frames = append(frames, e)
		}
	}
	var draws []float64
	for _, e := range all {
		if is("RunTask")(e) && slices.ContainsFunc(frames, func(f event) bool { return f.Pid == e.Pid && f.Tid == e.Tid && f.Ts >= e.Ts && f.Ts < e.Ts+e.Dur }) {
			draws = append(draws, e.Tdur/1000)
		}
	}
	if len(draws) == 0 {
		p.t.Fatal("nothing was drawn")
	}
	slices.Sort(draws)
	return draws
}
