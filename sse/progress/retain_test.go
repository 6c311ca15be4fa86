package progress_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

// A failure is kept for a day, for somebody to see; of a success there is nothing to see.
func ExampleJob_Retain() {
	ctx := context.Background()
	tracker := progress.New(ctx, 30*time.Second, 0, nil)
	for _, problem := range []error{nil, errors.New("the disk is full")} {
		job, _ := tracker.Start("import")
		job.Run(func(ctx context.Context, report *progress.Reporter) (any, error) {
			report.Retain(24 * time.Hour)
			if problem == nil {
				report.Retain(0)
			}
			return nil, problem
		})
		for s, err := range tracker.Watch(ctx, "import") {
			fmt.Println(s.Final, err)
		}
	}
	// Output:
	// false progress: no active or recent job for topic
	// true <nil>
}

// ways are how a run can end.
var ways = map[string]func(*progress.Job){
	"Finish": func(job *progress.Job) { job.Finish("end") },
	"Run": func(job *progress.Job) {
		job.Run(func(context.Context, *progress.Reporter) (any, error) { return "end", nil })
	},
	"Run of work that finishes": func(job *progress.Job) {
		job.Run(func(_ context.Context, r *progress.Reporter) (any, error) { r.Finish("end"); return nil, nil })
	},
	"Publisher": func(job *progress.Job) {
		p := progress.NewPublisher(nil)
		p.Show(job)
		_ = p.End(func(*progress.Progress) {})
	},
	"Publisher that has ended": func(job *progress.Job) {
		p := progress.NewPublisher(nil)
		_ = p.End(func(*progress.Progress) {})
		p.Show(job)
	},
}

// However a run ends, it is kept as long as it says, to the tick.
func TestRetain(t *testing.T) {
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				keeps := func(topic string, d time.Duration) {
					t.Helper()
					began := time.Now()
					time.Sleep(d - time.Nanosecond)
					if got := f.status(t, topic, ""); got != 200 {
						t.Errorf("%v after its end the run is %d, want 200", time.Since(began), got)
					}
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					if got := f.status(t, topic, ""); got != 404 {
						t.Errorf("%v after its end the run is %d, want 404", time.Since(began), got)
					}
				}
				for _, d := range []time.Duration{time.Second, time.Hour} {
					job := mustStart(t, f.Tracker, "a")
					job.Retain(time.Minute)
					job.Retain(d) // the newest counts
					end(job)
					job.Retain(time.Minute) // too late
					keeps("a", d)
				}
				end(mustStart(t, f.Tracker, "a")) // the next run has nothing of that
				keeps("a", retention)
			})
		})
	}
}

// An end that is not kept is for those alone who follow the run.
func TestRetainNothing(t *testing.T) {
	for name, end := range ways {
		for kind, store := range forgetStores {
			for _, d := range []time.Duration{0, -time.Second} {
				t.Run(fmt.Sprint(name, "/", kind, "/", d), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := openFixture(t, store(), progress.Options{})
						job := mustStart(t, f.Tracker, "a")
						job.Publish(1)
						time.Sleep(time.Second) // a distant store tells
						s := f.open(t, "a", "")
						watched := watch(t.Context(), f.Tracker, "a")
						next(t, s, job, "1", "1")
						synctest.Wait()
						job.Retain(d)
						end(job)
						time.Sleep(time.Second)
						var last string
						for ev, err := s.Next(); err == nil; ev, err = s.Next() {
							last = ev.ID
						}
						if last != job.ID()+"-end" {
							t.Errorf("the stream ended after %q, want the terminal", last)
						}
						if got := <-watched; got[len(got)-4:] != "true" {
							t.Errorf("Watch yielded %s, want the end as the last", got)
						}
						if got := f.status(t, "a", ""); got != 404 {
							t.Errorf("after the end the run is %d, want 404", got)
						}
						if got := f.status(t, "a", last); got != 204 {
							t.Errorf("for a client that returns with the terminal's id the status is %d, want 204", got)
						}
						if job, isNew := f.StartOrJoin("a"); !isNew {
							t.Errorf("StartOrJoin joined run %s", job.ID())
						}
					})
				})
			}
		}
	}
}

// Each topic of a Publisher has its own retention, and a run of another process keeps its own.
func TestRetainOfOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		f, other := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		p := progress.NewPublisher(nil)
		for topic, d := range map[string]time.Duration{"minute": time.Minute, "hour": time.Hour} {
			job := mustStart(t, f.Tracker, topic)
			job.Retain(d)
			p.Show(job)
			joined, _ := other.Start(topic)
			joined.Retain(0)
		}
		if err := p.End(func(*progress.Progress) {}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for topic, want := range map[string]int{"minute": 404, "hour": 200} {
			if got := f.status(t, topic, ""); got != want {
				t.Errorf("after a minute the run that is kept for a %s is %d, want %d", topic, got, want)
			}
		}
	})
}

// Requests of a Handler that wait for the end get it though it is not kept, and a key leads to no second run.
func TestHandlerOfARunThatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{
			Work: func(_ context.Context, report *progress.Reporter, _ *http.Request) (any, error) {
				report.Retain(0)
				time.Sleep(time.Second)
				return 7, nil
			},
		})
		answers := make(chan reply, 3)
		go func() { answers <- h.do("POST", "/a", "", "Prefer", "wait=10", "Idempotency-Key", "k") }()
		synctest.Wait()
		go func() { answers <- h.do("POST", "/a", "", "Prefer", "wait=10") }()
		for range 2 {
			got := <-answers
			if got.StatusCode != 200 || got.Snapshot.Status != "succeeded" || string(got.Snapshot.Result) != "7" || got.Header.Get("Retry-After") != "" {
				t.Errorf("a POST that waits: %d %v %s, want the end", got.StatusCode, got.Header, got.text)
			}
		}
		h.do("POST", "/a", "", "Idempotency-Key", "k").problem(t, 409, "no longer kept")
		time.Sleep(retention + time.Second)
		if got := h.do("POST", "/a", "", "Idempotency-Key", "k"); got.StatusCode != 202 || got.Coalesced {
			t.Errorf("the key after the Tracker's retention: %d %s, want a new run", got.StatusCode, got.text)
		}
		tag := h.do("GET", "/a", "", asJSON()...).Header.Get("ETag")
		got := h.do("GET", "/a", "", asJSON("Prefer", "wait=10", "If-None-Match", tag)...)
		if got.StatusCode != 200 || got.Status != "succeeded" || got.Header.Get("ETag") == tag {
			t.Errorf("a GET that waits: %d %s, want the end", got.StatusCode, got.text)
		}
		h.do("GET", "/a", "", asJSON()...).problem(t, 404, "no such run")
	})
}
