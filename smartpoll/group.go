package smartpoll

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// GroupConfig is what a [Group] admits. The zero value admits everything.
type GroupConfig struct {
	// Running is how many members may be running at once, from the start of a
	// task to the end of its hook. Zero means any number.
	Running int
	// Rate is how many members may start per second. Zero means any number, as
	// does [rate.Inf].
	Rate rate.Limit
	// Burst is how many may start at once before Rate holds them back. Zero
	// means 1.
	Burst int
	// Gap is how long after the end of a member's invocation, its hook included, no
	// member starts. Zero means no time. With Running 1 it lets an upstream that serves
	// one at a time recover.
	Gap time.Duration
}

// Group limits the tasks that are in it together, for example those that ask one
// upstream. It is made by [NewGroup], joined by the option [In], and belongs to
// the one [Scheduler] whose tasks joined it.
//
// A task that is due but not admitted waits in the group's queue, without a
// goroutine, in the order in which the members became due, see [HeadStart].
// Meanwhile it counts as ready: StopTimer returns true, Next does not change,
// and clearing its schedule also removes it from the queue.
//
// The first task in the queue takes a slot of Running, and a start of Rate, at
// the moment it starts. Nothing is reserved for those behind it: a task that
// leaves the queue leaves no gap, and a Run that ends leaves nothing for the
// next one to wait for. Starts that a blocking hook has held up are made
// together when it returns, as far as Burst allows.
//
// Work that is not a task can observe the limits by calling [Scheduler.Admit].
type Group struct {
	places  int           // 0: any number
	gap     time.Duration // no start for so long after ended
	limiter *rate.Limiter // nil: any rate; its lock is taken under control.mu
	number  int64         // of all groups, in the order in which they were made
	owner   atomic.Pointer[control]

	// The fields below are guarded by the owner's mu.

	ended   time.Time // when a member's invocation has ended last; zero without a gap
	running int       // members whose invocation is in progress, and admissions
	visits  int       // the latter alone
	kept    int       // places kept for members that are about to start, or wait for their next group
	turn    bool      // the next start of the limiter is kept for one of these
	line    line      // members that wait for a place or a start
	waiting int       // members that are due and have not started, in line or not
	bell    entry     // in control.timed while the first in line waits for a start, until that is there
}

// NewGroup returns a Group without members. It panics if a number in config is
// negative or Rate is not a number.
func NewGroup(config GroupConfig) *Group {
	switch {
	case config.Running < 0:
		panic(fmt.Sprintf(`smartpoll: NewGroup: Running is %d, use a positive number, or zero for no limit`, config.Running))
	case !(config.Rate >= 0):
		panic(fmt.Sprintf(`smartpoll: NewGroup: Rate is %v, use a positive number of starts per second, or zero for no limit`, config.Rate))
	case config.Gap < 0:
		panic(fmt.Sprintf(`smartpoll: NewGroup: Gap is %v, use a positive duration, or zero for none`, config.Gap))
	case config.Burst < 0:
		panic(fmt.Sprintf(`smartpoll: NewGroup: Burst is %d, use a positive number, or zero for 1`, config.Burst))
	}
	g := &Group{places: config.Running, gap: config.Gap, number: groupsMade.Add(1)}
	g.bell.extra = &extra{rings: g}
	if config.Rate > 0 && config.Rate != rate.Inf {
		g.limiter = rate.NewLimiter(config.Rate, max(config.Burst, 1))
	}
	return g
}

// String keeps package fmt from reading fields that are in use, as GoString
// does.
func (g *Group) String() string { return "smartpoll.Group" }

// GoString is String.
func (g *Group) GoString() string { return g.String() }

// groupsMade numbers groups.
var groupsMade atomic.Int64

// Delay returns how long a member that becomes due at the given time has to
// wait for a start, judging by Rate and the members that are due now; others
// may become due before it. It is zero if a start is available then, and
// without a Rate. A time in the past counts as now. Delay may be called from
// any goroutine.
func (g *Group) Delay(at time.Time) time.Duration {
	if g.limiter == nil {
		return 0
	}
	now := time.Now()
	ahead := 0
	if c := g.owner.Load(); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		ahead = g.waiting
	}
	return max(g.wait(now, ahead+1)-max(at.Sub(now), 0), 0)
}

