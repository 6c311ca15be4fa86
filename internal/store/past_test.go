package store_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
	"github.com/tidewire/tidewire/internal/store"
)

func TestSamples(t *testing.T) {
	archivetest.RunSamples(t, func(t *testing.T) archive.Samples { return open(t, t.TempDir()).Samples() })
}

func TestSpans(t *testing.T) {
	archivetest.RunSpans(t, func(t *testing.T) archive.Spans { return open(t, t.TempDir()).Spans() })
}

// A naive archive keeps every number, in the order in which they came.
type naive struct {
	at []int64 // ms since 1970
	x  []float64
}

func (n *naive) add(at time.Time, x float64) {
	n.at, n.x = append(n.at, at.UnixMilli()), append(n.x, x)
}

// check compares what the archive says of a time with all numbers. Buckets at the ends may have numbers from outside, which
// belong to the same hour.
func (n *naive) check(t *testing.T, s archive.Samples, what string, since, until time.Time) (widest time.Duration) {
	t.Helper()
	got, err := s.Read(context.Background(), "tank", "level", since, until)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(got.Buckets, func(a, b archive.Bucket) int { return a.At.Compare(b.At) }) {
		t.Fatalf("%s: the buckets are not in order", what)
	}
	// The cell of a bucket is the minute or hour that it is in, if it stands for more than one poll.
	for _, cell := range []int64{1, time.Minute.Milliseconds(), time.Hour.Milliseconds()} {
		if n.matches(got.Buckets, cell, since, until) == "" {
			return time.Duration(cell) * time.Millisecond
		}
	}
	t.Fatalf("%s, from %v to %v: raw %s; minutes %s; hours %s", what, since, until, n.matches(got.Buckets, 1, since, until),
		n.matches(got.Buckets, time.Minute.Milliseconds(), since, until), n.matches(got.Buckets, time.Hour.Milliseconds(), since, until))
	return 0
}

// matches says how buckets differ from the numbers in cells of that many milliseconds; "" if they do not.
func (n *naive) matches(all []archive.Bucket, cell int64, since, until time.Time) string {
	type sum struct {
		last, min, max, mean float64
		count, newest        int64
	}
	want := map[int64]*sum{}
	for i, at := range n.at {
		w := want[at/cell]
		if w == nil {
			w = &sum{min: math.Inf(1), max: math.Inf(-1), last: math.NaN()}
			want[at/cell] = w
		}
		w.newest = max(w.newest, at)
		if x := n.x[i]; x == x {
			w.last, w.min, w.max = x, min(w.min, x), max(w.max, x)
			w.count++
			w.mean += (x - w.mean) / float64(w.count)
		}
	}
	for c, w := range want {
		if w.newest < since.UnixMilli() || w.newest > until.UnixMilli() || w.count == 0 {
			delete(want, c)
		}
	}
	had := map[int64]int64{} // in raw, polls may have the same time
	for _, b := range all {
		if b.Count == 0 {
			if b.Last == b.Last {
				return fmt.Sprintf("a gap at %v has the number %v", b.At, b.Last)
			}
			continue
		}
		c := b.At.UnixMilli() / cell
		w := want[c]
		if w == nil {
			return fmt.Sprintf("there is a bucket at %v", b.At)
		}
		if had[c] += int64(b.Count); cell > 1 && (b.Last != w.last || b.Min != w.min || b.Max != w.max || int64(b.Count) != w.count ||
			b.At.UnixMilli() != w.newest || math.Abs(b.Mean-w.mean) > 1e-9*max(1, math.Abs(w.mean))) {
			return fmt.Sprintf("the bucket is %+v, want %+v", b, *w)
		}
	}
	for c, w := range want {
		if had[c] != w.count {
			return fmt.Sprintf("cell %d has %d numbers, want %d", c, had[c], w.count)
		}
	}
	return ""
}

// Whatever comes, polls, gaps, crashes and clocks that are set, the archive says the same as one that keeps every number.
func TestNumbersAreThoseOfAllPolls(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) { testNumbers(t, seed) })
	}
}

