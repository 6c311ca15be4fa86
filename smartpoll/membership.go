package smartpoll

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// membership is the state of an entry in its groups, guarded by control.mu.
type membership struct {
	groups []*Group // in the order in which they are acquired
	kept   int      // the first so many of groups keep a slot and the next start for the entry
	due    bool     // the entry is counted in the waiting field of all of them
	at     int64    // entry.at when it left the last queue; control.ready may have made that later
}

// errGroupInUse is the error of add for a task in a group that another scheduler owns.
var errGroupInUse = errors.New(`smartpoll: group in use`)

// inUse returns the error that users get for errGroupInUse.
func inUse(key any) error {
	return fmt.Errorf(
		`smartpoll: the group of task %v is in use by another scheduler, make one with NewGroup for each`,
		key,
	)
}

// claimAll claims the groups of all tasks. If another scheduler owns one of them, it claims none, and returns a task in
// that group.
func (c *control) claimAll() *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.tasks {
		if !c.claimGroups(e) {
			c.disownGroups()
			return e
		}
	}
	for _, e := range c.tasks {
		e.enrol(1)
	}
	return nil
}

// claimGroups makes c the owner of the groups of e, and reports whether it could. If another scheduler owns one of
// them, none is claimed. The caller holds mu.
func (c *control) claimGroups(e *entry) bool {
	if e.extra == nil || e.extra.member == nil {
		return true
	}
	var claimed []*Group
	for _, g := range e.extra.member.groups {
		switch {
		case g.owner.Load() == c:
		case g.claim(c):
			claimed = append(claimed, g)
		default:
			for _, g := range claimed {
				g.owner.Store(nil)
			}
			return false
		}
	}
	return true
}

// claim makes c the owner of g, unless it has one.
func (g *Group) claim(c *control) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.owner.CompareAndSwap(nil, c)
}

// lock locks what guards the fields of g, and returns its owner, or nil if it has none.
func (g *Group) lock() *control {
	for {
		c := g.owner.Load()
		if c == nil {
			g.mu.Lock()
		} else {
			c.mu.Lock()
		}
		if g.owner.Load() == c {
			return c
		}
		g.unlock(c) // claimed or given up meanwhile
	}
}

// unlock undoes lock, which has returned c.
func (g *Group) unlock(c *control) {
	if c == nil {
		g.mu.Unlock()
	} else {
		c.mu.Unlock()
	}
}

// disownGroups gives up the groups that c has claimed, so that another scheduler can have them. The caller holds mu.
func (c *control) disownGroups() {
	for _, e := range c.tasks {
		for _, g := range e.groups() {
			g.owner.CompareAndSwap(c, nil)
		}
	}
}

// groups returns the groups of e, nil if it is in none.
func (e *entry) groups() []*Group {
	if e.extra == nil || e.extra.member == nil {
		return nil
	}
	return e.extra.member.groups
}

// enrol adds n to the number of members of the groups of e.
func (e *entry) enrol(n int) {
	for _, g := range e.groups() {
		g.members += n
	}
}

// parked reports whether e is a task that waits in the queue of a group. The caller holds mu.
func (e *entry) parked() bool {
	return slices.ContainsFunc(e.groups(), func(g *Group) bool { return e.queue == &g.queue }) && e.extra.admitted == nil
}

// wait counts an entry that has become due.
func (m *membership) wait() {
	if !m.due {
		m.due = true
		for _, g := range m.groups {
			g.waiting++
		}
	}
}

// free reports whether g has a slot, its next start is not kept for an entry, and it is not paused.
func (g *Group) free() bool {
	return !g.startKept && !g.pause.on() && (g.limits.Running == 0 || g.running+g.kept < g.limits.Running)
}

// keep makes the next group keep a slot and its next start for the entry.
func (m *membership) keep() {
	g := m.groups[m.kept]
	m.kept++
	g.kept++
	g.startKept = g.limiter != nil
}

// keeping returns the groups that keep something for the entry.
func (m *membership) keeping() []*Group { return m.groups[:m.kept] }

