package smartpoll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A poll that asks for three pages takes three starts: the next poll comes after them, by the rate.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1, Running: 1})
		var waits []time.Duration
		var next time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		pages := func(context.Context) (smartpoll.TaskHook, error) {
			for range 2 {
				wait := g.Reserve()
				waits = append(waits, wait)
				time.Sleep(wait)
			}
			return func(_ context.Context, i *smartpoll.Internal) error { i.Schedule("next", 0); return nil }, nil
		}
		poll := func(context.Context) (smartpoll.TaskHook, error) {
			next = time.Since(begin)
			cancel()
			return nil, nil
		}
		s := mustNew(t, smartpoll.WithTask("pages", pages, smartpoll.In(g)), smartpoll.WithTask("next", poll, smartpoll.In(g)),
			onRun(func(i *internal) { i.Schedule("pages", 0) }))
		_ = s.Run(ctx)
		if len(waits) != 2 || waits[0] != time.Second || waits[1] != time.Second || next != 3*time.Second {
			t.Errorf("Reserve = %v, and the next poll after %v, want 1s twice and 3s", waits, next)
		}
		if wait := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}).Reserve(); wait != 0 {
			t.Errorf("Reserve without a rate = %v, want 0", wait)
		}
	})
}

// While a due member waits for its start, one that is running reserves starts: the member comes after them.
func TestReserveBeforeThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var waited time.Duration
		first := func(context.Context) (smartpoll.TaskHook, error) {
			time.Sleep(500 * time.Millisecond)
			if wait := g.Reserve(); wait != 500*time.Millisecond {
				t.Errorf("Reserve = %v, want 500ms", wait)
			}
			return nil, nil
		}
		second := func(context.Context) (smartpoll.TaskHook, error) {
			waited = time.Since(begin)
			cancel()
			return nil, nil
		}
		s := mustNew(t, smartpoll.WithTask("first", first, smartpoll.In(g)), smartpoll.WithTask("second", second, smartpoll.In(g)),
			onRun(func(i *internal) { i.Schedule("first", 0); i.Schedule("second", time.Nanosecond) }))
		_ = s.Run(ctx)
		if waited != 2*time.Second {
			t.Errorf("the second member started after %v, want 2s", waited)
		}
	})
}
