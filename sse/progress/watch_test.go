package progress_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// watch collects what Watch yields, as text, until it ends.
func watch(ctx context.Context, tracker *progress.Tracker, topic string) <-chan string {
	out := make(chan string, 1)
	go func() {
		var all []string
		for s, err := range tracker.Watch(ctx, topic) {
			if err != nil {
				all = append(all, "error: "+err.Error())
				continue
			}
			all = append(all, fmt.Sprintf("%s %v", s.Data, s.Final))
		}
		out <- strings.Join(all, ", ")
	}()
	return out
}

func TestWatch(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(f *fixture, job *progress.Job, cancel context.CancelCauseFunc)
		want string
	}{
		{"to the end", func(_ *fixture, job *progress.Job, _ context.CancelCauseFunc) {
			job.Publish(2)
			synctest.Wait()
			job.Finish(3)
		}, "1 false, 2 false, 3 true"},
		{"replaced after its end", func(f *fixture, job *progress.Job, _ context.CancelCauseFunc) {
			job.Finish(3)
			next, _ := f.Start("a")
			next.Publish(4)
		}, "1 false, 3 true"},
		{"its context ends", func(_ *fixture, _ *progress.Job, cancel context.CancelCauseFunc) {
			cancel(errors.New("enough"))
		}, "1 false, error: enough"},
		{"the Tracker ends", func(f *fixture, _ *progress.Job, _ context.CancelCauseFunc) {
			f.end()
		}, "1 false, error: " + progress.ErrNoTopic.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				job := mustStart(t, f.Tracker, "a")
				job.Publish(1)
				got := watch(ctx, f.Tracker, "a")
				synctest.Wait()
				test.do(f, job, cancel)
				select {
				case got := <-got:
					if got != test.want {
						t.Errorf("Watch yielded %q, want %q", got, test.want)
					}
				case <-time.After(time.Minute):
					t.Error("Watch goes on")
				}
			})
		})
	}
}

func TestWatchUnknownTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		if got, want := <-watch(t.Context(), f.Tracker, "a"), "error: "+progress.ErrNoTopic.Error(); got != want {
			t.Errorf("Watch of an unknown topic yielded %q, want %q", got, want)
		}
		job := mustStart(t, f.Tracker, "a")
		job.Finish(1)
		if got, want := <-watch(t.Context(), f.Tracker, "a"), "1 true"; got != want {
			t.Errorf("Watch of a retained topic yielded %q, want %q", got, want)
		}
		for range f.Watch(t.Context(), "a") {
			break // leaves at once, and nothing is left behind
		}
	})
}

// A run that goes while a Watch begins leaves it nothing to wait for: the topic may never have another.
func TestWatchOfARunThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for range 300 {
			mustStart(t, f.Tracker, "a").Finish(1)
			var watchers [8]<-chan string
			for i := range watchers {
				watchers[i] = watch(t.Context(), f.Tracker, "a")
			}
			if err := f.Forget(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for _, got := range watchers {
				select {
				case got := <-got:
					if got != "1 true" && got != "error: "+progress.ErrNoTopic.Error() {
						t.Fatalf("Watch yielded %q, want the end, or that there is none", got)
					}
				default:
					t.Fatal("Watch waits for a run that is gone")
				}
			}
			if _, ok := f.Hub().Lookup("a"); ok {
				t.Fatal("Watch brought the topic back")
			}
		}
	})
}
