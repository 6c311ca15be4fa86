package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

func TestContextEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*fixture, *progress.Job)
		want error
	}{
		{"Cancel", func(f *fixture, _ *progress.Job) {
			if !f.Cancel("a") {
				t.Error("Cancel of a running job = false")
			}
		}, progress.ErrCancelled},
		{"Finish", func(_ *fixture, job *progress.Job) { job.Finish(nil) }, context.Canceled},
		{"Tracker", func(f *fixture, _ *progress.Job) { f.end() }, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				job := mustStart(t, f.Tracker, "a")
				ctx := job.Context()
				if err := ctx.Err(); err != nil {
					t.Errorf("the context of a running job says %v", err)
				}
				test.end(f, job)
				synctest.Wait()
				if got := context.Cause(ctx); got != test.want {
					t.Errorf("cause = %v, want %v", got, test.want)
				}
				if job.Context() != ctx {
					t.Error("Context() gave another context the second time")
				}
			})
		})
	}
}

// A context that is asked for only after the end has ended.
func TestContextAfterTheEnd(t *testing.T) {
	f := newFixture(t)
	job := mustStart(t, f.Tracker, "cancelled")
	f.Cancel("cancelled")
	if got := context.Cause(job.Context()); got != progress.ErrCancelled {
		t.Errorf("cause after Cancel = %v, want ErrCancelled", got)
	}
	job = mustStart(t, f.Tracker, "finished")
	job.Finish(nil)
	if job.Context().Err() == nil {
		t.Error("the context of a finished job has not ended")
	}
}

func TestCancel(t *testing.T) {
	f := newFixture(t)
	if f.Cancel("a") {
		t.Error("Cancel of an unknown topic = true")
	}
	job := mustStart(t, f.Tracker, "a")
	other := mustStart(t, f.Tracker, "b")
	f.Cancel("a")
	if !f.Cancel("a") {
		t.Error("Cancel of a job that has not stopped yet = false")
	}
	if err := other.Context().Err(); err != nil {
		t.Errorf("another job's context says %v", err)
	}
	job.Publish("stopping") // it goes on until Finish
	next(t, f.open(t, "a", ""), job, "1", `"stopping"`)
	job.Finish("cancelled")
	if f.Cancel("a") {
		t.Error("Cancel of a retained job = true")
	}
	if fresh := mustStart(t, f.Tracker, "a"); fresh.Context().Err() != nil {
		t.Error("the next run of a cancelled topic is cancelled")
	}
}

func TestStartContext(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	job, isNew, err := f.StartContext(ctx, "a")
	if err != nil || !isNew {
		t.Fatalf("StartContext = %v, %v, %v, want a new job", job, isNew, err)
	}
	again, isNew, err := f.StartContext(ctx, "a")
	if again != job || isNew || err != nil {
		t.Errorf("second StartContext = %p, %v, %v, want %p, false, nil", again, isNew, err, job)
	}
	cancel()
	if err := job.Context().Err(); err != nil {
		t.Errorf("the run ended with the context of its start: %v", err)
	}
	if job, isNew, err := f.StartContext(ctx, "b"); !errors.Is(err, context.Canceled) || isNew || job != nil {
		t.Errorf("StartContext with an ended context = %v, %v, %v, want context.Canceled", job, isNew, err)
	}
	f.end()
	if _, _, err := f.StartContext(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "tracker has ended") {
		t.Errorf("StartContext after the Tracker's end = %v, want an error that says so", err)
	}
}

// The payload is encoded once, in Publish, whatever the number of streams; the caller may change it afterwards.
func TestPublishEncodesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		var streams []func()
		for range 10 {
			s := f.open(t, "a", "")
			streams = append(streams, func() { next(t, s, job, "1", `{"n":1}`) })
		}
		var encoded atomic.Int32
		value := map[string]any{"n": counting{&encoded}}
		job.Publish(value)
		value["n"] = 2 // the race detector would see a later encoding
		for _, read := range streams {
			read()
		}
		if got := encoded.Load(); got != 1 {
			t.Errorf("the payload was encoded %d times for 10 streams, want once", got)
		}
	})
}

type counting struct{ n *atomic.Int32 }

func (c counting) MarshalJSON() ([]byte, error) { return json.Marshal(c.n.Add(1)) }

// A job that waits costs neither a goroutine nor a timer: with 20,000 of them, running and retained, there are as
// many goroutines as before.
func TestIdleJobsOwnNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 20000 {
			job := mustStart(t, f.Tracker, fmt.Sprint("a", i))
			job.Publish(i)
			if i%2 == 0 {
				job.Context()
			}
			if i%4 == 0 {
				job.Finish(i)
			}
		}
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got > 0 {
			t.Errorf("20000 idle jobs have started %d goroutines, want none", got)
		}
		time.Sleep(retention)
		synctest.Wait()
		if got := progress.Topics(f.Tracker); got != 15000 {
			t.Errorf("%d topics are left after the retention, want the 15000 running ones", got)
		}
	})
}
