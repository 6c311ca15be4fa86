package smartpoll_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Whatever ends Run, its end hooks find the schedules, and may take their time.
func TestEndHooksFindTheSchedules(t *testing.T) {
	errEnd := errors.New("not saved")
	for name, tt := range map[string]struct {
		end  func(*smartpoll.Scheduler, *background)
		err  error
		want error
	}{
		"context":        {func(_ *smartpoll.Scheduler, r *background) { r.cancel() }, nil, context.Canceled},
		"context, fails": {func(_ *smartpoll.Scheduler, r *background) { r.cancel() }, errEnd, context.Canceled},
		"error":          {func(s *smartpoll.Scheduler, _ *background) { s.Schedule("fatal", 0) }, nil, errFlaky},
		"error, fails":   {func(s *smartpoll.Scheduler, _ *background) { s.Schedule("fatal", 0) }, errEnd, errFlaky},
	} {
		synctest.Test(t, func(t *testing.T) {
			type key struct{}
			saved := map[any]time.Time{}
			ended := 0
			s := mustNew(t, smartpoll.WithTask("fatal", func(context.Context) (hook, error) { return nil, errFlaky }),
				smartpoll.WithTask("k", nothing, smartpoll.On(smartpoll.Every(time.Hour))),
				smartpoll.WithTask("running", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }), start("running"),
				smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
				smartpoll.WithEndHook(func(ctx context.Context, i *internal) error {
					if ctx.Err() != nil || ctx.Value(key{}) != "value" {
						t.Error("the context of an end hook is done, or lacks the values of Run's")
					}
					for info := range i.Tasks() {
						saved[info.Key] = info.Next
						if info.State == smartpoll.Running {
							t.Errorf("%v is running, want it drained", info.Key)
						}
					}
					i.Schedule("fatal", 0) // is cleared
					return tt.err
				}),
				smartpoll.WithEndHook(func(context.Context, *internal) error { ended++; return nil }))
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
			r := runCtx(ctx, cancel, s)
			synctest.Wait()
			want := s.Next("k")
			tt.end(s, r)
			err := r.wait()
			if !errors.Is(err, tt.want) || tt.err == nil && err != tt.want || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%s: Run() = %v, want %v, and %v", name, err, tt.want, tt.err)
			}
			if saved["k"] != want || want.IsZero() || ended != 1 {
				t.Errorf("%s: the end hook finds %v, want %v; the second one was called %d times", name, saved["k"], want, ended)
			}
			if !s.Next("k").IsZero() || !s.Next("fatal").IsZero() {
				t.Errorf("%s: a schedule survived Run", name)
			}
		})
	}
	if _, err := smartpoll.New(smartpoll.WithTask("k", nothing), smartpoll.WithEndHook(nil)); err == nil || err.Error() != "smartpoll: end hook must not be nil" {
		t.Errorf("New() with a nil end hook = %v", err)
	}
}

// A Run that did not begin has nothing to save: its RunHooks restore, and one has failed.
func TestEndHooksAreNotCalledIfARunHookFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("k", nothing), smartpoll.WithRunHook(func(context.Context, *internal) error { return errFlaky }),
			smartpoll.WithEndHook(func(context.Context, *internal) error { t.Error("called"); return nil }))
		if err := s.Run(t.Context()); err != errFlaky {
			t.Errorf("Run() = %v, want %v", err, errFlaky)
		}
	})
}
