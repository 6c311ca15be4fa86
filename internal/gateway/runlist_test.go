package gateway_test

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/sse"
)

// onEachArchive tests gateways with ended runs in memory, and with all their state in a directory. The options of a test
// that it calls again are those of the next process with the same state.
func onEachArchive(t *testing.T, test func(t *testing.T, next func() gateway.Options)) {
	t.Run("memory", func(t *testing.T) {
		if onDisk {
			t.Skip("all state is in a directory")
		}
		runs := archive.NewMemoryRuns(nil)
		test(t, func() gateway.Options { return gateway.With(gateway.Options{}, runs) })
	})
	t.Run("dir", func(t *testing.T) {
		once(t)
		path, last := t.TempDir(), func() {}
		t.Cleanup(func() { last() })
		test(t, func() gateway.Options {
			last()
			dir, err := store.Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			last = func() { _ = dir.Close(context.Background()) }
			return gateway.With(gateway.On(dir.Snapshots()), dir.Runs())
		})
	})
}

// list returns the ids of the runs in an answer, and the cursor of the next ones.
func (s *server) list(path string) (ids []string, next string) {
	s.t.Helper()
	answer := s.json(200, "GET", path, "")
	for _, run := range answer["runs"].([]any) {
		ids = append(ids, of(run.(object), "id"))
	}
	next, _ = answer["next"].(string)
	return ids, next
}

// listed checks which runs are listed.
func (s *server) listed(path string, want ...string) {
	s.t.Helper()
	if got, next := s.list(path); !slices.Equal(got, want) || next != "" {
		s.t.Errorf("%s lists %v and then %q, want %v", path, got, next, want)
	}
}

// created returns the id of a run that an answer has, after the millisecond in which it was created: within one the order
// of runs is not that of their starts.
func created(run object) string {
	for begun := time.Now().UnixMilli(); time.Now().UnixMilli() <= begun; {
		runtime.Gosched()
	}
	return of(run, "id")
}

func TestRunsAreListed(t *testing.T) {
	onEachArchive(t, func(t *testing.T, next func() gateway.Options) {
		script := newScript(t)
		cfg := load(t, script.policy("on_busy: queue")+"  other: {exec: ['false']}\n")
		s := run(t, cfg, next())
		s.listed("/api/v1/runs")
		one := created(s.trigger(202, 1))
		p := script.Begun()
		two := created(s.trigger(202, 2))
		three := created(s.json(202, "POST", "/api/v1/jobs/other/runs", "{}"))
		s.ended(three)
		four := created(s.trigger(202, 4))
		s.listed("/api/v1/runs", four, three, two, one)
		s.listed(runs, four, two, one)
		s.listed(runs+"?status=running", one)
		s.listed("/api/v1/runs?status=queued,failed", four, three, two)
		s.listed("/api/v1/runs?status=queued&status=running", four, two, one)
		s.listed("/api/v1/runs?since=1h&before=1ms", four, three, two, one)
		s.listed("/api/v1/runs?before=1h")
		at := of(s.json(200, "GET", "/api/v1/runs/"+two, ""), "created_at")
		s.listed("/api/v1/runs?since="+url.QueryEscape(at), four, three, two)
		s.listed("/api/v1/runs?before="+url.QueryEscape(at), one)

		// A long poll ends when the list changes, and has the run as it is then.
		_, h, _ := s.do("GET", runs, "")
		changed := s.ask(runs, "If-None-Match", h.Get("ETag"), "Prefer", "wait=50")
		s.json(202, "POST", "/api/v1/runs/"+four+"/cancel", "")
		if status := <-changed; status != 200 {
			t.Errorf("the long poll = %d, want the list that has changed", status)
		}
		s.ended(four)
		s.listed("/api/v1/runs?status=cancelled", four)
		p.Exit(0)
		s.ended(one)
		p = script.Begun()
		p.Exit(0)
		s.ended(two)
		s.listed("/api/v1/runs?status=succeeded,failed", three, two, one)

		// What is listed is what the run itself is.
		list := s.json(200, "GET", "/api/v1/runs?limit=1", "")
		if got, want := fmt.Sprint(list["runs"].([]any)[0]), fmt.Sprint(s.json(200, "GET", "/api/v1/runs/"+four, "")); got != want {
			t.Errorf("the list has\n%s\nwant\n%s", got, want)
		}
		if list["next"] == nil {
			t.Errorf("the list = %v, want a next", list)
		}
	})
}

