package smartpoll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// ErrTaskTimeout is the [context.Cause] of a task's context when the task takes longer than its [Timeout].
var ErrTaskTimeout = errors.New(`smartpoll: task timed out`)

// Timeout cancels the context of the task d after its start, with context.DeadlineExceeded for its error and
// [ErrTaskTimeout] for the cause. The result that the task then returns counts like any other: an error is fatal unless
// [OnError] or [Retry] handles it. The time of the [TaskHook] does not count.
//
// A task that ignores its context keeps running and occupies its key; [TaskInfo] has the time of its start. A d that is
// not positive is an error of [New] and Add.
func Timeout(d time.Duration) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if d <= 0 {
			return fmt.Errorf(`smartpoll: timeout %s is not positive, leave the option out for none`, d)
		}
		e.more().timeout = d
		return nil
	})
}

// OnError calls handle with each error of the task, of its [TaskHook], and of the fetch of a [Poll] unless its commit
// returns another one; the error does not end [Scheduler.Run] then. Handle is a hook like the TaskHook, and runs after
// it or in its place; it may schedule. If it returns nil, the error is handled. Any other error ends Run, which returns
// it.
//
// With [Retry], the next attempt of a failed task is already scheduled when handle is called.
//
// A panic in handle ends Run with a [*TaskError]. A nil handle is an error of
// [New] and Add.
func OnError(handle func(ctx context.Context, internal *Internal, key any, err error) error) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if handle == nil {
			return errors.New(`smartpoll: OnError func must not be nil`)
		}
		e.more().onError = handle
		return nil
	})
}

// WithRecover turns panics into errors, each a [*TaskError]. A panic in a task, or in the methods of its error that
// [Retry] calls, becomes an error of that task, which [OnError] and Retry may handle. A panic in a [TaskHook], a [Hook]
// or a [RunHook] becomes an error of that hook. Without WithRecover, a panic in a task or its TaskHook ends the
// process.
//
// It does not affect [runtime.Goexit].
func WithRecover() Option {
	return optionFunc(func(x *Scheduler) error {
		x.recovers = true
		return nil
	})
}

// TaskError is a recovered panic: see [WithRecover], [OnError], [Schedule] and [Observer].
type TaskError struct {
	// Key is the key of the task, or nil for the hook of a channel or of a Run.
	Key any
	// Err wraps the value of the panic if that is an error, and describes it otherwise.
	Err error
	// Stack is the stack of the goroutine that panicked, as returned by [debug.Stack].
	Stack []byte
}

func (err *TaskError) Error() string { return fmt.Sprintf(`smartpoll: task %v: %v`, err.Key, err.Err) }

// Unwrap returns err.Err.
func (err *TaskError) Unwrap() error { return err.Err }

// panicked returns the error for the value of a panic. It is called where the panic was recovered.
func panicked(key, value any) *TaskError {
	err, ok := value.(error)
	if !ok {
		err = fmt.Errorf(`panic: %v`, value)
	} else {
		err = fmt.Errorf(`panic: %w`, err)
	}
	return &TaskError{Key: key, Err: err, Stack: debug.Stack()}
}

// contained calls f, and returns a panic of it as a [*TaskError].
func contained(key any, f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(key, value)
		}
	}()
	return f()
}

// call is stage one of e, on its goroutine.
func (c *control) call(e *entry) (hook TaskHook, err error) {
	ctx := e.run
	x := e.options()
	if c.plain && (x == nil || x.timeout == 0) {
		hook, err = e.task(ctx)
	} else {
		hook, err = c.callWithOptions(e, ctx)
	}
	ctx.end()
	return hook, err
}

// callWithOptions calls the task with the timeout, the recovery and the observation that options ask for.
func (c *control) callWithOptions(e *entry, ctx *callCtx) (hook TaskHook, err error) {
	if x := e.options(); x != nil && x.timeout > 0 {
		defer ctx.limit(x.timeout)()
	}
	call := func() error {
		hook, err = e.task(ctx)
		return err
	}
	if c.recovers {
		guarded := call
		call = func() error { return contained(e.key, guarded) }
	}
	o := c.observer
	if o == nil {
		err = call()
		return hook, err
	}
	begin := c.noteCall(e)
	if o.OnStart != nil {
		c.observe(e.key, func() { o.OnStart(e.key, e.extra.notes.late, e.extra.notes.held) })
		begin = time.Since(c.base) // half the cost of time.Now
	}
	err = call()
	took := time.Since(c.base) - begin
	c.mu.Lock()
	e.extra.notes.took = took
	outcome := err
	if err == nil {
		outcome = ctx.failure()
	}
	if e.dropped {
		outcome = e.extra.notes.cause
	}
	c.mu.Unlock()
	if o.OnDone != nil {
		c.observe(e.key, func() { o.OnDone(e.key, took, outcome) })
	}
	return hook, err
}

// hook calls a hook: that of the task with the key, or, if key is nil, one that belongs to no task. The caller has the
// turn.
func (c *control) hook(key any, hook TaskHook) (err error) {
	ctx := c.newCall(c.hooks)
	if c.plain {
		err = hook(ctx, &c.internal)
	} else {
		err = c.hookWithOptions(key, hook, ctx)
	}
	ctx.end()
	return err
}

func (c *control) hookWithOptions(key any, hook TaskHook, ctx *callCtx) (err error) {
	call := func() error { return hook(ctx, &c.internal) }
	if c.recovers {
		guarded := call
		call = func() error { return contained(key, guarded) }
	}
	return c.observed(key, call)
}

// observed calls a hook and reports it to the Observer. The caller has the turn.
func (c *control) observed(key any, call func() error) error {
	o := c.observer
	if o == nil || o.OnHook == nil && o.OnSlowHook == nil {
		return call()
	}
	begin := time.Since(c.base)
	err := c.watched(key, begin, call)
	if o.OnHook != nil {
		took := time.Since(c.base) - begin
		c.observe(key, func() { o.OnHook(key, took, err) })
	}
	return err
}

// process handles the result of a task. The caller does not hold mu when it calls process, and holds it afterwards.
func (c *control) process(it item) {
	e, err := it.e, it.err
	if err != nil {
		err = c.failure(e, err)
	} else if it.hook != nil {
		err = c.hook(e.key, it.hook)
		if err != nil {
			c.count(e, err)
		}
		if x := e.options(); x != nil && x.onError != nil && (err != nil || x.failed) {
			err = c.handle(e, cmp.Or(err, x.err)) // x.err: of the fetch of a Poll
		}
	}
	if err != nil {
		c.fail(err)
	}
	c.mu.Lock()
	if err == nil && e.planned() {
		c.plan(e)
	}
}

// failure handles an error of stage one, and returns the error that ends Run, if any. The caller has the turn.
func (c *control) failure(e *entry, err error) error {
	retried, err := c.failed(e, err)
	switch x := e.options(); {
	case x != nil && x.onError != nil:
		return c.handle(e, err)
	case retried:
		return nil
	}
	return err
}

// handle calls the [OnError] of e. The caller has the turn.
func (c *control) handle(e *entry, err error) error {
	ctx := c.newCall(c.hooks)
	err = c.observed(e.key, func() error {
		return contained(e.key, func() error { return e.extra.onError(ctx, &c.internal, e.key, err) })
	})
	ctx.end()
	return err
}

// fail ends Run with err, unless it has an error already. It does not look at the context: the error of a hook that ran
// counts, whatever happened meanwhile. The caller does not hold mu.
func (c *control) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.stopped = true
	cancel := c.cancel
	c.mu.Unlock()
	cancel()
}
