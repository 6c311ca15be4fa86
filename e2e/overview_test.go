package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/web/fixture"
	layout "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// A pageOf is a server that has the page of a plant, without a gateway: what the API would answer, and a stream on which the
// test says what has changed. The plant's night is now.
type pageOf struct {
	t       testing.TB
	url     string
	mu      sync.Mutex // guards sources, jobs and what they point to: tests change them
	sources []fixture.Source
	jobs    []wire.JobObject
	say     chan string // events of the stream
	end     chan struct{}
	n       int // of the newest event
	down    atomic.Bool
}

func newPageOf(t testing.TB, set fixture.Set) *pageOf {
	s := &pageOf{t: t, say: make(chan string), end: make(chan struct{})}
	tonight(t, &set)
	s.sources, s.jobs = set.Sources, set.Jobs
	mux := http.NewServeMux()
	mux.Handle("/", web.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		s.mu.Lock()
		defer s.mu.Unlock()
		o := layout.Look{Now: time.Now(), Operate: true}.Overview(s.newest(), s.jobs, layout.Filter{Q: q.Get("q"), State: q.Get("state"), Section: q.Get("section")}, q.Get("density"))
		web.Draw(w, r, http.StatusOK, "overview", web.Page{Tab: "overview", Script: "overview.js", Me: set.Me, Now: time.Now(), Body: o})
	})
	s.answer(mux, "/api/v1/sources", func() any { return map[string]any{"sources": s.newest()} })
	s.answer(mux, "/api/v1/jobs", func() any { return map[string]any{"jobs": s.jobs} })
	s.answer(mux, "/api/v1/events", func() any { return map[string]any{"events": set.Events, "next": nil} })
	s.answer(mux, "/api/v1/trends", func() any {
		var trends []any
		for _, source := range s.sources {
			trends = append(trends, map[string]any{"name": source.Name, "trend": source.Trend, "day": source.Day})
		}
		return map[string]any{"until": time.Now(), "trends": trends}
	})
	s.answer(mux, "/api/v1/me", func() any { return set.Me })
	mux.HandleFunc("/api/v1/stream", s.stream)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s.url = server.URL + "/?"
	return s
}

// answer answers a path with what of returns, which is called with the lock held.
func (s *pageOf) answer(mux *http.ServeMux, path string, of func() any) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler)
		}
		s.mu.Lock()
		text, err := json.Marshal(of())
		s.mu.Unlock()
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(text)
	})
}

