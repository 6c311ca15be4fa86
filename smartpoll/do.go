package smartpoll

import (
	"context"
	"errors"
)

// ErrNotRunning is what [Scheduler.Do] returns when no Run is on, or it is ending.
var ErrNotRunning = errors.New(`smartpoll: scheduler is not running`)

// Do calls f as a hook, on the caller's goroutine: no other hook runs meanwhile,
// nothing is started, and what f writes before it returns is visible to hooks that
// run later, and to tasks that start later. It returns what f does, which does not
// end Run.
//
// Do waits until hooks that are in line have run. If ctx is done before that, it
// returns ctx.Err(), and if no Run is on, or it is ending, [ErrNotRunning]; f is
// not called then. The context of f is derived from ctx, and cancelled also when
// Run's is.
//
// Do may be called from any goroutine, but not within a hook, which would wait for
// itself, until ctx is done. A panic in f reaches the caller.
func (x *Scheduler) Do(ctx context.Context, f func(ctx context.Context, internal *Internal) error) error {
	if f == nil {
		panic(`smartpoll: Do needs a func`)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &x.control
	wait := make(chan bool, 1)
	c.mu.Lock()
	if !c.open() {
		c.mu.Unlock()
		return ErrNotRunning
	}
	if c.busy {
		c.q.push(item{wait: wait})
	} else {
		c.busy = true
		wait <- true
	}
	c.mu.Unlock()

	select {
	case granted := <-wait:
		if !granted {
			return ErrNotRunning
		}
	case <-ctx.Done():
		c.mu.Lock()
		withdrawn := c.q.withdraw(wait)
		c.mu.Unlock()
		if !withdrawn && <-wait { // just now: it must be passed on
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
	return f(ctx, &c.internal)
}
