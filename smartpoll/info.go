package smartpoll

import (
	"iter"
	"time"
)

// State is the state of a task.
type State int

// The states of a task. One that runs may be scheduled, due and paused as well.
const (
	// Idle is a task that is not scheduled.
	Idle State = iota
	// Waiting is one whose time has not come.
	Waiting
	// Ready is one that is due, and about to be started if it is not paused and
	// [WithMaxRunning] has room.
	Ready
	// Parked is one that is due, and waits for a [Group].
	Parked
	// Running is one that was started and has not got to its hook.
	Running
	// Hooking is one whose [TaskHook], or [OnError], is running.
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
	Paused bool // see Pause
	// Next is what the method Next returns.
	Next time.Time
	// Runs is how often the task was started.
	Runs uint64
	// Started is when it last was, the zero time if never.
	Started time.Time
	// Late is how long after its time, as it was scheduled or planned, that was, and Took how long the last
	// invocation took that has ended, without the hook: if there is an [Observer].
	Late, Took time.Duration
	// Failures is how many invocations in a row have failed, and Err is the
	// last error, even if a success has followed it. The failed fetch of a
	// [Poll] is a failure.
	Failures int
	Err      error
	// Skipped is how many due times led to no run: by [Skip], by a [Queue] that was
	// full, by [MissedSkip] and MissedAll. Of the times of a [Schedule] that is not an
	// [Interval], up to 1,001 are counted at once.
	Skipped uint64
}

// Info returns what is known of the task with the key, and whether there is one. It
// may be called from any goroutine, also while a hook or a task does not return.
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

// Tasks returns what is known of all tasks, in no order, each at the moment of
// about its turn. Tasks that are added or removed meanwhile may be left out. It may
// be called from any goroutine, also while a hook or a task does not return; the
// loop over it may take its time, and may call all methods.
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

// info returns what is known of e. The caller holds mu.
func (c *control) info(e *entry, now time.Time) TaskInfo {
	info := TaskInfo{Key: e.key, Paused: e.paused, Next: e.next, Runs: e.runs}
	switch {
	case c.cur == e:
		info.State = Hooking
	case e.running:
		info.State = Running
	case e.ready && !e.paused && e.line != &c.ready:
		info.State = Parked
	case e.ready:
		info.State = Ready
	case e.scheduled():
		info.State = Waiting
	}
	if e.runs > 0 {
		info.Started = now.Add(-time.Duration(c.since(now) - e.started))
	}
	if x := e.extra; x != nil {
		info.Late, info.Took = x.late, x.took
		info.Failures, info.Err, info.Skipped = x.failures, x.err, x.skipped
	}
	return info
}