func testNumbers(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 9))
	path := t.TempDir()
	d := openQuietly(t, path)
	defer func() { _ = d.Close(context.Background()) }()
	keep := func() archive.Samples {
		d.Samples().Keep("tank", 365*24*time.Hour)
		d.Samples().Keep("other", time.Hour)
		return d.Samples()
	}
	s, all := keep(), naive{}
	wall, pause := time.Now(), time.Duration(1+r.IntN(30))*time.Second
	widths := map[time.Duration]bool{}
	for range 8 {
		for range r.IntN(300) {
			pass := time.Duration(r.Float64() * 2 * float64(pause))
			time.Sleep(pass)
			wall = wall.Add(pass)
			p := archive.Poll{At: wall, Took: time.Millisecond, State: "ok"}
			switch r.IntN(10) {
			case 0:
				p.State, p.Error = "stale", "why"
				s.Add("tank", archive.Sample{Poll: p})
				all.add(wall, math.NaN())
			default:
				x := math.Round(r.NormFloat64()*1e4) / 100
				s.Add("tank", archive.Sample{Poll: p, Value: map[string]any{"level": x, "pump": true, "name": "x"}})
				all.add(wall, x)
			}
			s.Add("other", archive.Sample{Poll: p, Value: 1.0})
		}
		switch r.IntN(8) {
		case 0: // the clock is set
			wall = wall.Add(time.Duration((r.Float64() - 0.5) * float64(5*time.Hour)))
		case 1: // far
			wall = wall.Add(time.Duration(r.IntN(60)-20) * 24 * time.Hour)
		case 2:
			pause = time.Duration(1+r.IntN(30)) * time.Second
		case 3: // it is down for a while
			closeDir(t, d)
			down := time.Duration(r.Float64() * float64(10*time.Hour))
			if r.IntN(3) == 0 {
				down *= 12
			}
			time.Sleep(down)
			wall = wall.Add(down)
			d = openQuietly(t, path)
			s = keep()
		case 4: // it is killed
			time.Sleep(100 * time.Millisecond)
			to := t.TempDir()
			if err := d.Crash(to); err != nil {
				t.Fatal(err)
			}
			closeDir(t, d)
			path = to
			d = openQuietly(t, path)
			s = keep()
		}
		since := wall.Add(-time.Duration(r.ExpFloat64() * float64(time.Duration(1+r.IntN(100))*time.Hour)))
		widths[all.check(t, s, fmt.Sprint("seed ", seed), since, wall.Add(time.Hour))] = true
		if t.Failed() {
			return
		}
	}
	all.check(t, s, fmt.Sprintf("seed %d, at the end", seed), time.UnixMilli(0), wall.Add(365*24*time.Hour))
	t.Logf("%d polls, read at %v", len(all.at), widths)
	closeDir(t, d)
}

func openQuietly(t *testing.T, path string) *store.Dir {
	t.Helper()
	d, err := store.Open(context.Background(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// numbersOf returns all numbers of the source tank as a text, - for a gap.
func numbersOf(t *testing.T, s archive.Samples) (text string) {
	t.Helper()
	got, err := s.Read(context.Background(), "tank", "", time.UnixMilli(0), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range got.Buckets {
		if b.Last == b.Last {
			text += fmt.Sprint(b.Last, " ")
		} else {
			text += "- "
		}
	}
	return text
}

// A time in which the process did not run is a gap, and what the one before wrote is there, also if it was killed.
func TestTheProcessBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, killed := t.TempDir(), t.TempDir()
		d := openQuietly(t, path)
		d.Samples().Keep("tank", time.Hour)
		add := func(x float64) {
			d.Samples().Add("tank", archive.Sample{Poll: archive.Poll{At: time.Now(), Status: 200, HasStatus: true, State: "ok"}, Value: x})
		}
		d.Spans().Enter("tank", time.Now(), "ok", "")
		began := time.Now()
		add(1)
		time.Sleep(time.Second)
		add(2)
		d.Spans().Lived(time.Now())
		time.Sleep(60 * time.Millisecond)
		if err := d.Crash(killed); err != nil {
			t.Fatal(err)
		}
		closeDir(t, d)
		for _, path := range []string{path, killed} {
			time.Sleep(time.Hour)
			d = openQuietly(t, path)
			past, err := d.Spans().Past(t.Context(), "tank", began, time.Now())
			if err != nil || len(past.Spans) != 1 {
				t.Fatalf("spans = %+v, %v, want one", past, err)
			}
			if s := past.Spans[0]; s.Lasts || s.State != "ok" || s.To.Sub(began) != time.Second {
				t.Errorf("the span is %+v, want it ended after a second", s)
			}
			if polls, err := d.Samples().Polls(t.Context(), "tank"); err != nil || len(polls) != 2 || polls[0].Status != 200 {
				t.Errorf("polls = %+v, %v, want two", polls, err)
			}
			d.Samples().Keep("tank", time.Hour)
			d.Spans().Enter("tank", time.Now(), "ok", "")
			add(3)
			if got := numbersOf(t, d.Samples()); got != "1 2 - 3 " {
				t.Errorf("numbers = %s, want a gap before the third", got)
			}
			past, err = d.Spans().Past(t.Context(), "tank", began, time.Now().Add(time.Minute))
			if err != nil || len(past.Spans) != 2 || !past.Spans[0].Lasts || past.Spans[0].From.Sub(past.Spans[1].To) < 59*time.Minute {
				t.Errorf("spans = %+v, %v, want two with the time between unknown", past.Spans, err)
			}
			closeDir(t, d)
			if _, err := d.Samples().Polls(t.Context(), "tank"); err == nil {
				t.Error("polls of a closed directory are no error")
			}
			if _, err := d.Spans().Past(t.Context(), "tank", began, time.Now()); err == nil {
				t.Error("spans of a closed directory are no error")
			}
		}
	})
}

// What is too old goes, of sources that are not polled any more too, and a clock that is far ahead for a while deletes nothing.
func TestOldSamplesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		d := openQuietly(t, path)
		defer func() { closeDir(t, d) }()
		d.Samples().Keep("tank", 2*time.Hour)
		d.Samples().Keep("gone", time.Hour)
		for i := range 7200 {
			p := archive.Poll{At: time.Now(), State: "ok"}
			d.Samples().Add("tank", archive.Sample{Poll: p, Value: float64(i)})
			if i < 1000 {
				d.Samples().Add("gone", archive.Sample{Poll: p, Value: float64(i)})
			} else if i == 1000 {
				d.Samples().Leave("gone")
			}
			time.Sleep(time.Second)
		}
		d.Samples().Add("tank", archive.Sample{Poll: archive.Poll{At: time.Now().Add(100 * 365 * 24 * time.Hour), State: "ok"}, Value: 1.0})
		time.Sleep(time.Minute)
		if n := count(t, d, "SELECT count(*) FROM sample WHERE key>>36=1 AND (key>>34)&3=0"); n < 60 || n > 75 {
			t.Errorf("%d chunks of a source that is polled, want the newest", n)
		}
		if n := count(t, d, "SELECT count(*) FROM sample_log"); n > 2000 {
			t.Errorf("the log has %d rows, want those of the last minutes", n)
		}
		if n := count(t, d, "SELECT count(*) FROM sample WHERE key>>36=1 AND (key>>34)&3=1"); n < 6 {
			t.Errorf("%d rows of minutes, want those of two hours", n)
		}
		closeDir(t, d)
		time.Sleep(30 * time.Hour)
		d = openQuietly(t, path)
		d.Samples().Keep("tank", 2*time.Hour)
		time.Sleep(90 * time.Minute) // as old as that the past becomes by and by
		if n := count(t, d, "SELECT count(*) FROM sample WHERE key>>36=2"); n > 0 {
			t.Errorf("%d rows of a source that was removed, want none", n)
		}
		if n := count(t, d, "SELECT count(*) FROM sample_source"); n != 1 {
			t.Errorf("%d sources, want one", n)
		}
	})
}

