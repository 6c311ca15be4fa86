package smartpoll

import (
	"errors"
	"fmt"
	"time"
)

// Observer receives events for metrics and logs. A nil func costs nothing, and without an Observer the clock is not
// read for these events.
//
// The funcs must return fast, and may call all methods except [Scheduler.Do] and [Scheduler.Admit]. OnStart and OnDone
// are called on the goroutine of the task, so they run concurrently for several tasks; OnHook, OnSkip, OnPark and OnRetry
// are called one at a time, between two hooks, and OnRetry for a [Poll] in its hook, before the commit. A panic in one of
// them ends [Scheduler.Run] with a [*TaskError].
type Observer struct {
	// OnStart is called before a task starts. Late plus held is how long ago the task was due, by an explicit schedule
	// or by its [Schedule]; for a run that makes up for missed times, it counts from the first of them.
	//
	// Held is how long after that the task could not start: because its run before was in progress, because it was
	// paused, a [Group] or [WithMaxRunning] did not admit it, no Run was in progress, or it was only then scheduled for
	// a time in the past. Late is the rest: how long the scheduler took to start a task that nothing held up. If it is
	// long, a hook blocks, the process has too much to do, or it was suspended.
	OnStart func(key any, late, held time.Duration)
	// OnDone is called when a task has returned err, took after its start. For a [Poll], err is the error of its fetch.
	// For an invocation that was dropped by then it is the cause: [ErrTaskCancelled], [ErrTaskRemoved] or
	// [ErrTaskReplaced].
	OnDone func(key any, took time.Duration, err error)
	// OnHook is called when a hook has returned err after took, during which nothing was started. Key is the key of the
	// task for its [TaskHook] and [OnError], and nil for the hook of a channel or of a Run and for a func passed to Do.
	OnHook func(key any, took time.Duration, err error)
	// OnSkip is called when n due times have led to no run, because of [Skip], a full [Queue], [MissedSkip] or
	// [MissedAll]. The numbers of a task add up to Skipped of its [TaskInfo]; what is skipped while no Run is in
	// progress is told by the next one.
	OnSkip func(key any, n uint64)
	// OnPark is called when a task that is due has to wait for g, one of its groups. How long it has waited in the end
	// is a part of what OnStart calls held.
	OnPark func(key any, g *Group)
	// OnRetry is called when [Retry] has scheduled a task again, which has failed for the given number of times in a
	// row, the last time with err. It is not called when Retry gives up, or the task was scheduled already.
	OnRetry func(key any, failures int, after time.Duration, err error)
	// OnSlowHook is called once for a hook that has not returned after SlowHook, while it runs: nothing is started
	// meanwhile, and if the hook never returns, OnHook is never called. Key is that of OnHook. OnSlowHook runs on a
	// goroutine of its own, and the hook does not count as returned before OnSlowHook has.
	OnSlowHook func(key any, took time.Duration)
	// SlowHook is how long a hook may take before OnSlowHook is called. Zero means 1 s, and a negative number is an
	// error of [New].
	SlowHook time.Duration
}

// WithObserver reports events to o, which it copies. With it, [TaskInfo] also tells how late tasks started, how long
// they took and when they ended, even if all funcs of o are nil.
func WithObserver(o *Observer) Option {
	return optionFunc(func(x *Scheduler) error {
		if o == nil {
			return errors.New(`smartpoll: observer must not be nil`)
		}
		observer := *o
		switch {
		case o.SlowHook < 0:
			return fmt.Errorf(`smartpoll: slow hook %s is negative, use a positive duration, or zero for 1s`, o.SlowHook)
		case o.SlowHook == 0:
			observer.SlowHook = slowHook
		}
		x.observer = &observer
		return nil
	})
}

// observe calls a func of the Observer. The caller does not hold mu.
func (c *control) observe(key any, f func()) {
	if err := contained(key, func() error { f(); return nil }); err != nil {
		c.fail(err)
	}
}
