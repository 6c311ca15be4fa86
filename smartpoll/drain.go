package smartpoll

import (
	"fmt"
	"strings"
	"time"
)

// Drain describes how [Scheduler.Run] ends when its context does. With the zero value it ends at once: running tasks
// are cancelled, and Run does not wait for them.
type Drain struct {
	// Grace is how long running tasks may continue, and their hooks run, before they are cancelled. Nothing is started
	// meanwhile, and channel hooks end at once. After an error there is no grace. Zero means none.
	//
	// With a grace, the contexts of tasks and hooks have the values of Run's context, but neither its deadline nor its
	// cancellation.
	Grace time.Duration
	// Wait is how long Run waits for tasks to return once they have been
	// cancelled. Those that have not returned by then are named in a
	// [*DrainError]. Zero means that Run does not wait for them.
	Wait time.Duration
}

// WithDrain makes [Scheduler.Run] wait for running tasks as d says. With a positive d.Wait, a Run that returns without
// a [*DrainError] has left no task behind.
func WithDrain(d Drain) Option {
	return optionFunc(func(x *Scheduler) error {
		switch {
		case d.Grace < 0:
			return fmt.Errorf(
				`smartpoll: drain grace %s is negative, use a positive duration, or zero for none`,
				d.Grace,
			)
		case d.Wait < 0:
			return fmt.Errorf(`smartpoll: drain wait %s is negative, use a positive duration, or zero for none`, d.Wait)
		}
		x.drain = d
		return nil
	})
}

// DrainError names the tasks that were still running when [Scheduler.Run] stopped waiting for them. It is joined to the
// error that Run would return otherwise.
type DrainError struct {
	// Keys are the keys of the tasks, in no particular order.
	Keys []any
	// Wait is the time they were given after their cancellation.
	Wait time.Duration
}

func (err *DrainError) Error() string {
	keys := make([]string, len(err.Keys))
	for i, key := range err.Keys {
		keys[i] = fmt.Sprint(key)
	}
	return fmt.Sprintf(`smartpoll: still running %s after cancellation: %s`, err.Wait, strings.Join(keys, `, `))
}

// whenIdle returns a channel that is closed once no invocation is in progress, or nil if that is so already.
func (c *control) whenIdle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inflight == 0 {
		return nil
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	return c.idle
}

// await waits for the invocations in progress, at most d and until done, and reports whether they have ended.
func (c *control) await(d time.Duration, done <-chan struct{}) bool {
	idle := c.whenIdle()
	if idle == nil {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-done:
	case <-timer.C:
	}
	return false
}

// stragglers returns the keys of the tasks that are running.
func (c *control) stragglers() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []any
	for key, e := range c.tasks {
		if e.running {
			keys = append(keys, key)
		}
	}
	return keys
}
