package smartpoll

import (
	"slices"
	"time"
)

// Pause is a pause of a task, of a [Group] or of all tasks, as [TaskInfo] tells it.
type Pause struct {
	// Reason is the one that the pause was given.
	Reason string
	// Group is the group that is paused, nil for a pause of the task itself or of all tasks.
	Group *Group
	// All reports whether all tasks are paused, by PauseAll.
	All bool
}

// reasons are those of the pauses of a task, of a group or of all tasks, in the order in which they began.
type reasons []string

// add adds reason, unless it is there already, and reports whether it is the first one.
func (r *reasons) add(reason string) bool {
	if slices.Contains(*r, reason) {
		return false
	}
	*r = append(*r, reason)
	return len(*r) == 1
}

// remove removes reason, if it is there, and reports whether it was the last one.
func (r *reasons) remove(reason string) bool {
	i := slices.Index(*r, reason)
	if i < 0 {
		return false
	}
	if len(*r) == 1 {
		*r = nil
		return true
	}
	*r = slices.Delete(*r, i, i+1)
	return false
}

// pause is that of a group, or of all tasks. Tasks that become due meanwhile wait in held, where they are in nobody's
// way: they are in the queue of no group, and no group keeps a slot for them. The others cost nothing.
type pause struct {
	reasons reasons
	held    queue // tasks that are due
	lifted  int64 // when it last ended, see control.since
}

func (p *pause) on() bool { return len(p.reasons) > 0 }

// paused reports whether the task itself is paused. The caller holds mu.
func (e *entry) paused() bool { return e.extra != nil && len(e.extra.reasons) > 0 }

// pauseOf returns a pause of all tasks or of a group that holds e, or nil. The caller holds mu.
func (c *control) pauseOf(e *entry) *pause {
	if c.pause.on() {
		return &c.pause
	}
	for _, g := range e.groups() {
		if g.pause.on() {
			return &g.pause
		}
	}
	return nil
}

// isPaused reports whether there is any pause of e, its own or another one. The caller holds mu.
func (c *control) isPaused(e *entry) bool { return e.paused() || c.pauseOf(e) != nil }

// hold makes the tasks in q that are paused now wait for the end of their pauses. The caller holds mu.
func (c *control) hold(q *queue) {
	var held []*entry
	q.each(func(e *entry) {
		if (e.extra == nil || e.extra.admitted == nil) && c.pauseOf(e) != nil {
			held = append(held, e)
		}
	})
	for _, e := range held {
		c.dequeue(e)
		c.pauseOf(e).held.push(e)
	}
}

// lift lets tasks start that have become due during a pause, unless they are paused otherwise. The caller holds mu.
func (c *control) lift(p *pause) {
	now := time.Now()
	p.lifted = c.since(now)
	for !p.held.empty() {
		c.resume(p.held.pop(), now)
	}
}

// lastLifted returns when the last of the pauses of all tasks and of the groups of e ended. The caller holds mu.
func (c *control) lastLifted(e *entry) int64 {
	at := c.pause.lifted
	for _, g := range e.groups() {
		at = max(at, g.pause.lifted)
	}
	return at
}

// resume continues with e, which is in no queue, after a pause of it has ended. The caller holds mu.
func (c *control) resume(e *entry, now time.Time) {
	if !e.ready || c.isPaused(e) || !c.overdue(e, now) {
		c.enqueueReady(e)
	}
}

// orEmpty returns the reasons of a call: the empty one if none is given.
func orEmpty(given []string) []string {
	if len(given) == 0 {
		return []string{""}
	}
	return given
}

