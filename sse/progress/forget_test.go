package progress_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse/progress"
)

// A failed import is shown until somebody has seen to it.
func ExampleTracker_Forget() {
	ctx := context.Background()
	tracker := progress.New(ctx, 24*time.Hour, 0, nil)
	job, _ := tracker.Start("import")
	fmt.Println(tracker.Forget(ctx, "import"))

	job.Finish("failed: the disk is full")
	for s := range tracker.Watch(ctx, "import") {
		fmt.Println(string(s.Data))
	}
	fmt.Println(tracker.Forget(ctx, "import")) // the disk has been cleared
	fmt.Println(tracker.Forget(ctx, "import"))
	// Output:
	// progress: the run has not ended
	// "failed: the disk is full"
	// <nil>
	// progress: no active or recent job for topic
}

// forgetStores are what a Tracker may be on: it is told at once, or late.
var forgetStores = map[string]func() snapshot.Store{
	"Memory":  func() snapshot.Store { return snapshot.NewMemory() },
	"Distant": func() snapshot.Store { return snapshottest.Distant(snapshot.NewMemory(), 50*time.Millisecond) },
}

// Whoever follows the run gets its end, and then there is none.
func TestForget(t *testing.T) {
	for name, store := range forgetStores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := openFixture(t, store(), progress.Options{Retention: retention})
				if err := f.Forget(t.Context(), "a"); err != progress.ErrNoTopic {
					t.Errorf("Forget of an unknown topic = %v, want ErrNoTopic", err)
				}
				job := mustStart(t, f.Tracker, "a")
				other := mustStart(t, f.Tracker, "b")
				other.Finish("other")
				job.Publish(1)
				fast, slow := f.open(t, "a", ""), f.open(t, "a", "")
				watched := watch(t.Context(), f.Tracker, "a")
				next(t, fast, job, "1", "1")
				synctest.Wait() // slow is stuck in a write: it has read nothing
				if err := f.Forget(t.Context(), "a"); err != progress.ErrRunning {
					t.Errorf("Forget of a run that has not ended = %v, want ErrRunning", err)
				}
				job.Publish(2)
				job.Finish(3)
				if err := f.Forget(t.Context(), "a"); err != nil {
					t.Errorf("Forget = %v", err)
				}
				if got := f.status(t, "a", ""); got != 404 {
					t.Errorf("after Forget the run is %d, want 404", got)
				}
				if got := f.status(t, "a", job.ID()+"-end"); got != 204 {
					t.Errorf("for a client that returns with the terminal's id the status is %d, want 204", got)
				}
				if err := f.Forget(t.Context(), "a"); err != progress.ErrNoTopic {
					t.Errorf("the second Forget = %v, want ErrNoTopic", err)
				}
				next(t, fast, job, "2", "2")
				next(t, fast, job, "end", "3")
				ended(t, fast)
				next(t, slow, job, "1", "1")
				next(t, slow, job, "2", "2")
				next(t, slow, job, "end", "3")
				ended(t, slow)
				if got := <-watched; !strings.HasSuffix(got, "3 true") {
					t.Errorf("Watch yielded %q, want the end as the last", got)
				}
				if got := progress.Topics(f.Tracker); got != 1 {
					t.Errorf("the Tracker has %d records, want that of the other topic", got)
				}
				if got := f.status(t, "b", ""); got != 200 {
					t.Errorf("the other topic is %d, want 200", got)
				}
				again, isNew := f.StartOrJoin("a")
				if !isNew || again.ID() == job.ID() {
					t.Errorf("StartOrJoin after Forget joined run %s", again.ID())
				}
				time.Sleep(retention) // that of the run that was forgotten is over
				if err := f.Forget(t.Context(), "a"); err != progress.ErrRunning {
					t.Errorf("Forget of the next run = %v, want ErrRunning", err)
				}
				again.Finish(4)
				f.end()
				synctest.Wait()
				if err := f.Forget(t.Context(), "a"); err != progress.ErrNoTopic {
					t.Errorf("Forget after the Tracker's end = %v, want ErrNoTopic", err)
				}
			})
		})
	}
}

// Trackers that share a store forget together, whoever has ended the run.
func TestForgetForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 50*time.Millisecond)
		a, b := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		job := mustStart(t, a.Tracker, "x")
		s := b.open(t, "x", "")
		job.Finish(1)
		if err := b.Forget(t.Context(), "x"); err != nil {
			t.Errorf("Forget = %v", err)
		}
		next(t, s, job, "end", "1")
		ended(t, s)
		for _, f := range []*fixture{a, b} {
			if got := f.status(t, "x", ""); got != 404 {
				t.Errorf("the run is %d, want 404 of both", got)
			}
		}
	})
}

