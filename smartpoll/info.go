package smartpoll

import (
	"iter"
	"time"
)

// State is the state of a task.
type State int

// The states of a task. A running task may be scheduled, due and paused as well.
const (
	// Idle means that the task is not scheduled.
	Idle State = iota
	// Waiting means that the task is scheduled and not due yet.
	Waiting
	// Ready means that the task is due, and about to start unless it is paused or held up by [WithMaxRunning].
	Ready
	// Parked means that the task is due and waits for a [Group].
	Parked
	// Running means that the task was started and its hook has not begun.
	Running
	// Hooking means that the [TaskHook] or [OnError] of the task is running.
	Hooking
)

func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Waiting:
		return "waiting"
	case Ready:
		return "ready"
	case Parked:
		return "parked"
	case Running:
		return "running"
	case Hooking:
		return "hook"
	}
	return "unknown"
}

// TaskInfo describes a task at one moment.
type TaskInfo struct {
	Key    any
	State  State
	Paused bool // there are Pauses
	// Pauses are what keeps the task from being started: its own ones, then those of its groups, then those of all
	// tasks, each in the order in which they began.
	Pauses []Pause
	// Next is the result of the method Next.
	Next time.Time
	// Runs is how often the task was started.
	Runs uint64
	// Started is the time of the last start, the zero time if there was none.
	Started time.Time
	// Late and Held are how late the last start was, see [Observer], and Took is the duration of the last invocation
	// that has ended, without its hook. They are kept only with an Observer.
	Late, Held, Took time.Duration
	// Ended is when the last run was over: when its hook, or without one the task, had returned. While the task runs,
	// it is the end of the run before, so it is before Started. A run that failed counts, and one that was cancelled or
	// replaced, or whose Run had ended, when its task has returned. Due times that were skipped do not count. Ended is
	// the zero time if no run is over, and is kept only with an Observer.
	Ended time.Time
	// Failures is how many invocations in a row have failed: the task, the fetch of a [Poll] or the hook returned an
	// error, whether it was handled or not. Skipped due times and dropped results, such as those of cancelled runs, are
	// neither failures nor successes. The end of Run resets it.
	Failures int
	// Err is the error of the last failure, even if a success has followed, and also after the end of Run. ErrAt is when
	// it was taken note of, between the return of the task and the end of its run.
	Err   error
	ErrAt time.Time
	// Skipped is how many due times led to no run because of [Skip], a full [Queue], [MissedSkip] or [MissedAll]. For a
	// [Schedule] that is not an [Interval], at most 1,001 times are counted at once.
	Skipped uint64
}

// Info describes the task with the key, and reports whether there is one. It may be called from any goroutine, even
// while a hook or a task does not return.
func (c *control) Info(key any) (TaskInfo, bool) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.tasks[key]
	if e == nil || e.removed {
		return TaskInfo{}, false
	}
	return c.info(e, now), true
}

// Tasks describes all tasks, in no particular order, each at about the moment it is yielded. Tasks that are added or
// removed meanwhile may be left out. It may be called from any goroutine, even while a hook or a task does not return.
// A loop over it may be slow, and may call all methods.
func (c *control) Tasks() iter.Seq[TaskInfo] {
	return func(yield func(TaskInfo) bool) {
		var batch [64]TaskInfo // bounds how long mu is held
		n := 0
		flush := func() bool {
			for i := range n {
				if !yield(batch[i]) {
					return false
				}
			}
			n = 0
			return true
		}
		c.lock()
		now := time.Now()
		for _, e := range c.tasks { // which may change while mu is free, as in any loop over a map
			if e.removed {
				continue
			}
			batch[n] = c.info(e, now)
			if n++; n == len(batch) {
				c.mu.Unlock()
				if !flush() {
					return
				}
				c.mu.Lock()
				now = time.Now()
			}
		}
		c.mu.Unlock()
		flush()
	}
}

// timeOf returns the time of at, see since. The caller holds mu.
func (c *control) timeOf(at int64, now time.Time) time.Time {
	return now.Add(-time.Duration(c.since(now) - at))
}

// info describes e. The caller holds mu.
func (c *control) info(e *entry, now time.Time) TaskInfo {
	pauses := c.pauses(e)
	info := TaskInfo{Key: e.key, Paused: len(pauses) > 0, Pauses: pauses, Next: e.next, Runs: e.runs}
	switch {
	case c.cur == e:
		info.State = Hooking
	case e.running:
		info.State = Running
	case e.ready && e.parked():
		info.State = Parked
	case e.ready:
		info.State = Ready
	case e.scheduled():
		info.State = Waiting
	}
	if e.runs > 0 {
		info.Started = c.timeOf(e.started, now)
	}
	if x := e.extra; x != nil {
		info.Failures, info.Err, info.Skipped = x.failures, x.err, x.skipped
		if x.err != nil {
			info.ErrAt = c.timeOf(x.errAt, now)
		}
		if n := x.notes; n != nil {
			info.Late, info.Held, info.Took = n.late, n.held, n.took
			if n.hasEnded {
				info.Ended = c.timeOf(n.ended, now)
			}
		}
	}
	return info
}