func (s *pageOf) stream(w http.ResponseWriter, r *http.Request) {
	if s.down.Load() {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	text := "id: a-0\ndata: {\"key\":\"none\"}\n\n" // a stream without an event is taken for one that is held back
	for {
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		select {
		case text = <-s.say:
		case <-s.end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// newest is the sources as the API has them. The lock is held.
func (s *pageOf) newest() (all []wire.Source) {
	for _, source := range s.sources {
		all = append(all, source.Source)
	}
	return all
}

// source changes a source, and tells the page.
func (s *pageOf) source(name string, change func(*wire.Source)) {
	s.tell(func() any {
		i := slices.IndexFunc(s.sources, func(source fixture.Source) bool { return source.Name == name })
		change(&s.sources[i].Source)
		return s.sources[i].Source
	})
}

// job changes a job, and tells the page.
func (s *pageOf) job(name string, change func(*wire.JobObject)) {
	s.tell(func() any {
		i := slices.IndexFunc(s.jobs, func(j wire.JobObject) bool { return j.Name == name })
		change(&s.jobs[i])
		return wire.Job{Run: *s.jobs[i].LastRun, Queue: []wire.Waiting{}}
	})
}

// tell tells the page of a change, and returns when its stream has taken that.
func (s *pageOf) tell(change func() (snapshot any)) {
	s.mu.Lock()
	data, err := json.Marshal(change())
	s.mu.Unlock()
	if err != nil {
		s.t.Fatal(err)
	}
	s.n++
	s.say <- fmt.Sprintf("id: a-%d\ndata: %s\n\n", s.n, data)
}

// tonight moves all times of a set to now.
func tonight(t testing.TB, set *fixture.Set) {
	var tree any
	decoder := json.NewDecoder(strings.NewReader(string(set.JSON())))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	by := time.Since(set.Now)
	var move func(any) any
	move = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range maps.Keys(v) {
				if name != "value" {
					v[name] = move(v[name])
				}
			}
		case []any:
			for i := range v {
				v[i] = move(v[i])
			}
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return at.Add(by).UTC().Format("2006-01-02T15:04:05.000Z")
			}
		}
		return v
	}
	data, err := json.Marshal(move(tree))
	if err != nil {
		t.Fatal(err)
	}
	*set = fixture.Set{}
	if err := json.Unmarshal(data, set); err != nil {
		t.Fatal(err)
	}
	for i := range set.Sources {
		if at := set.Sources[i].StaleAt; at != nil && at.After(time.Now()) {
			set.Sources[i].StaleAt = new(at.Add(time.Hour)) // tests take their time
		}
	}
}

// overviewWords are the words in which conditions on the overview are written.
const overviewWords = `
	var at = (key, part) => { const n = document.querySelector(':is(#sections, #jobs) [data-key="' + key + '"]'); return part ? n.querySelector(part) : n; };
	var says = (key, part) => { const n = at(key, part); return n.checkVisibility() ? n.textContent.trim().replace(/\s+/g, " ") : ""; };
	var said = (part) => document.querySelector(part).textContent.trim().replace(/\s+/g, " ");
	var counts = (list) => [...document.querySelector(list).children].map((n) => n.textContent.trim().replace(/\s+/g, " ")).join(", ");
	var live = () => document.querySelector(".connection").dataset.state === "live" && !document.getElementById("pause").hidden;
`

// overview opens the page of a plant and waits until the modules have taken it over.
func (s *pageOf) overview(query string, v view) *page {
	s.t.Helper()
	v.before, v.zone = overviewWords+v.before, "UTC"
	if v.width == 0 {
		v.width, v.height = 1440, 900 // there is room for what happened
	}
	p := open(s.t, s.url+query, v)
	p.await(`live()`)
	if v.width >= 1440 { // then there are bars of jobs, which modules draw when they have the lists
		p.await(`document.querySelector(".strip rect")`)
	}
	return p
}

// What the server has drawn stays: modules write what differs, and nothing else.
func TestTheOverviewIsTakenOver(t *testing.T) {
	s := newPageOf(t, fixture.Plant(13))
	p := s.overview("", view{before: `addEventListener("DOMContentLoaded", () => {
		window.drawn = new Map([...document.querySelectorAll(":is(#sections, #jobs) [data-key]")].map((n) => [n.dataset.key, n]));
		window.look = () => [...document.querySelectorAll(".verdict > *, .job .line, .card .title, .card .state, .card .value, .card p.line, .card dl, .card table")].filter((n) => n.checkVisibility()).map((n) => n.innerText.replace(/\s+/g, " ")).join("\n");
		window.words = look();
	});`})
	p.await(`document.querySelector(".spark path")`)
	if got := eval[[]string](p, `[...drawn].filter(([key, n]) => at(key) !== n).map(([key]) => key)`); len(got) > 0 {
		t.Errorf("the elements of %v are others than the server drew", got)
	}
	was, is := eval[string](p, `words`), eval[string](p, `look()`)
	for i, line := range strings.Split(is, "\n") {
		if lines := strings.Split(was, "\n"); i >= len(lines) || lines[i] != line {
			t.Errorf("the modules say\n%q, and the server\n%q", line, lines[min(i, len(lines)-1)])
		}
	}
	s.source("tank", func(src *wire.Source) { src.Value, src.Alert = json.RawMessage(`{"level":61.25,"pump":false}`), nil })
	p.await(`says("source/tank", ".value") === "61.2 %" && says("source/tank", "p.line") === "pump no" && says("source/tank", ".state") === "ok"`)
	p.await(`says("section/Plant/Line 1", ".total") === "2 of 4 ok"`)
	p.await(`counts(".counts") === "1 alert, 1 failing, 2 jobs failed, 1 stale, 1 alert unknown" && ![...document.querySelectorAll(".attention li")].some((n) => n.dataset.key === "source/tank")`)
	s.job("backup", func(j *wire.JobObject) {
		run := *j.LastRun
		run.ID, run.Status, run.Error, run.FinishedAt, run.Message, run.Percent = "NEW", "running", nil, nil, "segment 1 of 60", new(12.0)
		run.StartedAt = new(time.Now())
		j.LastRun = &run
	})
	p.await(`says("job/backup", ".line") === "segment 1 of 60" && at("job/backup", "progress").value === 12 && says("job/backup", "button span") === "Cancel"`)
	p.await(`at("job/backup").querySelectorAll("rect").length === 20 && at("job/backup", "rect:last-of-type").dataset.state === "running"`)
	if got := eval[bool](p, `at("source/tank") === drawn.get("source/tank") && at("job/backup") === drawn.get("job/backup")`); !got {
		t.Error("what has changed was built anew")
	}
}

// An integer of any length is exact, and no value moves another card.
func TestTheOverviewKeepsHostileValues(t *testing.T) {
	s := newPageOf(t, fixture.Hostile())
	p := s.overview("density=cards", view{width: 320, height: 700})
	eval[bool](p, `(at("source/tank").scrollIntoView(), true)`) // what is far away is not written
	s.source("tank", func(src *wire.Source) { src.Value = json.RawMessage(`{"level":12345678901234567890123}`) })
	p.await(`says("source/tank", ".value b") === "1.23×10²²" && at("source/tank", ".value").title === "12,345,678,901,234,567,890,123"`)
	s.source("filler-1", func(src *wire.Source) { src.Value = json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`) })
	p.await(`says("source/filler-1", ".text").length === 201`)
	if got := eval[[]string](p, `[...document.querySelectorAll(".card, .job")].filter((n) => n.offsetHeight > 480).map((n) => n.dataset.key)`); len(got) > 0 {
		t.Errorf("%v are higher than 480 px", got)
	}
}

// The address is what is shown: links, the search and Back change it, and the focus is never lost.
func TestTheAddressOfTheOverviewIsItsState(t *testing.T) {
	s := newPageOf(t, fixture.Plant(60))
	p := s.overview("density=cards", view{})
	cards := `[...document.querySelectorAll("main li.card")].length`
	p.click(`.verdict a[href="?state=failing"]`)
	p.await(`location.search === "?density=cards&state=failing" && ` + cards + ` === 2 && said(".filter span") === "2 of 60: failing" && said(".verdict a[aria-current]") === "2 failing"`)
	p.await(`document.querySelectorAll(".attention li").length === 0`)
	p.click(`.choice a[href*="rows"]`)
	p.await(`location.search === "?density=rows&state=failing" && document.querySelectorAll("main li.row").length === 2`)
	eval[bool](p, `(history.back(), true)`)
	p.await(cards + ` === 2`)
	eval[bool](p, `(history.back(), true)`)
	p.await(cards + ` === 60 && location.search === "?density=cards"`)
	p.click(`.search input`)
	p.press("tank")
	p.await(`location.search === "?density=cards&q=tank" && ` + cards + ` < 10 && document.activeElement.name === "q"`)
	eval[bool](p, `(at("source/tank", ".title").focus(), true)`)
	s.source("tank", func(src *wire.Source) { src.Title = "Kessel" })
	p.await(`says("source/tank", ".title") === "Kessel" && document.activeElement === at("source/tank", ".title")`)
	eval[bool](p, `(history.back(), true)`)
	p.await(cards + ` === 60`)
	p.click(`.verdict a[href="?state=alert"]`)
	p.await(`document.querySelectorAll("main li.card[data-state=alert]").length > 0`)
	eval[bool](p, `(document.querySelector("main li.card .title").focus(), true)`)
	for _, source := range s.sources { // what had the focus is filtered away
		if a := source.Alert; a != nil && a.State == wire.AlertFiring {
			s.source(source.Name, func(src *wire.Source) { src.Alert = nil })
		}
	}
	p.await(`document.querySelectorAll("main li.card").length === 0 && !document.getElementById("none").hidden`)
	if got := eval[string](p, `document.activeElement.outerHTML.slice(0, 100)`); strings.HasPrefix(got, "<body") {
		t.Error("the focus is lost")
	}
}

// Two heartbeats that do not come are told, by the clock of the page, and so is a stream that ends. Nothing is claimed meanwhile.
func TestTheOverviewTellsThatNothingIsHeard(t *testing.T) {
	s := newPageOf(t, fixture.Plant(13))
	i := slices.IndexFunc(s.sources, func(source fixture.Source) bool { return source.Name == "filler-1" })
	s.sources[i].StaleAt = new(time.Now().Add(15 * time.Second))
	p := s.overview("", view{before: hurried})
	eval[bool](p, `hurry(40_000)`)
	p.await(`document.querySelector(".band[data-state=lost]") && said("h1").startsWith("Not known since ") && said(".verdict .rest") === "" && said(".connection") === "No answer"`)
	p.await(`counts(".then") === "2 alerts, 1 failing, 2 jobs failed, 1 stale, 1 alert unknown"`)
	p.await(`says("source/filler-1", ".state") === "stale" && says("source/filler-1", "p.line") === "No connection to the gateway" && says("source/filler-1", ".foot :last-child") === ""`)
	if got := eval[int](p, `[...document.querySelectorAll(".attention button")].filter((n) => n.checkVisibility()).length`); got != 0 {
		t.Errorf("%d actions are offered without a connection", got)
	}
	eval[bool](p, `hurry(0)`)
	s.source("tank", func(src *wire.Source) { src.Value = json.RawMessage(`{"level":50}`) })
	p.await(`!document.querySelector(".band") && said("h1").startsWith("2 alerts") && says("source/filler-1", ".state") === "ok"`)

	p.expect(`net::ERR_`)
	s.down.Store(true)
	close(s.end)
	p.await(`document.querySelector(".connection").dataset.state === "lost"`)
	p.await(`said("h1").startsWith("Not known since ") && said("#announcer").includes("lost")`)
}

// A page that is paused holds values, and never an alert.
func TestAPausedOverviewHoldsValues(t *testing.T) {
	s := newPageOf(t, fixture.Plant(13))
	p := s.overview("", view{})
	p.click("#pause")
	p.await(`said(".band b").startsWith("Values are held since ") && said(".connection") === "Paused"`)
	s.source("filler-1", func(src *wire.Source) {
		src.Value = json.RawMessage(`{"speed":1}`)
		src.Alert = &wire.Alert{State: wire.AlertFiring, Since: new(time.Now()), Severity: wire.SeverityCritical}
	})
	p.await(`says("source/filler-1", ".state") === "alert" && says("source/filler-1", ".value b") === "412" && said("h1").startsWith("3 alerts")`)
	p.await(`said(".band p:nth-of-type(2)").endsWith("1 source has newer values.")`)
	p.click(".band button")
	p.await(`!document.querySelector(".band") && says("source/filler-1", ".value b") === "1" && document.activeElement.id === "main"`)
}

// A run of which the gateway knows nothing after a restart is lost, which is told.
func TestTheOverviewTellsOfALostRun(t *testing.T) {
	s := newPageOf(t, fixture.Plant(13))
	p := s.overview("", view{})
	p.await(`says("job/discover", ".state") === "running" && document.querySelector("[data-key='job/discover'] .strip rect")`) // the modules know it
	i := slices.IndexFunc(s.jobs, func(j wire.JobObject) bool { return j.Name == "discover" })
	s.jobs[i].LastRun = nil
	s.say <- "event: reset\ndata:\n\n"
	p.await(`says("job/discover", ".state") === "lost" && said("h1").includes("3 jobs failed")`)
	p.await(`said("#announcer").includes("Discover devices lost: the gateway restarted")`)
}

// A section that somebody closes stays closed, also in the next visit; a search opens it for a while.
func TestSectionsAreRemembered(t *testing.T) {
	s := newPageOf(t, fixture.Plant(13))
	p := s.overview("", view{})
	p.click(`[data-key="section/Plant/Line 1"] > summary`)
	p.await(`!at("section/Plant/Line 1").open && says("section/Plant/Line 1", ".roll").startsWith("1 alert")`)
	p.click(`.search input`)
	p.press("filler")
	p.await(`at("section/Plant/Line 1").open`)
	again := p.tab(s.url, view{before: overviewWords})
	again.await(`live() && !at("section/Plant/Line 1").open && at("section/Plant").open`)
}
