package smartpoll

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// ErrTaskTimeout is the cause, see [context.Cause], of the end of a task's context
// when the task takes longer than its [Timeout].
var ErrTaskTimeout = errors.New(`smartpoll: task timed out`)

// Timeout cancels the context of the task d after its start, with
// context.DeadlineExceeded for its error and [ErrTaskTimeout] for the cause.
// What the task then returns is a result like any other: an error is fatal
// unless [OnError] or [Retry] handles it. The time of the [TaskHook] does not
// count.
//
// A task that ignores its context keeps running and occupies its key;
// [TaskInfo] has the time since when. A d that is not positive is an error of
// [New] and Add.
func Timeout(d time.Duration) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if d <= 0 {
			return fmt.Errorf(`smartpoll: timeout %s is not positive, leave the option out for none`, d)
		}
		e.more().timeout = d
		return nil
	})
}

// OnError calls handle with each error of the task, of its [TaskHook], and of the fetch
// of a [Poll] unless its commit returns another one, instead of ending [Scheduler.Run]
// with it. It is a hook like the TaskHook, and follows
// or replaces that one; it may schedule. If it returns nil, the error is handled.
// Any other error ends Run, which returns it.
//
// With [Retry], the next try of a task that failed is scheduled by then.
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

// WithRecover makes a panic in a task, and in the methods of its error that [Retry]
// calls, an error of that task, a [*TaskError], which [OnError] and Retry may deal with, and a panic in a [TaskHook], a [Hook] or a
// [RunHook] an error of that hook. Without it, the first two end the process.
//
// It cannot help against [runtime.Goexit], which remains what it is.
func WithRecover() Option {
	return optionFunc(func(x *Scheduler) error {
		x.recovers = true
		return nil
	})
}

// TaskError is a panic that was recovered: see [WithRecover], [OnError],
// [Schedule] and [Observer].
type TaskError struct {
	// Key is that of the task, or nil in the hook of a channel or of a Run.
	Key any
	// Err is the value of the panic, or what says it.
	Err error
	// Stack is that of the goroutine which panicked, as of [debug.Stack].
	Stack []byte
}

func (err *TaskError) Error() string { return fmt.Sprintf(`smartpoll: task %v: %v`, err.Key, err.Err) }

// Unwrap returns err.Err.
func (err *TaskError) Unwrap() error { return err.Err }

// panicked returns the error for the value of a panic. It is called where that was
// recovered.
func panicked(key, value any) *TaskError {
	err, ok := value.(error)
	if !ok {
		err = fmt.Errorf(`panic: %v`, value)
	} else {
		err = fmt.Errorf(`panic: %w`, err)
	}
	return &TaskError{Key: key, Err: err, Stack: debug.Stack()}
}

// contained calls f, and returns what it panics with as a [*TaskError].
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
	x := e.extra
	if c.plain && (x == nil || x.timeout == 0) {
		hook, err = e.task(ctx)
	} else {
		hook, err = c.callWatched(e, ctx)
	}
	ctx.end()
	return hook, err
}

// callWatched calls the task with all that options ask for.
func (c *control) callWatched(e *entry, ctx *callCtx) (hook TaskHook, err error) {
	if e.extra != nil && e.extra.timeout > 0 {
		defer ctx.limit(e.extra.timeout)()
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
	if o.OnStart != nil {
		c.observe(e.key, func() { o.OnStart(e.key, e.extra.late) })
	}
	begin := time.Since(c.base) // half as dear as time.Now
	err = call()
	took := time.Since(c.base) - begin
	c.mu.Lock()
	e.extra.took = took
	outcome := err
	if err == nil {
		outcome = ctx.failure()
	}
	dropped := e.dropped
	c.mu.Unlock()
	if dropped {
		outcome = context.Cause(ctx)
	}
	if o.OnDone != nil {
		c.observe(e.key, func() { o.OnDone(e.key, took, outcome) })
	}
	return hook, err
}

// hook calls a hook, of the task with the key or, with nil, of none. The caller has
// the turn.
func (c *control) hook(key any, hook TaskHook) (err error) {
	ctx := c.newCall(c.hooks)
	if c.plain {
		err = hook(ctx, &c.internal)
	} else {
		err = c.hookWatched(key, hook, ctx)
	}
	ctx.end()
	return err
}

func (c *control) hookWatched(key any, hook TaskHook, ctx *callCtx) (err error) {
	call := func() error { return hook(ctx, &c.internal) }
	if c.recovers {
		guarded := call
		call = func() error { return contained(key, guarded) }
	}
	return c.watched(key, call)
}

// watched calls a hook, of which the Observer is told. The caller has the turn.
func (c *control) watched(key any, call func() error) error {
	o := c.observer
	if o == nil || o.OnHook == nil {
		return call()
	}
	begin := time.Since(c.base)
	err := call()
	took := time.Since(c.base) - begin
	c.observe(key, func() { o.OnHook(key, took, err) })
	return err
}

// failure deals with an error of stage one, and returns what is to end Run. The
// caller has the turn.
func (c *control) failure(e *entry, err error) error {
	retried, err := c.failed(e, err)
	switch {
	case e.extra.onError != nil:
		return c.handle(e, err)
	case retried:
		return nil
	}
	return err
}

// handle calls the [OnError] of e. The caller has the turn.
func (c *control) handle(e *entry, err error) error {
	ctx := c.newCall(c.hooks)
	err = c.watched(e.key, func() error {
		return contained(e.key, func() error { return e.extra.onError(ctx, &c.internal, e.key, err) })
	})
	ctx.end()
	return err
}

// fail ends Run with err, unless it has an error already. The context is not
// asked: the error of a hook that ran counts, whatever happened meanwhile. The
// caller does not hold mu.
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
