package events_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/events"
)

// A book is a journal, and what it has in its archive.
type book struct {
	*events.Journal

	t       *testing.T
	clock   *clock.Clock
	archive archive.Events
	before  time.Time // the process before was at work
	woke    []int64
}

// open opens a journal on an archive.
func open(t *testing.T, in archive.Events) *book {
	t.Helper()
	b := &book{t: t, clock: clock.New(), archive: in}
	b.reopen()
	return b
}

func (b *book) reopen() {
	b.t.Helper()
	var err error
	b.Journal, err = events.Open(b.t.Context(), events.Deps{
		Archive: b.archive, Clock: b.clock, Before: b.before, Wake: func(id int64) { b.woke = append(b.woke, id) },
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// lines are the events, oldest first, each as "kind source/job/run who: text data".
func (b *book) lines() (all []string) {
	b.t.Helper()
	found, err := b.archive.List(b.t.Context(), archive.EventFilter{}, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range slices.Backward(found) {
		if !json.Valid(e.Data) || e.ID <= 0 || e.At.IsZero() {
			b.t.Errorf("event %+v, want an ID, a time and data", e)
		}
		all = append(all, fmt.Sprintf("%s %s %s: %s %s", e.Kind, strings.Trim(e.Source+"/"+e.Job+"/"+e.Run, "/"), e.Who, e.Text, e.Data))
	}
	return all
}

func (b *book) wants(want ...string) {
	b.t.Helper()
	if got := b.lines(); !slices.Equal(got, want) {
		b.t.Errorf("the events are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func memory() archive.Events { return archive.NewMemoryEvents(archive.NewEventBounds(10_000)) }

func TestWhatIsAuditedIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memory())
		name := ""
		log := audit.New(audit.Options{
			File: func() string { return name }, Clock: b.clock, Tell: b.Audited, Logger: slog.New(slog.DiscardHandler),
		})
		ann := audit.Actor{slog.String("user", "ann"), slog.Group("", slog.String("kind", "token")), slog.String("address", "192.0.2.1")}
		nobody := audit.Actor{slog.String("user", ""), slog.String("address", "192.0.2.9")}
		run := []slog.Attr{slog.String("job", "scan"), slog.String("run", "R1")}
		log.Record(ann, "trigger", append(run, slog.Any("args", json.RawMessage(`{"pin":"***"}`)), slog.Bool("coalesced", false))...)
		log.Record(ann, "trigger", append(run, slog.Bool("coalesced", true))...)
		log.Record(ann, "cancel", run...)
		log.Record(audit.Program(), "run-ended", append(run, slog.String("status", "cancelled"), slog.Float64("seconds", 1.25))...)
		log.Record(ann, "reload", slog.Any("added", []string{"source/a"}), slog.Any("changed", []string(nil)), slog.Any("removed", []string{"job/x", "job/y"}))
		log.Record(audit.Program(), "reload", slog.String("error", "a.yaml:3: wrong\nmore"))
		log.Record(ann, "reload")
		until := slog.Time("until", time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC))
		log.Record(ann, "silence", slog.String("of", "source/a"), slog.String("source", "a"), slog.String("silence", "S1"), until, slog.String("reason", "noise"))
		log.Record(ann, "silence", slog.String("of", "all"), slog.String("silence", "S2"), until, slog.String("reason", ""))
		log.Record(ann, "end-silence", slog.String("of", "upstream/plant"), slog.String("silence", "S2"))
		log.Record(ann, "acknowledge", slog.String("of", "job/scan"), slog.String("job", "scan"), slog.String("reason", "on it"))
		log.Record(nobody, "sign-in", slog.String("as", "ann"), slog.Group("", slog.String("as_kind", "token")), slog.String("method", "token"), slog.String("result", "ok"))
		for range 13 {
			log.RecordMetered("192.0.2.9", slog.String("address", "192.0.2.9"), nobody, "sign-in", slog.String("as", ""), slog.String("method", "token"), slog.String("result", "refused"))
		}
		log.Record(ann, "sign-out")
		log.Record(ann, "denied", slog.String("path", "/"))
		log.Record(ann, "refresh", slog.String("source", "a"))
		log.Close()
		want := []string{
			`start  : started {}`,
			`run scan/R1 ann: started {"status":"queued"}`,
			`run scan/R1 ann: asked to end {"status":"cancelling"}`,
			`run scan/R1 tidewire: cancelled after 1.25 s {"seconds":1.25,"status":"cancelled"}`,
			`reload  ann: 1 added, 2 removed {"added":["source/a"],"removed":["job/x","job/y"]}`,
			`reload  tidewire: refused: a.yaml:3: wrong {"error":"a.yaml:3: wrong\nmore"}`,
			`reload  ann: nothing changed {}`,
			`alert a ann: source/a silenced until 2026-11-21T20:00:00Z: noise {"of":"source/a","reason":"noise","silence":"S1","state":"silenced","until":"2026-11-21T20:00:00Z"}`,
			`alert  ann: all silenced until 2026-11-21T20:00:00Z {"of":"all","silence":"S2","state":"silenced","until":"2026-11-21T20:00:00Z"}`,
			`alert  ann: the silence of upstream/plant was ended {"of":"upstream/plant","silence":"S2","state":"unsilenced"}`,
			`alert scan ann: acknowledged: on it {"of":"job/scan","reason":"on it","state":"acknowledged"}`,
			`sign-in  ann: signed in {"address":"192.0.2.9","as_kind":"token","method":"token","result":"ok"}`,
		}
		for range 10 {
			want = append(want, `sign-in  : refused {"address":"192.0.2.9","method":"token","result":"refused"}`)
		}
		b.wants(append(want,
			`sign-out  ann: signed out {"address":"192.0.2.1"}`,
			`sign-in  : 3 more times {"address":"192.0.2.9","more":3}`)...)
		if n := len(b.lines()); len(b.woke) != n || !slices.IsSorted(b.woke) {
			t.Errorf("woke %v, want the IDs of the %d events in order", b.woke, n)
		}
	})
}

func TestChangesThatFlapAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memory())
		why := "no route"
		for range 30 {
			b.SourceChanged("flaps", "ok", "stale", &why)
			b.SourceChanged("flaps", "stale", "ok", nil)
		}
		b.AlertChanged("flaps", "", "firing", "")
		b.SourceChanged("calm", "ok", "failing", &why)
		b.Report()
		if got := len(b.lines()); got != 1+10+2 {
			t.Errorf("%d events, want the start, 10 of the one and 1 of each other:\n%s", got, strings.Join(b.lines(), "\n"))
		}
		time.Sleep(10 * time.Minute)
		b.Report()
		b.Report()
		got := b.lines()[13:]
		if want := []string{`state flaps : 50 more changes within 10 min, now ok {"state":"ok","more":50}`}; !slices.Equal(got, want) {
			t.Errorf("then %q, want %q", got, want)
		}
		b.SourceChanged("flaps", "ok", "stale", &why)
		for range 10 {
			b.SourceChanged("calm", "ok", "stale", nil)
		}
		b.SourceChanged("calm", "ok", "stale", &why)
		b.Stopping()
		got = b.lines()[14:]
		if want := `state calm : 1 more changes within 0 s, now stale {"state":"stale","error":"no route","more":1}`; len(got) != 13 ||
			got[0] != `state flaps : stale: no route {"state":"stale","before":"ok","error":"no route"}` || got[11] != want || got[12] != `stop  : stopped {}` {
			t.Errorf("in the end %q, want a change, 10 changes, %q and the stop", got, want)
		}
	})
}

func TestAStartTellsOfTheStopBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memory())
		b.Stopping()
		time.Sleep(time.Minute)
		b.reopen() // in order
		time.Sleep(time.Hour)
		b.SourceChanged("a", "ok", "stale", nil)
		time.Sleep(time.Minute)
		b.before = time.Now()
		time.Sleep(30 * time.Second)
		b.reopen() // killed
		b.clock.Step(-time.Hour)
		b.reopen()
		b.wants(
			`start  : started {}`,
			`stop  : stopped {}`,
			`start  : started {"orderly":true,"seen":"2000-01-01T00:00:00Z","away":60}`,
			`state a : stale {"state":"stale","before":"ok"}`,
			`start  : started; it was not stopped in order, and was away for at most 30s {"orderly":false,"seen":"2000-01-01T01:02:00Z","away":30}`,
			`start  : started; it was not stopped in order {"orderly":false,"seen":"2000-01-01T01:02:30Z"}`,
		)
		if !slices.IsSorted(b.woke) || len(slices.Compact(slices.Clone(b.woke))) != 6 {
			t.Errorf("the IDs are %v, want each above the one before, although the clock was set back", b.woke)
		}
	})
}

// A run is lost once, whoever finds out.
func TestALostRunIsRecordedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memory())
		ended := []slog.Attr{slog.String("job", "scan"), slog.String("run", "R1"), slog.String("status", "lost")}
		for range 2 {
			b.RunLost("scan", "R1", "")
			b.Audited(audit.Record{Who: audit.Program(), Action: "run-ended", Attrs: ended})
			b.RunLost("scan", "R2", "gate")
		}
		b.Audited(audit.Record{Who: audit.Program(), Action: "run-ended", Attrs: []slog.Attr{slog.String("job", "scan"), slog.String("run", "R3"), slog.String("status", "failed"), slog.String("lane", "door")}})
		want := []string{`start  : started {}`, `run scan/R1 tidewire: lost {"status":"lost"}`, `run scan/R2 tidewire: lost {"lane":"gate","status":"lost"}`,
			`run scan/R3 tidewire: failed {"lane":"door","status":"failed"}`}
		b.wants(want...)
		b.reopen() // killed before the end of R1 was stored
		b.RunLost("scan", "R1", "")
		b.wants(append(want, `start  : started; it was not stopped in order, and was away for at most 0s {"orderly":false,"seen":"2000-01-01T00:00:00Z","away":0}`)...)
	})
}

// Whatever upstreams call their rows, the changes of so many things alone are counted; of what flaps none is lost by that.
func TestThingsWhoseChangesAreCountedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, archive.NewMemoryEvents(archive.EventBounds{All: 100, Kind: 100, Subject: 100}))
		for range 15 {
			b.SourceChanged("flaps", "ok", "stale", nil)
		}
		for i := range events.MaxWindows + 50 {
			b.SourceChanged(fmt.Sprint("pods/", i), "ok", "stale", nil)
		}
		if n := b.Windows(); n > events.MaxWindows {
			t.Errorf("the changes of %d things are counted, want at most %d", n, events.MaxWindows)
		}
		time.Sleep(10 * time.Minute)
		b.Report()
		lines := b.lines()
		if got, want := lines[len(lines)-1], `state flaps : 5 more changes within 10 min, now stale {"state":"stale","more":5}`; got != want {
			t.Errorf("then %q, want %q", got, want)
		}
	})
}
