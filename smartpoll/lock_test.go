package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// prober notes whether the mutex of its scheduler is free while its methods run.
type prober struct {
	s             *smartpoll.Scheduler
	calls, locked atomic.Int64
}

func (p *prober) probe() {
	if p.s != nil {
		if p.calls.Add(1); !smartpoll.Unlocked(p.s) {
			p.locked.Add(1)
		}
	}
}

type nosyKey struct {
	*prober
	n int
}

func (k nosyKey) String() string { k.probe(); return fmt.Sprint("key ", k.n) }

type nosyFormatter struct{ *prober }

func (k nosyFormatter) Format(f fmt.State, _ rune) { k.probe(); fmt.Fprint(f, "key") }

type nosyError struct{ *prober }

func (e nosyError) Error() string             { e.probe(); return "nosy" }
func (e nosyError) Unwrap() error             { e.probe(); return nil }
func (e nosyError) As(any) bool               { e.probe(); return false }
func (e nosyError) Is(error) bool             { e.probe(); return false }
func (e nosyError) RetryAfter() time.Duration { e.probe(); return time.Second }

type nosySchedule struct{ *prober }

func (s nosySchedule) Next(t time.Time) time.Time { s.probe(); return t.Add(time.Minute) }

type nosyContext struct {
	context.Context
	*prober
}

func (c nosyContext) Done() <-chan struct{}       { c.probe(); return c.Context.Done() }
func (c nosyContext) Err() error                  { c.probe(); return c.Context.Err() }
func (c nosyContext) Value(key any) any           { c.probe(); return c.Context.Value(key) }
func (c nosyContext) Deadline() (time.Time, bool) { c.probe(); return c.Context.Deadline() }

// A key's String that takes a lock which a caller of ours holds, or that asks the scheduler, would
// stop everything if it ran under the mutex. So would any other code of the user's.
func TestNoCodeOfTheUsersRunsUnderTheMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &prober{}
		group, other := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}), smartpoll.NewGroup(smartpoll.GroupConfig{})
		mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(other)))
		known, unknown := nosyKey{p, 1}, nosyKey{p, 2}
		task := func(ctx context.Context) (hook, error) {
			p.probe()
			ctx.Value("x")
			ctx.Err()
			<-time.After(time.Second)
			return nil, nosyError{p}
		}
		onError := smartpoll.OnError(func(_ context.Context, _ *internal, key any, err error) error { p.probe(); return nil })
		s := mustNew(t, smartpoll.WithRecover(), smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
			smartpoll.WithObserver(&smartpoll.Observer{
				OnStart:    func(any, time.Duration, time.Duration) { p.probe() },
				OnDone:     func(any, time.Duration, error) { p.probe() },
				OnHook:     func(any, time.Duration, error) { p.probe() },
				OnSlowHook: func(any, time.Duration) { p.probe() },
				OnSkip:     func(any, uint64) { p.probe() },
				OnPark:     func(any, *smartpoll.Group) { p.probe() },
				OnRetry:    func(any, int, time.Duration, error) { p.probe() },
			}),
			smartpoll.WithTask(known, task, onError, smartpoll.In(group), smartpoll.Retry(smartpoll.Backoff{}), smartpoll.On(nosySchedule{p})),
			smartpoll.WithTask("poll", smartpoll.Poll(func(ctx context.Context) (int, error) { p.probe(); return 0, nosyError{p} },
				func(context.Context, *internal, int, error) error { p.probe(); return nil }), smartpoll.Retry(smartpoll.Backoff{})),
			onRun(func(i *internal) { p.probe(); i.Schedule("poll", 0) }))
		p.s = s
		ctx, cancel := context.WithCancel(t.Context())
		r := runCtx(nosyContext{ctx, p}, cancel, s)
		time.Sleep(5 * time.Minute)
		for _, key := range []any{unknown, nosyFormatter{p}} {
			for _, f := range []func(){
				func() { s.Next(key) }, func() { s.Running(key) }, func() { s.Schedule(key, 0) }, func() { s.ScheduleAt(key, time.Now()) },
				func() { s.ScheduleSooner(key, 1) }, func() { s.ScheduleAtSooner(key, time.Now()) }, func() { s.StopTimer(key) },
				func() { s.Cancel(key) }, func() { s.Pause(key) }, func() { s.Resume(key) },
			} {
				before := p.calls.Load()
				if caught(f) == nil {
					t.Error("a method does not panic for an unknown key")
				}
				if p.calls.Load() == before {
					t.Error("the panic for an unknown key does not format it")
				}
			}
		}
		if err := s.Add(known, nothing); !errors.Is(err, smartpoll.ErrTaskExists) {
			t.Errorf("Add() of a key that is taken = %v, want %v", err, smartpoll.ErrTaskExists)
		}
		if err := s.Add(unknown, nothing, smartpoll.In(other)); err == nil {
			t.Error("Add() with another scheduler's group = nil, want an error")
		}
		s.Remove(known)
		r.stop()
		if p.locked.Load() > 0 {
			t.Errorf("%d of %d calls of the user's code ran under the mutex, want none", p.locked.Load(), p.calls.Load())
		}
	})
}
