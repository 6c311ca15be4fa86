package smartpoll

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrPanicInTask is returned by [Scheduler.Run] if a task, or its hook, calls [runtime.Goexit]. A panic of a task ends
// Run with it too, but also ends the process.
var ErrPanicInTask = errors.New(`smartpoll: panic in task`)

// Task performs an arbitrary operation in the background, returning either a fatal error, or a [TaskHook], or neither
// (`return nil, nil`). Its context is cancelled after this function (not the TaskHook) returns, or when the
// [Scheduler.Run] context is cancelled. A hook that is returned along with an error is not called.
//
// Tasks run independently of each other, and at most one runs per key at any time.
//
// A Task that changes its goroutine, by [runtime.LockOSThread] or by labels, must
// undo that before it returns: other tasks and their hooks may run on it next.
type Task func(ctx context.Context) (TaskHook, error)

// TaskHook performs an arbitrary operation, synchronised with the main loop, within [Scheduler.Run]. It typically
// handles results (e.g. stores them in an in-memory cache), or reschedules the task, or both. Its context is cancelled
// after this function returns, or when the Scheduler.Run context is cancelled. An error ends Run, which returns it.
//
// Like all "hooks" in this package, TaskHook runs synchronously with the main loop. It always runs before the next
// [Task] of the same key, but it may not be called at all after a fatal error.
type TaskHook func(ctx context.Context, internal *Internal) error

// RunHook is a hook that each [Scheduler.Run] calls on its own goroutine, just before the main loop starts. Its context
// is derived from the Scheduler.Run context, and is cancelled after the hook returns. An error ends Run, which returns
// it.
type RunHook func(ctx context.Context, internal *Internal) error

// Internal is the API for use within hooks. Its methods are those of [Scheduler]: it is safe to keep a reference to
// Internal, and to use it from any goroutine.
type Internal struct {
	*control
}

// Scheduler schedules tasks, runs the main loop, and calls hooks, which run within the main loop or are synchronised
// with it, and manage the state of the scheduler and any other state.
//
// A Scheduler is made by [New] and run by its method Run. All other methods may be called from any goroutine at any
// time.
//
// See also the package docs for smartpoll.
type Scheduler struct {
	control

	made     bool // by New
	dynamic  bool
	active   atomic.Bool
	drain    Drain
	runHooks []RunHook
	endHooks []RunHook
	hooks    []func() // the goroutines of the channel hooks
}

const notMade = `smartpoll: scheduler must be initialized with New`

// String keeps package fmt from reading fields that are in use; so does GoString.
func (c *control) String() string { return "smartpoll.Scheduler" }

// GoString returns the same as String.
func (c *control) GoString() string { return c.String() }

// New makes a [Scheduler] with the given options, see the functions named With. At least one task is required, unless
// [WithDynamic] is given. The error is that of the first invalid option.
func New(options ...Option) (*Scheduler, error) {
	x := &Scheduler{made: true}
	c := &x.control
	c.base = time.Now()
	c.tasks = make(map[any]*entry)
	c.internal = Internal{c}
	c.stopped = true
	for _, option := range options {
		if option == nil {
			return nil, errors.New(`smartpoll: option must not be nil`)
		}
		if err := option.apply(x); err != nil {
			return nil, err
		}
	}
	if len(c.tasks) == 0 && !x.dynamic {
		return nil, errors.New(`smartpoll: no tasks configured`)
	}
	if e := c.claimAll(); e != nil {
		return nil, inUse(e.key)
	}
	c.present = len(c.tasks)
	c.plain = c.observer == nil && !c.recovers
	return x, nil
}