// A source that is polled again just when it was to be forgotten keeps what its polls give, also if that came to nothing.
func TestAForgottenSourceIsPolledAgain(t *testing.T) {
	d := openQuietly(t, t.TempDir())
	defer closeDir(t, d)
	s := d.Samples()
	settle := func() {
		t.Helper()
		if err := d.Settle(); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		undo bool
	}{{"undone", true}, {"forgotten", false}} {
		s.Keep(test.name, time.Hour)
		s.Leave(test.name)
		settle()
		if err := s.Trim(test.name, time.Now(), test.undo); (err != nil) != test.undo {
			t.Fatalf("%s: %v", test.name, err)
		}
		s.Keep(test.name, time.Hour)
		s.Add(test.name, archive.Sample{Poll: archive.Poll{At: time.Now(), State: "ok"}, Value: 1.0})
		settle()
		if n := count(t, d, "SELECT count(*) FROM sample_source WHERE name='"+test.name+"'"); n != 1 {
			t.Errorf("%s: there are %d rows of the source, want one", test.name, n)
		}
		if polls, err := s.Polls(t.Context(), test.name); err != nil || len(polls) != 1 {
			t.Errorf("%s: %d polls, %v, want one", test.name, len(polls), err)
		}
	}
	if n := d.Dropped(); n != 1 {
		t.Errorf("%d records were dropped, want the one that was undone", n)
	}
}

// While the disk does not answer, nobody waits for it, and what is kept in memory is bounded.
func TestPollsWaitForTheDisk(t *testing.T) {
	d := openQuietly(t, t.TempDir())
	defer closeDir(t, d)
	d.Samples().Keep("tank", time.Hour)
	const most = 64 << 10
	d.BoundWaiting(most)
	release := d.Block()
	began := time.Now()
	const n = 10_000
	for i := range n {
		d.Samples().Add("tank", archive.Sample{
			Poll:  archive.Poll{At: began.Add(time.Duration(i) * time.Millisecond), State: "failing", Error: "no route to host"},
			Value: float64(i),
		})
	}
	if log, chunks := d.Waiting(); log > most+100 || chunks > most {
		t.Errorf("%d bytes of polls and %d of chunks wait, want at most %d", log, chunks, most)
	}
	release()
	if err := d.Settle(); err != nil {
		t.Fatal(err)
	}
	polls, err := d.Samples().Polls(t.Context(), "tank")
	if err != nil || len(polls) != archive.MaxPolls || !polls[0].At.Equal(time.UnixMilli(began.Add((n-1)*time.Millisecond).UnixMilli())) {
		t.Errorf("%d polls, %v, want the newest", len(polls), err)
	}
}