// Pages have each run once, while new ones begin and others end.
func TestPagesOfRuns(t *testing.T) {
	onEachArchive(t, func(t *testing.T, next func() gateway.Options) {
		script := newScript(t)
		s := run(t, load(t, script.policy("on_busy: queue, queue: 100")+"  other: {exec: ['true']}\n"), next())
		var want []string
		for range 5 {
			id := created(s.json(202, "POST", "/api/v1/jobs/other/runs", "{}"))
			s.ended(id)
			want = append(want, id)
		}
		for n := range 5 {
			want = append(want, created(s.trigger(202, n)))
		}
		slices.Reverse(want)
		var got []string
		for path := "/api/v1/runs?limit=3"; ; {
			ids, next := s.list(path)
			got = append(got, ids...)
			if next == "" {
				break
			}
			if len(ids) != 3 {
				t.Errorf("a page has %d runs, want 3", len(ids))
			}
			path = "/api/v1/runs?limit=3&cursor=" + next
			if len(got) == 3 {
				s.trigger(202, 50)
				script.Begun().Exit(0)
				s.ended(want[4]) // the first of the job
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the pages have\n%v\nwant\n%v", got, want)
		}
	})
}

// A query that is not understood says what would be right.
func TestBadQueriesOfRuns(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}\n")
	for query, want := range map[string]string{
		"state=failed":          `there is no parameter "state": write status, since, before, limit or cursor`,
		"status=done":           `status="done" is not valid: write queued, running, cancelling, succeeded, failed, cancelled, timed_out, lost or warned, or several with commas`,
		"status=":               `status="" is not valid`,
		"since=yesterday":       "since=yesterday is neither a time such as",
		"before=7":              "before=7 is neither a time such as",
		"limit=0":               `limit="0" is not a number from 1 to 200`,
		"limit=201":             "from 1 to 200",
		"limit=1&limit=2":       "limit is given twice",
		"cursor=abc":            `cursor="abc" is not valid: give the next of the answer before`,
		"cursor=MTIzNDU2Nzg5MA": "cursor=",
	} {
		for _, path := range []string{runs, "/api/v1/runs"} {
			if got := s.json(400, "GET", path+"?"+query, ""); !contains(of(got, "detail"), want) {
				t.Errorf("%s?%s = %v, want %q", path, query, got, want)
			}
		}
	}
	s.json(404, "GET", "/api/v1/jobs/none/runs", "")
}

// The next process with the same state has the runs of this one: listed, by their ids, with all that they printed, as the
// last of their jobs; and of those that are forgotten it knows that.
func TestRunsSurviveTheProcess(t *testing.T) {
	onEachArchive(t, func(t *testing.T, next func() gateway.Options) {
		cfg := load(t, `
jobs:
  scan: {exec: [sh, -c, 'seq 20000'], keep: {runs: 2}}
  gone: {exec: ['true']}
`)
		s := run(t, cfg, next())
		var ids []string
		for range 3 {
			id := created(s.json(202, "POST", runs, "{}"))
			s.ended(id)
			ids = append(ids, id)
		}
		gone := created(s.json(202, "POST", "/api/v1/jobs/gone/runs", "{}"))
		s.ended(gone)
		_, _, before := s.do("GET", "/api/v1/runs/"+ids[2], "")
		s.stop()

		s = run(t, load(t, "jobs: {scan: {exec: ['true'], keep: {runs: 2}}}\n"), next())
		s.listed(runs, ids[2], ids[1])
		s.listed("/api/v1/runs", gone, ids[2], ids[1])
		status, h, after := s.do("GET", "/api/v1/runs/"+ids[2], "")
		if status != 200 || after != before || h.Get("ETag") != `"`+ids[2]+`-end"` {
			t.Errorf("the run = %d %q\n%s\nwant\n%s", status, h.Get("ETag"), after, before)
		}
		if got := s.json(200, "GET", "/api/v1/jobs/scan", "")["last_run"]; got == nil || of(got.(object), "id") != ids[2] {
			t.Errorf("the last run is %v, want %s", got, ids[2])
		}
		s.json(410, "GET", "/api/v1/runs/"+ids[0], "")
		s.json(404, "GET", "/api/v1/runs/NONE", "")
		_, _, text := s.do("GET", "/api/v1/runs/"+ids[1]+"/output", "", "Range", "bytes=-13")
		if text != "\n19999\n20000\n" {
			t.Errorf("the output ends in %q", text)
		}
		events := "/api/v1/runs/" + ids[1] + "/events"
		var got []string
		s.events(events, "", func(ev sse.Event) bool { got = append(got, ev.ID); return true })
		if want := ids[1] + "-end"; len(got) != 1 || got[0] != want {
			t.Errorf("the events are %v, want %s alone", got, want)
		}
		if status := s.events(events, ids[1]+"-end", func(sse.Event) bool { return true }); status != 204 {
			t.Errorf("who has seen the end gets %d, want 204", status)
		}
		if status := s.events("/api/v1/runs/"+ids[0]+"/events", ids[0]+"-end", func(sse.Event) bool { return true }); status != 204 {
			t.Errorf("who has seen the end of a run that is forgotten gets %d, want 204", status)
		}
		s.json(200, "POST", "/api/v1/runs/"+ids[1]+"/cancel", "")
		s.stop()
		g := gateway.NewGateway(t, t.Context(), cfg, next())
		if names := strings.Join(g.Topics(), " "); contains(names, "run/") || contains(names, "ended/") {
			t.Errorf("the topics are %s, want none of a run that has ended", names)
		}
		g.StopJobs()
	})
}
