package smartpoll

import "slices"

// Counts tells how many tasks a [Scheduler] has, and how many of them are due or running, at one moment. For what these
// words mean see [State].
type Counts struct {
	// Tasks is how many tasks there are. Removed ones do not count.
	Tasks int
	// Running is how many tasks are running, from the start of the task to the end of its hook, those that were removed
	// or cancelled meanwhile included. It is what [WithMaxRunning] limits.
	Running int
	// Ready is how many tasks are due and are about to start, or held up by WithMaxRunning.
	Ready int
	// Parked is how many tasks are due and wait for a [Group]. One that waited already when PauseAll or the Pause of
	// another group was called counts until its turn comes. Other tasks that are due and paused do not count anywhere.
	Parked int
}

// Counts returns how many tasks there are and what they do. Its cost does not depend on their number. It may be called
// from any goroutine, even while a hook or a task does not return.
func (c *control) Counts() Counts {
	c.lock()
	defer c.mu.Unlock()
	return Counts{Tasks: c.present, Running: c.inflight, Ready: c.ready.n, Parked: c.parked}
}

// GroupInfo describes a [Group] at one moment.
type GroupInfo struct {
	// Limit has the limits in effect: those of [NewGroup], or of the last call of SetLimit.
	Limit GroupConfig
	// Members is how many tasks are in the group. Removed ones do not count.
	Members int
	// Running is how many members are running, from the start of the task to the end of its hook, and admissions of
	// [Scheduler.Admit] that are not done. It may be more than Limit allows after a call of SetLimit.
	Running int
	// Admissions is how many of Running are admissions.
	Admissions int
	// Waiting is how many members are due and have not started, whatever they wait for, and calls of Admit that have
	// not returned. Members that run do not count, nor do those that are paused, except for one that waited for a group
	// already when PauseAll or the Pause of another group was called: it counts until its turn comes.
	Waiting int
	// Pauses are the reasons for which [Group.Pause] keeps members from starting, in the order in which they began.
	Pauses []string
}

// Info describes g. Its cost does not depend on the number of members. It may be called from any goroutine, even while a
// hook or a task does not return.
func (g *Group) Info() GroupInfo {
	defer g.unlock(g.lock())
	return GroupInfo{
		Limit: g.limits, Members: g.members, Running: g.running, Admissions: g.visits, Waiting: g.waiting,
		Pauses: slices.Clone(g.pause.reasons),
	}
}
