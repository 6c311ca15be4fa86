package progress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// A Publisher shows a run that waits before it works, in two topics, with more to say than a Progress.
func ExampleNewPublisher() {
	tracker := progress.New(context.Background(), 30*time.Second, 0, nil)
	queued := 2 // runs behind this one; guarded by the Publisher, since only the payload and what it calls use it
	type run struct {
		Job    string
		Queued int
		progress.Progress
	}
	publisher := progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued})
	own, _, _ := tracker.StartAs(context.Background(), "run/r1", progress.StartOptions{Run: "r1"})
	publisher.Show(own)
	job, _, _ := tracker.StartAs(context.Background(), "job/scan", progress.StartOptions{
		Run: "r1", Payload: func(p progress.Progress) any { return run{"scan", queued, p} },
	})
	publisher.Show(job)

	publisher.Refresh("job/scan", func() { queued = 1 }) // tells the job's topic alone
	publisher.Update(func(p *progress.Progress) { p.Status = progress.StatusRunning })
	publisher.Step(1, 4, "first host")
	err := publisher.End(func(p *progress.Progress) { p.Status, p.Error = progress.StatusTimedOut, "timed out after 1m0s" })
	fmt.Println("stored:", err == nil)
	for _, topic := range []string{"run/r1", "job/scan"} {
		for s := range tracker.Watch(context.Background(), topic) {
			var r run
			_ = json.Unmarshal(s.Data, &r)
			fmt.Printf("%s %q %d: %s at %v %%, %s\n", s.Run, r.Job, r.Queued, r.Status, *r.Percent, r.Error)
		}
	}
	// Output:
	// stored: true
	// r1 "" 0: timed_out at 25 %, timed out after 1m0s
	// r1 "scan" 1: timed_out at 25 %, timed out after 1m0s
}

// A run may have an id of its own; one that is joined keeps its own.
func TestStartAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job, isNew, err := f.StartAs(t.Context(), "a", progress.StartOptions{Run: "r1"})
		if err != nil || !isNew || job.ID() != "r1" {
			t.Fatalf("StartAs = %v %v, %v, want the run r1", job.ID(), isNew, err)
		}
		if other, isNew, err := f.StartAs(t.Context(), "a", progress.StartOptions{Run: "r2"}); other != job || isNew || err != nil {
			t.Errorf("StartAs of a running topic = %v %v, %v, want to join r1", other.ID(), isNew, err)
		}
		job.Finish("end")
		if kept, isNew, err := f.StartAs(t.Context(), "a", progress.StartOptions{KeepFinal: true}); kept != job || isNew || err != nil {
			t.Errorf("StartAs with KeepFinal = %v %v, %v, want to join r1", kept.ID(), isNew, err)
		}
	})
}

// snapshots collects all that a topic's store is told.
type snapshots struct {
	mu  sync.Mutex // guards the field below
	all []string
}

func (s *snapshots) payload(p progress.Progress) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf("%s %s", p.Status, p.Message))
	return p
}

func (s *snapshots) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// Work may report as often as it likes: what differs in progress alone is published at the pace, the last of it always, and
// what people wait for at once.
func TestUpdatesKeepThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := &snapshots{}
		job, _, err := f.StartAs(t.Context(), "a", progress.StartOptions{Payload: s.payload})
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go job.Run(func(_ context.Context, r *progress.Reporter) (any, error) {
			for i := range 100_000 {
				r.Step(i, 100_000, fmt.Sprint(i))
			}
			synctest.Wait()
			if got := len(s.take()); got > 25 {
				t.Errorf("of 100000 updates in an instant %d were published, want a burst", got)
			}
			time.Sleep(51 * time.Millisecond)
			if got := s.take(); len(got) != 1 || got[0] != "running 99999" {
				t.Errorf("then %q was published, want the last update", got)
			}
			time.Sleep(time.Minute) // nothing is left to be published
			for i := range 1000 {
				time.Sleep(time.Millisecond)
				r.Step(i, 1000, "slow")
			}
			if got := len(s.take()); got < 20 || got > 45 {
				t.Errorf("of 1000 updates in a second %d were published, want a burst of 20 and 20 more", got)
			}
			r.Step(1, 2, "waits")
			r.Update(func(p *progress.Progress) { p.Stage = "second" })
			if got := s.take(); len(got) != 1 || got[0] != "running waits" {
				t.Errorf("another stage publishes %q, want it at once", got)
			}
			r.Step(1, 2, "flushed")
			r.Flush()
			r.Flush() // nothing waits
			if got := s.take(); len(got) != 1 || got[0] != "running flushed" {
				t.Errorf("Flush publishes %q, want what waits, once", got)
			}
			r.Step(1, 2, "last")
			close(over)
			return nil, nil
		})
		<-over
		time.Sleep(time.Second)
		if got := s.take(); len(got) != 1 || got[0] != "succeeded last" {
			t.Errorf("after the end %q was published, want the terminal alone", got)
		}
	})
}

