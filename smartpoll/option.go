package smartpoll

import (
	"errors"
	"fmt"
)

// Option configures a [Scheduler], see [New]. Options are made by the functions
// named With.
type Option interface {
	apply(x *Scheduler) error
}

type optionFunc func(x *Scheduler) error

func (f optionFunc) apply(x *Scheduler) error { return f(x) }

// TaskOption configures one task, see [WithTask] and Add: [HeadStart], [In],
// [Missed], [On], [OnError], [Overlap], [Retry] and [Timeout] make them.
type TaskOption interface {
	applyTask(e *entry) error
}

type taskOptionFunc func(e *entry) error

func (f taskOptionFunc) applyTask(e *entry) error { return f(e) }

// WithTask adds a task, identified by the given key. The task runs only when it is scheduled.
//
// The key may be any comparable value, nil included. Keys are equal as the keys of a map are: int(1) is not int64(1).
// Of two tasks with equal keys the last one counts. A nil task is an error of [New], and so is a key that is not
// comparable or not equal to itself (a NaN).
func WithTask(key any, task Task, opts ...TaskOption) Option {
	return optionFunc(func(x *Scheduler) error {
		e, err := newEntry(key, task, opts)
		if err != nil {
			return err
		}
		x.tasks[key] = e
		return nil
	})
}

func newEntry(key any, task Task, opts []TaskOption) (*entry, error) {
	if task == nil {
		return nil, errors.New(`smartpoll: task func must not be nil`)
	}
	if !isComparable(key) {
		return nil, fmt.Errorf(`smartpoll: task key type %T is not comparable`, key)
	}
	e := &entry{key: key, task: task}
	for _, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf(`smartpoll: option of task %v must not be nil`, key)
		}
		if err := opt.applyTask(e); err != nil {
			return nil, err
		}
	}
	e.optional = e.extra != nil
	return e, nil
}

// isComparable reports whether key can be found again in a map.
func isComparable(key any) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	again := key
	return again == key
}

// WithRunHook adds a [RunHook] to be called on each [Scheduler.Run], just before the main loop starts. Several RunHooks
// are called in the order in which they were added.
func WithRunHook(hook RunHook) Option {
	return optionFunc(func(x *Scheduler) error {
		if hook == nil {
			return errors.New(`smartpoll: run hook must not be nil`)
		}
		x.runHooks = append(x.runHooks, hook)
		return nil
	})
}

// WithEndHook adds a [RunHook] to be called at the end of each [Scheduler.Run], whatever ends it, unless a RunHook of
// [WithRunHook] has failed, or Run's context was done before the tasks of an earlier Run had returned. It can save the
// schedules, which are cleared only afterwards. When it is called, nothing is started any more, no other hook is running,
// and tasks have had the time that [WithDrain] gives them. The schedule of a task whose run was cut short was consumed
// when that run started.
//
// The context has the values of Run's context, and is not cancelled with it. An error is joined to the one that Run
// would return otherwise. Several end hooks are all called, in the order in which they were added.
func WithEndHook(hook RunHook) Option {
	return optionFunc(func(x *Scheduler) error {
		if hook == nil {
			return errors.New(`smartpoll: end hook must not be nil`)
		}
		x.endHooks = append(x.endHooks, hook)
		return nil
	})
}
