package smartpoll

import (
	"context"
	"errors"
)

// ErrNotRunning is the error of [Scheduler.Do] and [Scheduler.Admit] when no Run is in progress, or it is ending.
var ErrNotRunning = errors.New(`smartpoll: scheduler is not running`)

var errDoInHook = errors.New(`smartpoll: Do within a hook would wait for itself, call the func instead`)

// Do calls f as a hook, on the caller's goroutine: no other hook runs meanwhile, nothing is started, and everything
// that f writes before it returns is visible to hooks that run later, and to tasks that start later. Do returns the
// error of f, which does not end Run.
//
// Do waits until the hooks in the queue before it have run. If ctx is done before that, it returns ctx.Err(), and if no
// Run is in progress, or it is ending, [ErrNotRunning]; f is not called then. The context of f is derived from ctx, and
// is also cancelled when Run's is.
//
// Do may be called from any goroutine, but not within a hook, which would wait for itself until ctx is done. If ctx is
// the context of the hook, or derived from it, Do returns an error at once. A panic in f reaches the caller.
func (x *Scheduler) Do(ctx context.Context, f func(ctx context.Context, internal *Internal) error) error {
	if f == nil {
		panic(`smartpoll: Do needs a func`)
	}
	if !x.made {
		panic(notMade)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &x.control
	if ctx.Value(hookKey{c}) != nil {
		return errDoInHook
	}
	wait := newWaiter()
	c.mu.Lock()
	if !c.open() {
		c.mu.Unlock()
		return ErrNotRunning
	}
	if c.busy {
		c.q.push(item{wait: wait})
	} else {
		c.busy = true
		wait.turn <- true
	}
	c.mu.Unlock()

	select {
	case granted := <-wait.turn:
		if !granted {
			return ErrNotRunning
		}
	case <-ctx.Done():
		c.mu.Lock()
		withdrawn := c.q.withdraw(wait)
		c.mu.Unlock()
		if !withdrawn && <-wait.turn { // granted just now: the turn must be passed on
			c.leave()
		}
		return ctx.Err()
	}
	defer c.leave()
	c.mu.Lock()
	open, run := c.open(), c.ctx
	c.mu.Unlock()
	if !open {
		return ErrNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	return c.observed(nil, func() error { return f(context.WithValue(ctx, hookKey{c}, true), &c.internal) })
}