// Delay returns how long after its time, which Next tells, the task has to wait for a
// start of its groups' Rates, as far as these and the tasks that are due now tell: if
// it is due itself, those that come before it, and else all of them, as for
// [Group.Delay]. A time that has passed counts as now. Delay is zero for a task that is
// not scheduled, and its cost grows with the number of those that are due.
//
// Delay panics if no task has the key. It may be called from any goroutine.
func (c *control) Delay(key any) (delay time.Duration) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil || !e.scheduled() || e.extra == nil || e.extra.member == nil {
		return 0
	}
	in := max(-c.lateness(e, now), 0)
	for _, g := range e.extra.member.groups {
		if g.limiter == nil {
			continue
		}
		ahead := g.waiting
		if e.extra.member.due {
			ahead = c.ahead(e, g)
		}
		delay = max(delay, g.wait(now, ahead+1)-in)
	}
	return delay
}

// ahead returns how many members of g start before e, which is due.
func (c *control) ahead(e *entry, g *Group) (n int) {
	m := e.extra.member
	if slices.Contains(m.groups[:m.kept], g) {
		return 0 // it keeps the next start for e
	}
	count := func(o *entry) {
		if o.extra != nil && o.extra.member != nil && slices.Contains(o.extra.member.groups, g) {
			n++
		}
	}
	e.line.before(e, count)
	if e.line != &g.line {
		g.line.before(e, count)
	}
	if e.line == &c.ready {
		return n // those for which a start is kept are in that line
	}
	return n + g.kept
}

// wait returns how long after now n starts will have been there.
func (g *Group) wait(now time.Time, n int) time.Duration {
	missing := float64(n) - g.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	seconds := missing / float64(g.limiter.Limit())
	// To the nanosecond, as far as floating point is good for, and never more than can be added to a time.
	return time.Duration(min(math.Round(seconds*float64(time.Second)), math.MaxInt64/2))
}

// In makes the task a member of g. A task may be in several groups: it starts
// when all of them admit it. It acquires them one after the other, and keeps
// what it has acquired while it waits for the next, so that others cannot
// overtake it forever: groups with Running first, then those with a Rate, the
// slowest first, and otherwise in the order in which they were made. While it
// waits for the last of them, it keeps a slot in each of the others, and tasks
// that wait for a start of their Rate wait behind it. [WithMaxRunning] comes
// last.
func In(g *Group) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if g == nil {
			return errors.New(`smartpoll: group must not be nil, use one made by NewGroup`)
		}
		x := e.more()
		if x.member == nil {
			x.member = new(membership)
		}
		if !slices.Contains(x.member.groups, g) {
			x.member.groups = append(x.member.groups, g)
			slices.SortFunc(x.member.groups, (*Group).compare)
		}
		return nil
	})
}

// compare is the order in which groups are asked. It is the same for all tasks, so
// they cannot wait for each other in a circle. Places come before rates, because they
// may be taken for as long as tasks run, and a start that is kept meanwhile keeps all
// who are in line for that rate waiting.
func (g *Group) compare(other *Group) int {
	key := func(g *Group) (class int, speed float64) {
		if g.places == 0 {
			class = 2
		}
		if g.limiter != nil {
			class, speed = class+1, float64(g.limiter.Limit())
		}
		return class, speed
	}
	class, speed := key(g)
	otherClass, otherSpeed := key(other)
	return cmp.Or(cmp.Compare(class, otherClass), cmp.Compare(speed, otherSpeed), cmp.Compare(g.number, other.number))
}

// membership is what an entry knows of its groups, guarded by control.mu.
type membership struct {
	groups []*Group // in the order in which they are asked
	kept   int      // so many of them, from the first, keep a place and the next start for the entry
	due    bool     // the entry is counted in the waiting of all of them
	at     int64    // the entry's when it left the last line; that of ready may have made it a later one
}

// errGroupInUse is what add returns for a task of which another scheduler owns a group.
var errGroupInUse = errors.New(`smartpoll: group in use`)

// inUse is what users get for it.
func inUse(key any) error {
	return fmt.Errorf(`smartpoll: the group of task %v is in use by another scheduler, make one with NewGroup for each`, key)
}