// Pause keeps the task with the key from being started until Resume is called with the same reason, even in a later
// Run. Its schedule is kept, and when it becomes due it stays ready. A run in progress is not affected.
//
// Pauses for different reasons do not lift each other: the task starts again when none is left. A call without a reason
// has the empty one, and a call with several begins a pause for each. A pause for a reason that the task is paused for
// already changes nothing. The pauses of PauseAll and [Group.Pause] are separate: Resume does not lift them, even for
// the same reason.
//
// Pause may be called from any goroutine, and panics if no task has the key.
func (c *control) Pause(key any, reason ...string) {
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil {
		return
	}
	first := false
	for _, r := range orEmpty(reason) {
		first = e.more().reasons.add(r) || first
	}
	if first && e.ready {
		c.dequeue(e)
		c.kick() // another task may start with what this one kept in a group
	}
}

// Resume lifts the pause of the task with the key that Pause has begun for the same reason; a call without a reason has
// the empty one. If no pause is left, and the task has become due meanwhile, it is started once, or according to its
// [Missed] policy. A reason that the task is not paused for changes nothing. Resume may be called from any goroutine,
// and panics if no task has the key.
func (c *control) Resume(key any, reason ...string) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil || e.extra == nil {
		return
	}
	last := false
	for _, r := range orEmpty(reason) {
		last = e.extra.reasons.remove(r) || last
	}
	if last {
		c.resume(e, now)
		c.kick()
	}
}

// PauseAll keeps all tasks from being started, also those that are added later, until ResumeAll is called with the same
// reason, even in a later Run. Otherwise it is like Pause: several reasons do not lift each other, nor the pauses of
// groups and of single tasks. Work that calls [Scheduler.Admit] goes on.
//
// A process that takes part in an election pauses all tasks before Run, and again whenever it has lost. PauseAll may be
// called from any goroutine. Its cost does not grow with the number of tasks that are not due.
func (c *control) PauseAll(reason string) {
	c.lock()
	defer c.mu.Unlock()
	if c.pause.reasons.add(reason) {
		c.hold(&c.ready)
		c.kick() // an admission may be possible with what a task kept in a group
	}
}

// ResumeAll lifts the pause that PauseAll has begun for the same reason. Tasks that have become due meanwhile, and are
// not paused otherwise, are started as after Resume. It may be called from any goroutine.
func (c *control) ResumeAll(reason string) {
	c.lock()
	defer c.mu.Unlock()
	if c.pause.reasons.remove(reason) {
		c.lift(&c.pause)
		c.kick()
	}
}

// Pause keeps the members of g from being started, also those that join later, until [Group.Resume] is called with the
// same reason, even in a later Run. [Scheduler.Admit] waits too. Members that run, and admissions that are not done, are
// not affected.
//
// Members that become due meanwhile stay ready, and do not occupy the other groups that they are in. Pauses for
// different reasons do not lift each other, nor those of single tasks and of all tasks. Pause may be called from any
// goroutine, also before g has members. Its cost does not grow with the number of members that are not due.
func (g *Group) Pause(reason string) {
	c := g.lock()
	defer g.unlock(c)
	if g.pause.reasons.add(reason) && c != nil {
		c.hold(&c.ready)
		c.hold(&g.queue)
		c.serve(g) // silences its bell
		c.kick()   // others may start with what members of g kept in other groups
	}
}

// Resume lifts the pause that [Group.Pause] has begun for the same reason. If none is left, members that have become due
// meanwhile are started as the limits of g allow, each once, or according to its [Missed] policy. Resume may be called
// from any goroutine.
func (g *Group) Resume(reason string) {
	c := g.lock()
	defer g.unlock(c)
	if g.pause.reasons.remove(reason) && c != nil {
		c.lift(&g.pause)
		c.serve(g) // admissions
		c.kick()
	}
}

// pauses returns what keeps e from being started. The caller holds mu.
func (c *control) pauses(e *entry) (all []Pause) {
	if x := e.extra; x != nil {
		for _, reason := range x.reasons {
			all = append(all, Pause{Reason: reason})
		}
	}
	for _, g := range e.groups() {
		for _, reason := range g.pause.reasons {
			all = append(all, Pause{Reason: reason, Group: g})
		}
	}
	for _, reason := range c.pause.reasons {
		all = append(all, Pause{Reason: reason, All: true})
	}
	return all
}
