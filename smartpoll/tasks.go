package smartpoll

import (
	"errors"
	"fmt"
)

var (
	// ErrTaskExists is wrapped by the error of Add if the key is taken.
	ErrTaskExists = errors.New(`smartpoll: task exists already`)
	// ErrTaskRemoved is the [context.Cause] of the context of a task that was removed while it ran.
	ErrTaskRemoved = errors.New(`smartpoll: task removed`)
	// ErrTaskCancelled is the [context.Cause] of the context of a task that was cancelled.
	ErrTaskCancelled = errors.New(`smartpoll: task cancelled`)
)

// WithDynamic allows [New] without tasks, for a Scheduler whose tasks are all added later.
func WithDynamic() Option {
	return optionFunc(func(x *Scheduler) error {
		x.dynamic = true
		return nil
	})
}

// WithMaxRunning bounds how many tasks run at once, from the start of a task to the end of its hook. Tasks that become
// due meanwhile wait in that order, see [HeadStart], and count as ready. An n that is not positive is an error of
// [New].
func WithMaxRunning(n int) Option {
	return optionFunc(func(x *Scheduler) error {
		if n < 1 {
			return fmt.Errorf(
				`smartpoll: max running %d admits nothing, use a positive number, or leave the option out`,
				n,
			)
		}
		x.limit = n
		return nil
	})
}

// Add adds a task as [WithTask] does. The task is not scheduled, unless it has a [Schedule].
//
// If the key is taken, the error wraps [ErrTaskExists]. Whatever is an error of [New] is one of Add too. Add may be
// called from any goroutine.
//
// If a task was removed while it ran, and a new one with its key is added meanwhile, the new task does not start before
// the old one has returned; until then it counts as running.
func (c *control) Add(key any, task Task, opts ...TaskOption) error {
	e, err := newEntry(key, task, opts)
	if err != nil {
		return err
	}
	switch err := c.add(e); err { // add formats no key, because it holds mu
	case ErrTaskExists:
		return fmt.Errorf(`%w: %T: %v`, err, key, key)
	case errGroupInUse:
		return inUse(key)
	}
	return nil
}

func (c *control) add(e *entry) error {
	c.lock()
	defer c.mu.Unlock()
	old := c.tasks[e.key]
	if old != nil && !old.removed {
		return ErrTaskExists
	}
	if !c.claimGroups(e) {
		return errGroupInUse
	}
	if old != nil && old.running {
		if c.heirs == nil {
			c.heirs = make(map[*entry]*entry)
		}
		c.heirs[old] = e
		e.running = true
	}
	c.tasks[e.key] = e
	c.present++
	e.enrol(1)
	if e.planned() && c.open() {
		e.extra.begins = true
		c.plans.push(e)
		c.kick()
	}
	return nil
}

// Remove removes the task with the key, and reports whether there was one. Its schedule is cleared. If it is running,
// its context ends with the cause [ErrTaskRemoved], and its result is dropped, unless its hook has begun.
//
// Remove may be called from any goroutine. A hook that is in progress may keep using the key: calls with it do nothing
// until that hook and the task have returned, and panic afterwards.
func (c *control) Remove(key any) bool {
	run, ok := c.remove(key)
	if run != nil {
		run.cancel(ErrTaskRemoved)
	}
	return ok
}

// remove returns the invocation, if any, that the caller has to cancel without holding mu.
func (c *control) remove(key any) (run *callCtx, ok bool) {
	c.lock()
	defer c.mu.Unlock()
	e := c.tasks[key]
	if e == nil || e.removed {
		return nil, false
	}
	e.removed = true
	c.present--
	e.enrol(-1)
	c.unset(e)
	run = c.drop(e, ErrTaskRemoved)
	c.forget(e)
	c.kick() // another task may start with what this one kept in a group
	return run, true
}

// drop discards the result of the invocation of e, if there is one whose hook has not begun, and returns its context,
// which the caller cancels with the cause. The caller holds mu.
func (c *control) drop(e *entry, cause error) *callCtx {
	if e.run == nil || e.dropped || c.cur == e {
		return nil
	}
	e.dropped = true
	if c.observer != nil {
		e.noted().cause = cause // the context may have ended for another one, or not yet
	}
	return e.run
}

// forget forgets e, which was removed, once neither its task nor a hook can be using it. The caller holds mu.
func (c *control) forget(e *entry) {
	if heir := c.heirs[e]; heir != nil && !e.running {
		delete(c.heirs, e)
		c.over(heir)
		c.noteFreed(heir)
	}
	c.gone = append(c.gone, e)
	if !c.busy {
		c.sweep()
	}
}

// sweep forgets removed entries. It is called while no hook is running. The caller holds mu.
func (c *control) sweep() {
	for _, e := range c.gone {
		if !e.running && c.tasks[e.key] == e { // otherwise finished will do it, or it has an heir
			delete(c.tasks, e.key)
		}
	}
	clear(c.gone)
	c.gone = c.gone[:0]
}

// Cancel ends the context of the task with the key, with the cause [ErrTaskCancelled], and discards whatever the task
// returns: its hook is not called, and its error does not count as a failure. It may be called from any goroutine.
//
// Cancel reports whether there was something to cancel: it returns false if the task is not running, or its hook has
// begun. The task remains running until it returns, and its schedule is unchanged. Cancel panics if no task has the
// key.
func (c *control) Cancel(key any) bool {
	run := c.dropKey(key)
	if run != nil {
		run.cancel(ErrTaskCancelled)
	}
	return run != nil
}

// dropKey calls drop for the task with the key.
func (c *control) dropKey(key any) *callCtx {
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil {
		return nil
	}
	return c.drop(e, ErrTaskCancelled)
}