// A negative pace publishes each update.
func TestUpdatesWithoutPace(t *testing.T) {
	f := newFixture(t)
	s := &snapshots{}
	job, _, _ := f.StartAs(t.Context(), "a", progress.StartOptions{Payload: s.payload})
	p := progress.NewPublisher(&progress.PublisherOptions{Pace: -1})
	p.Show(job)
	for range 1000 {
		p.Step(1, 2, "")
	}
	if got := len(s.take()); got != 1001 {
		t.Errorf("%d snapshots, want 1001", got)
	}
}

// The words of a run go one way, whoever reports what.
func TestStatusNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued})
		set := func(s progress.Status) func(*progress.Progress) { return func(p *progress.Progress) { p.Status = s } }
		var got []string
		note := func() {
			p.View(func(p progress.Progress) { got = append(got, fmt.Sprint(p.Status, !p.StartedAt.IsZero())) })
		}
		note()
		for _, s := range []progress.Status{"running", "queued", "cancelling", "running"} {
			p.Update(set(s))
			note()
		}
		_ = p.End(set("cancelled"))
		_ = p.End(set("succeeded"))
		p.Update(set("running"))
		note()
		if got, want := strings.Join(got, " "), "queuedfalse runningtrue runningtrue cancellingtrue cancellingtrue cancelledtrue"; got != want {
			t.Errorf("statuses, and whether it had started:\n%s, want\n%s", got, want)
		}
	})
}

// An end that names no word is good without an error, and failed with one; a topic that comes too late has the end at
// once.
func TestEndWithoutAStatus(t *testing.T) {
	for text, want := range map[string]progress.Status{"": "succeeded", "no more paper": "failed"} {
		f := newFixture(t)
		p := progress.NewPublisher(nil)
		_ = p.End(func(state *progress.Progress) { state.Error = text })
		p.Show(mustStart(t, f.Tracker, "a"))
		p.Refresh("a", func() {}) // publishes nothing any more
		if got := newest(t, f.Tracker, "a"); got.Status != want || got.Error != text {
			t.Errorf("end %+v, want %s", got, want)
		}
	}
}

// A payload function that panics costs the snapshot, or makes a failed terminal; the program goes on.
func TestPublisherOutlivesAPayloadThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job, _, _ := f.StartAs(t.Context(), "a", progress.StartOptions{Payload: func(progress.Progress) any { panic("password is 1234") }})
		p := progress.NewPublisher(nil)
		p.Show(job)
		for range 100 {
			p.Step(1, 2, "")
		}
		time.Sleep(time.Second) // also in the timer's goroutine
		_ = p.End(func(*progress.Progress) {})
		if got := newest(t, f.Tracker, "a"); got.Status != "failed" || strings.Contains(got.Error, "1234") || !strings.Contains(f.log.String(), "1234") {
			t.Errorf("terminal %+v, log %s", got, f.log)
		}
	})
}

// Reports, refreshes and topics that join from many goroutines end in one terminal on each topic.
func TestPublisherStress(t *testing.T) {
	f := newFixture(t)
	for round := range 50 {
		p := progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued, Pace: time.Microsecond})
		var wg sync.WaitGroup
		topics := []string{fmt.Sprint("a", round), fmt.Sprint("b", round)}
		for i := range 8 {
			wg.Go(func() {
				if i < 2 {
					job := mustStart(t, f.Tracker, topics[i])
					p.Show(job)
					p.Refresh(topics[i], func() {})
				}
				for k := range 100 {
					p.Step(k, 100, "")
				}
				p.Flush()
				_ = p.End(func(state *progress.Progress) { state.Status = progress.StatusFailed })
			})
		}
		wg.Wait()
		for _, topic := range topics {
			if got := newest(t, f.Tracker, topic); got.Status != "failed" {
				t.Errorf("round %d ended %+v on %s", round, got, topic)
			}
		}
	}
}

// Work that reports more often than anybody looks: 0.2 µs an update at the pace, 7 µs if each is published.
func BenchmarkUpdate(b *testing.B) {
	for name, pace := range map[string]time.Duration{"paced": 0, "each": -1} {
		b.Run(name, func(b *testing.B) {
			tracker := progress.New(b.Context(), 0, 0, nil)
			job, _ := tracker.Start("a")
			p := progress.NewPublisher(&progress.PublisherOptions{Pace: pace})
			p.Show(job)
			b.ReportAllocs()
			for b.Loop() {
				p.Step(1, 2, "94 of 254 addresses")
			}
			_ = p.End(func(*progress.Progress) {})
		})
	}
}
