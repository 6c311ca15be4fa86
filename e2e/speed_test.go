package e2e_test

import (
	"encoding/json"
	"flag"
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

// What the page may cost: a draw, thread time of the main thread in ms; and elements.
const (
	medianDraw = 8
	worstDraw  = 50
	mostNodes  = 15_000
)

var beats = flag.Int("beats", 160, "how many times, 20 a second, sources change in TestTheOverviewIsFast: 12000 take ten minutes")

// A page of many sources of which each changes twice a second is drawn in little time, and its heap does not grow.
func TestTheOverviewIsFast(t *testing.T) {
	for _, c := range []struct {
		sources     int
		query, open string // what is shown, and what is pressed
	}{
		{500, "", ""}, {500, "", "#sections details:not([open])"}, {500, "density=cards", "#sections details:not([open])"}, {2000, "", ""},
	} {
		t.Run(fmt.Sprintf("%d %s %s", c.sources, c.query, c.open), func(t *testing.T) {
			s := newPageOf(t, fixture.Plant(c.sources))
			p := s.overview(c.query, view{before: busy})
			if c.open != "" {
				eval[bool](p, fmt.Sprintf(`(document.querySelectorAll(%q).forEach((n) => { n.open = true; }), document.querySelector("#sections").scrollIntoView(), true)`, c.open))
			}
			p.await(`beats >= 40`)
			before := p.heap()
			draws := p.draws(func() { p.await(`beats >= 160`) })
			for n := 160; n < *beats; n += 100 { // as long as the bar for the heap says, if somebody asks for that
				p.await(fmt.Sprintf("beats >= %d", n))
			}
			after, nodes := p.heap(), eval[int](p, `document.querySelectorAll("*").length`)
			median, worst := draws[len(draws)/2], draws[len(draws)-1]
			t.Logf("%d draws: median %.1f ms, 95%% %.1f ms, worst %.1f ms; heap %.1f to %.1f MB; %d elements", len(draws), median, draws[len(draws)*95/100], worst, before, after, nodes)
			if median > medianDraw || worst > worstDraw || nodes > mostNodes || after > before+2 {
				t.Errorf("want a median of %d ms, at worst %d ms, %d elements, and no growth of the heap", medianDraw, worstDraw, mostNodes)
			}
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
