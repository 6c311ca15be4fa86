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

// GroupConfig holds the limits of a [Group]. The zero value admits everything.
type GroupConfig struct {
	// Running is how many members may be running at once, from the start of a
	// task to the end of its hook. Zero means any number.
	Running int
	// Rate is how many members may start per second. Zero means any number, as
	// does [rate.Inf].
	Rate rate.Limit
	// Burst is how many members may start at once before Rate holds them back. Zero means 1.
	Burst int
	// Gap is the time after the end of a member's invocation, its hook included, during which no member starts. Zero
	// means none. With Running 1 it lets an upstream that serves one request at a time recover.
	Gap time.Duration
}

// Group limits the tasks that are in it together, for example those that poll one upstream. It is made by [NewGroup],
// joined by the option [In], and belongs to the one [Scheduler] whose tasks joined it.
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
	gap     time.Duration // for so long after ended, no member starts
	limiter *rate.Limiter // nil: any rate; its lock is taken under control.mu
	number  int64         // counts groups in the order in which they were made
	owner   atomic.Pointer[control]

	// The fields below are guarded by the owner's mu.

	ended   time.Time // when a member's invocation last ended; zero without a gap
	running int       // members whose invocation is in progress, and admissions
	visits  int       // admissions alone
	kept    int       // slots kept for members that are about to start, or wait for their next group
	turn    bool      // the next start of the limiter is kept for one of those
	queue   queue     // members that wait for a slot or a start
	waiting int       // members that are due and have not started, whether they are in queue or not
	bell    entry     // in control.timed while the first member of queue waits for a start: due when that is available
}

// NewGroup returns a Group without members. It panics if a number in config is
// negative or Rate is not a number.
func NewGroup(config GroupConfig) *Group {
	switch {
	case config.Running < 0:
		panic(
			fmt.Sprintf(
				`smartpoll: NewGroup: Running is %d, use a positive number, or zero for no limit`,
				config.Running,
			),
		)
	case !(config.Rate >= 0):
		panic(
			fmt.Sprintf(
				`smartpoll: NewGroup: Rate is %v, use a positive number of starts per second, or zero for no limit`,
				config.Rate,
			),
		)
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

// String keeps package fmt from reading fields that are in use; so does GoString.
func (g *Group) String() string { return "smartpoll.Group" }

// GoString returns the same as String.
func (g *Group) GoString() string { return g.String() }

// groupsMade counts the groups that were made, and so numbers them.
var groupsMade atomic.Int64

// Delay returns how long a member that becomes due at the given time has to wait for a start, as far as Rate and the
// members that are due now tell; others may become due before it. It is zero if a start is available then, and if there
// is no Rate. A time in the past counts as now. Delay may be called from any goroutine.
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

// Delay returns how long after its time, see Next, the task has to wait for a start of its groups' Rates, as far as
// these and the tasks that are due now tell. For a task that is due itself, only the tasks before it count, and
// otherwise all of them, as for [Group.Delay]. A time that has passed counts as now. Delay is zero for a task that is
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
		return 0 // g keeps the next start for e
	}
	count := func(o *entry) {
		if o.extra != nil && o.extra.member != nil && slices.Contains(o.extra.member.groups, g) {
			n++
		}
	}
	e.queue.before(e, count)
	if e.queue != &g.queue {
		g.queue.before(e, count)
	}
	if e.queue == &c.ready {
		return n // entries for which a start is kept are in that queue
	}
	return n + g.kept
}

// wait returns how long after now n starts will have become available.
func (g *Group) wait(now time.Time, n int) time.Duration {
	missing := float64(n) - g.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	seconds := missing / float64(g.limiter.Limit())
	// Rounded to the nanosecond, as floating point is inexact, and never more than can be added to a time.
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

// compare defines the order in which tasks acquire groups. It is the same for all tasks, so they cannot deadlock. Slots
// come before rates, because they may be taken for as long as tasks run, and a start that is kept meanwhile holds up
// every other task that waits for that rate.
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

// claimGroups makes c the owner of the groups of e, and reports whether it could. If another scheduler owns one of
// them, none is claimed.
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

// disownGroups gives up the groups that c has claimed, so that another scheduler can have them.
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

// free reports whether g has a slot, and its next start is not kept for an entry.
func (g *Group) free() bool { return !g.turn && (g.places == 0 || g.running+g.kept < g.places) }

// keep makes the next group keep a slot and its next start for the entry.
func (m *membership) keep() {
	g := m.groups[m.kept]
	m.kept++
	g.kept++
	g.turn = g.limiter != nil
}

// join admits e, taken from c.ready, if all of its groups do. If one does not, e waits in that group's queue, and join
// returns false.
func (c *control) join(e *entry) bool {
	m := e.extra.member
	for m.kept < len(m.groups) {
		if g := m.groups[m.kept]; !g.queue.empty() || !g.free() || c.missing(m) > 0 {
			g.queue.push(e)
			c.serve(g) // e may be the first there
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
		g.queue.putBack(e)
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

// resting reports whether the gap of one of the groups is not over yet.
func (m *membership) resting() bool {
	for _, g := range m.groups {
		if g.gap > 0 && !g.ended.IsZero() && time.Since(g.ended) < g.gap {
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
		if g.gap > 0 && !g.ended.IsZero() {
			wait = max(wait, g.gap-now.Sub(g.ended))
		}
	}
	return wait
}

// serve makes g keep what is free for the first entry in its queue, which then proceeds to its next group.
func (c *control) serve(g *Group) {
	if g.bell.pos != 0 {
		c.timed.remove(&g.bell)
	}
	for !g.queue.empty() && g.free() {
		e := g.queue.first()
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
		e.extra.member.keep()
		e.extra.member.at = e.at
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
			g.turn = false
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
		if g.gap > 0 {
			g.ended = time.Now()
		}
		c.serve(g)
	}
}