// An error of the store is the caller's, and the end stays.
func TestForgetFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		mustStart(t, f.Tracker, "a").Finish(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := f.Forget(ctx, "a")
		if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), `progress: forget "a": `) {
			t.Errorf("Forget with an ended context = %v, want its error", err)
		}
		if got := f.status(t, "a", ""); got != 200 {
			t.Errorf("the run is %d, want 200", got)
		}
	})
}

// A key leads to no second run, even if the end of the first is forgotten.
func TestHandlerKeyOfAForgottenRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		first := h.do("POST", "/a", "", "Idempotency-Key", "k")
		h.ends <- nil
		synctest.Wait()
		if err := h.Forget(t.Context(), "/a"); err != nil {
			t.Fatal(err)
		}
		h.do("GET", "/a", "", asJSON()...).problem(t, 404, "no such run")
		h.do("POST", "/a", "", "Idempotency-Key", "k").problem(t, 409, first.ID)
		if got := h.do("POST", "/a", "", "Idempotency-Key", "k2"); got.StatusCode != 202 || got.Coalesced {
			t.Errorf("another key: %d %s, want a new run", got.StatusCode, got.text)
		}
	})
}

// Forget against everything else: a run keeps its topic until it has ended, everyone who was there before the end gets
// it, and a newer run is never hit.
func TestForgetStress(t *testing.T) {
	for name, store := range map[string]snapshot.Store{
		"Memory": snapshot.NewMemory(), "Distant": snapshottest.Distant(snapshot.NewMemory(), 200*time.Microsecond),
	} {
		t.Run(name, func(t *testing.T) {
			log := &logBuffer{}
			tracker, err := progress.Open(t.Context(), store, &progress.Options{Retention: time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			topic := func() string { return fmt.Sprint("a", rand.IntN(3)) }
			over := make(chan struct{})
			var forgetters, workers sync.WaitGroup
			for range 4 {
				forgetters.Go(func() {
					for {
						select {
						case <-over:
							return
						default:
						}
						switch err := tracker.Forget(t.Context(), topic()); err {
						case nil, progress.ErrNoTopic, progress.ErrRunning:
						default:
							t.Errorf("Forget = %v", err)
						}
						for s, err := range tracker.Watch(t.Context(), topic()) { // whatever is there
							if err == nil && s.Run == "" {
								t.Errorf("Watch yielded %v", s)
							}
							break
						}
					}
				})
			}
			for range 4 {
				workers.Go(func() {
					for n := range 60 {
						topic := topic()
						job, isNew := tracker.Start(topic)
						if !isNew {
							continue
						}
						job.Publish(n)
						attached, last := make(chan struct{}), make(chan progress.Snapshot, 1)
						go func() {
							var newest progress.Snapshot
							for s, err := range tracker.Watch(t.Context(), topic) {
								if newest.Run == "" {
									close(attached)
								}
								if newest = s; err != nil {
									t.Errorf("Watch of a run that has not ended: %v", err)
								}
							}
							last <- newest
						}()
						<-attached
						if cause := context.Cause(job.Context()); cause != nil {
							t.Errorf("the context of a run that has not ended is over: %v", cause)
						}
						job.Finish("end")
						if s := <-last; s.Run != job.ID() || !s.Final || string(s.Data) != `"end"` {
							t.Errorf("Watch of run %s ended with %v %s, want its end", job.ID(), s, s.Data)
						}
					}
				})
			}
			workers.Wait()
			close(over)
			forgetters.Wait()
			if got := log.String(); got != "" {
				t.Errorf("log: %s", got)
			}
		})
	}
}

// A request that joins a run just as that is forgotten has joined it: it is no repeated one.
func TestHandlerJoinsWhatIsForgotten(t *testing.T) {
	tracker := progress.New(t.Context(), retention, heartbeat, nil)
	h := progress.Handler(tracker, progress.HandlerOptions{JoinEnded: true, Work: func(context.Context, *progress.Reporter, *http.Request) (any, error) {
		return nil, nil
	}})
	var wg sync.WaitGroup
	over := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				_ = tracker.Forget(t.Context(), "/a")
			}
		}
	})
	for range 4 {
		wg.Go(func() {
			for range 3000 {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, httptest.NewRequest("POST", "/a", nil)); w.Code != 202 {
					t.Errorf("POST: %d %s, want 202", w.Code, w.Body)
					return
				}
			}
		})
	}
	time.AfterFunc(time.Second, func() { close(over) })
	wg.Wait()
}