// claimGroups makes c the owner of the groups of e, and tells whether it could. If
// another scheduler owns one of them, those that were free are again.
func (c *control) claimGroups(e *entry) bool {
	if e.extra == nil || e.extra.member == nil {
		return true
	}
	var claimed []*Group
	for _, g := range e.extra.member.groups {
		switch {
		case g.owner.CompareAndSwap(nil, c):
			claimed = append(claimed, g)
		case g.owner.Load() != c:
			for _, g := range claimed {
				g.owner.Store(nil)
			}
			return false
		}
	}
	return true
}

// disownGroups lets another scheduler have the groups that c has claimed.
func (c *control) disownGroups() {
	for _, e := range c.tasks {
		if e.extra != nil && e.extra.member != nil {
			for _, g := range e.extra.member.groups {
				g.owner.CompareAndSwap(c, nil)
			}
		}
	}
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

// free tells whether g has a place, and its next start is kept for nobody.
func (g *Group) free() bool { return !g.turn && (g.places == 0 || g.running+g.kept < g.places) }

// keep has the next group keep what it has for the entry.
func (m *membership) keep() {
	g := m.groups[m.kept]
	m.kept++
	g.kept++
	g.turn = g.limiter != nil
}

// join admits e, taken from c.ready, if all of its groups do. If one does not, e waits
// in its line, and join returns false.
func (c *control) join(e *entry) bool {
	m := e.extra.member
	for m.kept < len(m.groups) {
		if g := m.groups[m.kept]; !g.line.empty() || !g.free() || c.missing(m) > 0 {
			g.line.push(e)
			c.serve(g) // it may be the first there
			return false
		}
		m.keep()
	}
	if m.resting() { // an invocation has ended while e waited for WithMaxRunning
		m.kept--
		g := m.groups[m.kept]
		g.kept--
		g.turn = false
		e.at = m.at
		g.line.putBack(e)
		c.serve(g)
		return false
	}
	for _, g := range m.groups {
		g.running++
		if g.limiter != nil {
			g.limiter.AllowN(time.Now(), 1)
		}
	}
	c.release(m)
	return true
}

// resting tells whether the gap of one of the groups is not over.
func (m *membership) resting() bool {
	for _, g := range m.groups {
		if g.gap > 0 && !g.ended.IsZero() && time.Since(g.ended) < g.gap {
			return true
		}
	}
	return false
}

// missing returns how long an entry that waits for the last one of its groups has to
// wait until all of them have a start and their gaps are over. For one that waits for
// another it is 0.
func (c *control) missing(m *membership) (wait time.Duration) {
	if m.kept < len(m.groups)-1 {
		return 0
	}
	now := time.Now()
	for _, g := range m.groups {
		if g.limiter != nil {
			wait = max(wait, g.wait(now, 1))
		}
		if g.gap > 0 && !g.ended.IsZero() {
			wait = max(wait, g.gap-now.Sub(g.ended))
		}
	}
	return wait
}

// serve has g keep what is free for the first in its line, which goes on from there.
func (c *control) serve(g *Group) {
	if g.bell.pos != 0 {
		c.timed.remove(&g.bell)
	}
	for !g.line.empty() && g.free() {
		e := g.line.first()
		if wait := c.missing(e.extra.member); wait > 0 {
			g.bell.at = saturate(c.since(time.Now()), wait)
			c.timed.push(&g.bell, g.bell.at)
			return
		}
		g.line.remove(e)
		if e.extra.admitted != nil {
			c.admitNow(e)
			continue
		}
		e.extra.member.keep()
		e.extra.member.at = e.at
		c.ready.push(e)
	}
}

// release ends the wait of an entry, which has started or has left the line, and has
// its groups keep nothing for it.
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
			g.turn = false
		}
	}
	for _, g := range m.groups[:min(kept+1, len(m.groups))] {
		c.serve(g) // the one after those that kept something is where it was in line
	}
}

// quit is called when an invocation has ended.
func (c *control) quit(m *membership) {
	for _, g := range m.groups {
		g.running--
		if g.gap > 0 {
			g.ended = time.Now()
		}
		c.serve(g)
	}
}
