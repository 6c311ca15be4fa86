package progress_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Nobody is told to have joined a run that does not exist.
func TestNothingIsJoinedAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"context":  func(f *fixture) { f.end() },
		"Shutdown": func(f *fixture) { _ = f.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandlerFixture(t, progress.HandlerOptions{})
				before := mustStart(t, h.Tracker, "before")
				before.Finish(nil)
				if err := before.Err(); err != nil {
					t.Errorf("Err() of a run = %v, want none", err)
				}
				end(h.fixture)
				for what, start := range map[string]func() (*progress.Job, bool){
					"Start":       func() (*progress.Job, bool) { return h.Start("a") },
					"StartOrJoin": func() (*progress.Job, bool) { return h.StartOrJoin("before") },
				} {
					if job, isNew := start(); isNew || job.ID() != "" || !errors.Is(job.Err(), progress.ErrEnded) {
						t.Errorf("%s() = run %q, %v, with %v, want none, with ErrEnded", what, job.ID(), isNew, job.Err())
					}
				}
				if _, _, err := h.StartContext(t.Context(), "a"); !errors.Is(err, progress.ErrEnded) {
					t.Errorf("StartContext() = %v, want ErrEnded", err)
				}
				h.do("POST", "/a", "").problem(t, http.StatusServiceUnavailable, "stopping")
				if got := h.began(); got != "" {
					t.Errorf("%s began", got)
				}
			})
		})
	}
}

// A run whose end the store has refused has none to wait for.
func TestShutdownDoesNotWaitForAnEndThatIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openFixture(t, &failingStore{Memory: snapshot.NewMemory(), finish: errors.New("down")}, progress.Options{})
		before, after := mustStart(t, f.Tracker, "before"), mustStart(t, f.Tracker, "after")
		before.Finish("end")
		context.AfterFunc(after.Context(), func() {
			time.Sleep(time.Second)
			after.Finish("end")
		})
		begun := time.Now()
		if err := f.Shutdown(t.Context()); err != nil || time.Since(begun) != time.Second {
			t.Errorf("Shutdown = %v after %v, want nil once the other run has ended", err, time.Since(begun))
		}
	})
}

// Every run is asked to stop and gets its end, every stream shows it, and only then Shutdown returns.
func TestShutdownShowsEveryEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cleaned atomic.Int32
		var h *handlerFixture
		h = newHandlerFixture(t, progress.HandlerOptions{Work: func(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
			defer func() { time.Sleep(time.Second); cleaned.Add(1) }()
			report.Step(1, 2, "")
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			// What comes between the wish and the end finds no run, and begins none.
			h.do("POST", "/b", "").problem(t, http.StatusServiceUnavailable, "stopping")
			if r.URL.Path == "/done" {
				report.Finish("own end")
			}
			return nil, context.Cause(ctx)
		}})
		want := map[string]string{"/a": `"error":"the service is stopping"`, "/done": `"own end"`, "/before": `"end"`}
		ends := map[string]chan string{}
		own := mustStart(t, h.Tracker, "/before")
		for path := range want {
			h.do("POST", path, "")
			end := make(chan string, 1)
			ends[path] = end
			s := h.server.Open(t, path, nil)
			defer s.Close()
			go func() { end <- terminalOf(s) }()
		}
		synctest.Wait()
		own.Finish("end") // just before
		start := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		if took := time.Since(start); cleaned.Load() != 2 || took < 4*time.Second || took > 10*time.Second {
			t.Errorf("Shutdown took %v, and %d of 2 works had returned; want to wait for them", took, cleaned.Load())
		}
		for path, want := range want {
			if last := <-ends[path]; !strings.Contains(last, want) {
				t.Errorf("the stream of %s ended with %s, want %s", path, last, want)
			}
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Errorf("a second Shutdown() = %v", err)
		}
	})
}

// terminalOf reads a stream to its end and returns the data of its terminal, or why there is none.
func terminalOf(s *ssetest.Stream) string {
	for {
		ev, err := s.Next()
		if err != nil || sse.IsTerminalID(ev.ID) {
			return fmt.Sprintf("%s %v", ev.Data, err)
		}
	}
}

// A work that does not stop costs the time that it is given, and is named.
func TestShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHandlerFixture(t, progress.HandlerOptions{Work: func(context.Context, *progress.Reporter, *http.Request) (any, error) {
			<-release
			return nil, nil
		}})
		h.do("POST", "/a", "")
		mustStart(t, h.Tracker, "never finished")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := h.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 of its runs have not ended") {
			t.Errorf("Shutdown() = %v, want the deadline and 2 runs", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Shutdown took %v, want a minute", took)
		}
		close(release)
	})
}

// A hub that others use too is left alone.
func TestShutdownLeavesASharedHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub := sse.NewHub(ctx, nil)
		tracker, err := progress.Open(ctx, snapshot.NewMemory(), &progress.Options{Hub: hub})
		if err != nil {
			t.Fatal(err)
		}
		job := mustStart(t, tracker, "a")
		topic, _ := hub.Lookup("a")
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for ev := range topic.Watch(ctx) {
				got = append(got, string(ev.Data))
			}
		})
		synctest.Wait()
		go func() { <-job.Context().Done(); job.Finish(context.Cause(job.Context()) == progress.ErrEnded) }()
		if err := tracker.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if fmt.Sprint(got) != "[true]" {
			t.Errorf("the watcher got %v, want the end, after the cause ErrEnded", got)
		}
		other := hub.Topic("other", sse.TopicOptions{})
		other.Open("r")
		if err := other.Publish(sse.Event{Data: []byte("1")}); err != nil || other.Run() != "r" {
			t.Errorf("the hub has ended: %v", err)
		}
	})
}

// Starts race with Shutdown: each either begins a run that Shutdown waits for, or is refused.
func TestShutdownStress(t *testing.T) {
	for range 200 {
		tracker := progress.New(context.Background(), time.Minute, 0, nil)
		var begun, returned atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					job, isNew, err := tracker.StartContext(context.Background(), fmt.Sprint(i, n))
					if err != nil {
						if !errors.Is(err, progress.ErrEnded) {
							t.Errorf("StartContext() = %v", err)
						}
						return
					}
					if isNew {
						begun.Add(1)
						go job.Run(func(ctx context.Context, _ *progress.Reporter) (any, error) {
							defer returned.Add(1)
							<-ctx.Done()
							return nil, nil
						})
					}
					if n == 20 {
						<-job.Context().Done()
					}
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				if err := tracker.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() = %v", err)
				}
			})
		}
		wg.Wait()
		if begun.Load() != returned.Load() {
			t.Errorf("%d runs began, %d had returned when Shutdown did", begun.Load(), returned.Load())
		}
	}
}

// A Tracker that nothing has made says so, where it would wait for ever.
func TestAZeroTrackerSaysThatItIsNone(t *testing.T) {
	for name, call := range map[string]func(*progress.Tracker){
		"Shutdown":     func(tracker *progress.Tracker) { _ = tracker.Shutdown(t.Context()) },
		"Start":        func(tracker *progress.Tracker) { tracker.Start("a") },
		"StartContext": func(tracker *progress.Tracker) { _, _, _ = tracker.StartContext(t.Context(), "a") },
	} {
		func() {
			defer func() {
				if got, want := recover(), "progress: a Tracker must be made by New or Open"; got != want {
					t.Errorf("%s panics with %v, want %s", name, got, want)
				}
			}()
			call(new(progress.Tracker))
		}()
	}
}