// Run runs the scheduler, blocking until the context is cancelled, or an error is returned from a [Hook] or a [Task].
// It returns that error unchanged, or else ctx.Err(). Run panics if it is called again before the previous call has
// returned, or if the Scheduler was not made by [New].
//
// The contexts of tasks and hooks are derived from the context passed to Run. When Run returns, they are cancelled and
// every schedule is cleared.
//
// Run does not wait for running tasks before it returns, except with [WithDrain]. It does wait for a hook that is
// running. Calling Run again blocks until tasks that are still running have returned, and drops their errors, which are
// likely caused by the cancellation.
func (x *Scheduler) Run(ctx context.Context) error {
	if x == nil || !x.made {
		panic(notMade)
	}
	if !x.active.CompareAndSwap(false, true) {
		panic(`smartpoll: scheduler already running`)
	}
	defer x.active.Store(false)

	c := &x.control
	stop, calls, cancel := x.contexts(ctx)
	defer cancel()

	defer c.clear()
	if idle := c.whenIdle(); idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	wait := newWaiter()
	c.enter(wait)
	c.begin(stop, calls, cancel)
	defer c.end()
	for _, hook := range x.runHooks {
		if err := c.hook(nil, TaskHook(hook)); err != nil {
			return err
		}
	}
	c.planAll()

	var hooks sync.WaitGroup
	for _, hook := range x.hooks {
		hooks.Go(hook)
	}
	c.leave()
	<-stop.Done()
	if x.drain.Grace > 0 {
		c.await(x.drain.Grace, calls.Done())
	}
	c.halt()
	hooks.Wait()
	c.enter(wait) // a TaskHook in progress ends before Run does
	late := x.late()
	ends := c.callEndHooks(context.WithValue(context.WithoutCancel(ctx), hookKey{c}, true), x.endHooks)
	crash, err := c.result()
	if crash != nil {
		crash()
	}
	if err == nil {
		err = ctx.Err()
	}
	if late != nil || ends != nil {
		return errors.Join(err, late, ends)
	}
	return err
}

// contexts returns the context that ends the starts of a Run, the parent of the contexts of its calls, and the func
// that ends both.
func (x *Scheduler) contexts(ctx context.Context) (stop, calls context.Context, cancel func()) {
	stop, cancel = context.WithCancel(ctx)
	if x.drain.Grace == 0 {
		return stop, stop, cancel
	}
	cancelStop := cancel
	calls, cancelCalls := context.WithCancelCause(context.WithoutCancel(ctx))
	return stop, calls, func() { cancelStop(); cancelCalls(context.Cause(ctx)) }
}

// result returns how Run ends: what it calls if a hook has panicked, or its error. Tasks that it did not wait for may
// still fail, in a func of the Observer.
func (c *control) result() (crash func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.crash, c.err
}

// callEndHooks calls the hooks of [WithEndHook], with contexts derived from ctx.
func (c *control) callEndHooks(ctx context.Context, hooks []RunHook) (err error) {
	for _, hook := range hooks {
		call := c.newCall(ctx)
		err = errors.Join(err, c.hookWithOptions(nil, TaskHook(hook), call))
		call.end()
	}
	return err
}

// late waits for the cancelled tasks, and returns a [*DrainError] if that takes too long.
func (x *Scheduler) late() error {
	if x.drain.Wait == 0 || x.await(x.drain.Wait, nil) {
		return nil
	}
	keys := x.stragglers()
	if len(keys) == 0 {
		return nil // the last task has ended just now
	}
	return &DrainError{Keys: keys, Wait: x.drain.Wait}
}

// begin opens a Run, whose goroutine has the turn.
func (c *control) begin(stop, calls context.Context, cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop, c.ctx, c.cancel = stop, calls, cancel
	c.hooks = context.WithValue(calls, hookKey{c}, true)
	c.err, c.crash = nil, nil
	c.stopped = false
	c.armed, c.capped = never, false
	c.reports = slices.DeleteFunc(c.reports, func(r report) bool { return r.group != nil })
	c.roomed = int64(time.Since(c.base))
	c.due = c.walls > 0 // the wall clock may have been set since the last Run
	// Made here and not by New, so that it belongs to the synctest bubble of Run, and stopped at once, so that it keeps
	// no bubble alive.
	c.timer = time.AfterFunc(math.MaxInt64, c.fire)
	c.timer.Stop()
}

// halt ends the starts and the TaskHooks of a Run.
func (c *control) halt() {
	c.mu.Lock()
	c.stopped = true
	cancel := c.cancel
	c.mu.Unlock()
	cancel()
}

// end closes a Run, whose goroutine has the turn: no hook is running any more. The results in q arrived before the
// stop.
func (c *control) end() {
	c.halt()
	c.watch.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	for c.q.n > 0 {
		switch it := c.q.pop(); {
		case it.e != nil:
			c.finished(it.e)
		case it.wait != nil: // of a Do that came before the RunHooks had returned
			it.wait.turn <- false
		}
	}
	c.busy = false
	c.sweep()
}

// planAll makes the loop plan all tasks that have a [Schedule].
func (c *control) planAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.tasks {
		if e.planned() && !e.scheduled() && e.queue == nil && !e.removed {
			e.extra.begins = true
			c.plans.push(e)
		}
	}
}

// clear clears every schedule.
func (c *control) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.tasks {
		c.unset(e)
		if x := e.extra; x != nil {
			x.failures, x.caughtUp, x.due = 0, 0, time.Time{}
		}
	}
}