// giveBack undoes the last keep, and returns its group.
func (m *membership) giveBack() *Group {
	m.kept--
	g := m.groups[m.kept]
	g.kept--
	g.startKept = false
	return g
}

// join admits e, taken from c.ready, if all of its groups do. If one does not, e waits in that group's queue, and join
// returns false.
func (c *control) join(e *entry) bool {
	m := e.extra.member
	for m.kept < len(m.groups) {
		if g := m.groups[m.kept]; !g.queue.empty() || !g.free() || c.missing(m) > 0 {
			c.park(e, g, (*queue).push)
			return false
		}
		m.keep()
	}
	if m.resting() { // an invocation has ended while e waited for WithMaxRunning
		g := m.giveBack()
		e.at = m.at
		c.park(e, g, (*queue).putBack)
		return false
	}
	for _, g := range m.groups {
		g.running++
		if g.limiter != nil {
			g.limiter.ReserveN(time.Now(), 1) // even if another one was reserved meanwhile
		}
	}
	c.release(m)
	return true
}

// resting reports whether the gap of one of the groups is not over yet.
func (m *membership) resting() bool {
	for _, g := range m.groups {
		if g.limits.Gap > 0 && !g.ended.IsZero() && time.Since(g.ended) < g.limits.Gap {
			return true
		}
	}
	return false
}

// missing returns how long an entry that waits for the last of its groups has to wait until all of them have a start
// and their gaps are over. For an entry that waits for an earlier group it is 0.
func (c *control) missing(m *membership) (wait time.Duration) {
	if m.kept < len(m.groups)-1 {
		return 0
	}
	now := time.Now()
	for _, g := range m.groups {
		if g.limiter != nil {
			wait = max(wait, g.wait(now, 1))
		}
		if g.limits.Gap > 0 && !g.ended.IsZero() {
			wait = max(wait, g.limits.Gap-now.Sub(g.ended))
		}
	}
	return wait
}

// serve makes g keep what is free since now for the first entry in its queue, which then proceeds to its next group.
func (c *control) serve(g *Group) {
	since := int64(0)
	if c.observer != nil && !g.queue.empty() {
		since = int64(time.Since(c.base))
	}
	c.serveSince(g, since)
}

// serveSince is serve for what is free since the given time.
func (c *control) serveSince(g *Group, since int64) {
	if g.bell.pos != 0 {
		c.timed.remove(&g.bell)
	}
	for !g.queue.empty() && g.free() {
		e := g.queue.first()
		if e.extra.admitted == nil && c.pauseOf(e) != nil {
			g.queue.remove(e)
			c.parked--
			c.ready.push(e) // admit makes it wait for the end of its pause; no slot is kept for it until then
			continue
		}
		if wait := c.missing(e.extra.member); wait > 0 {
			g.bell.at = saturate(c.since(time.Now()), wait)
			c.timed.push(&g.bell, g.bell.at)
			return
		}
		g.queue.remove(e)
		if e.extra.admitted != nil {
			c.admitNow(e)
			continue
		}
		c.parked--
		e.extra.member.keep()
		e.extra.member.at = e.at
		if c.observer != nil {
			e.noted().freed = since
		}
		c.ready.push(e)
	}
}

// release ends the wait of an entry that has started or has left the queue; its groups no longer keep anything for it.
func (c *control) release(m *membership) {
	if !m.due {
		return
	}
	m.due = false
	kept := m.kept
	m.kept = 0
	for i, g := range m.groups {
		g.waiting--
		if i < kept {
			g.kept--
			g.startKept = false
		}
	}
	for _, g := range m.groups[:min(kept+1, len(m.groups))] {
		c.serve(g) // the group after those that kept something is where the entry was in the queue
	}
}

// quit gives back the slots of a member whose invocation has ended.
func (c *control) quit(m *membership) {
	for _, g := range m.groups {
		g.running--
		if g.limits.Gap > 0 {
			g.ended = time.Now()
		}
		c.serve(g)
	}
}
