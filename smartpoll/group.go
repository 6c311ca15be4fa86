package smartpoll

import (
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
}

// Group limits the tasks that are in it together, for example those that ask one
// upstream. It is made by [NewGroup], joined by the option [In], and belongs to
// the one [Scheduler] whose tasks joined it.
//
// A task that is due but not admitted waits, without a goroutine, in the order in
// which the members became due. It counts as ready all the while: StopTimer
// returns true, Next stays, and clearing its schedule takes it out of the group's
// queue too.
//
// A task that waits under Rate has its start reserved. The start is given back if
// the schedule is cleared, as far as [rate.Reservation] allows, which is when no
// later one has been reserved; and it is lost if there is no place under Running
// when it comes. Starts that a blocking hook holds up are made together when it
// returns.
type Group struct {
	places  int           // 0: any number
	limiter *rate.Limiter // nil: any rate; its lock is taken under control.mu
	owner   atomic.Pointer[control]

	// The fields below are guarded by the owner's mu. A parked member means that
	// running + offered == places: no place is free that nobody is about to take.

	running int  // members whose invocation is in progress
	offered int  // members that were parked here and have a place kept
	parked  line // members that found no place
}

// NewGroup returns a Group without members. It panics if a number in config is
// negative or Rate is not a number.
func NewGroup(config GroupConfig) *Group {
	switch {
	case config.Running < 0:
		panic(fmt.Sprintf(`smartpoll: NewGroup: Running is %d, use a positive number, or zero for no limit`, config.Running))
	case !(config.Rate >= 0):
		panic(fmt.Sprintf(`smartpoll: NewGroup: Rate is %v, use a positive number of starts per second, or zero for no limit`, config.Rate))
	case config.Burst < 0:
		panic(fmt.Sprintf(`smartpoll: NewGroup: Burst is %d, use a positive number, or zero for 1`, config.Burst))
	}
	g := &Group{places: config.Running}
	if config.Rate > 0 && config.Rate != rate.Inf {
		g.limiter = rate.NewLimiter(config.Rate, max(config.Burst, 1))
	}
	return g
}

// Delay returns how long after the given time a member that becomes due then has to
// wait for a start, as far as Rate and the starts made and reserved until now tell:
// other members may become due before. It is zero if none is missing then, and without
// a Rate. A time that has passed counts as the latest at which a start was reserved. Delay
// may be called from any goroutine.
func (g *Group) Delay(at time.Time) time.Duration {
	if g.limiter == nil {
		return 0
	}
	missing := 1 - g.limiter.TokensAt(at)
	if missing <= 0 {
		return 0
	}
	seconds := missing / float64(g.limiter.Limit())
	return time.Duration(min(math.Ceil(seconds*float64(time.Second)), math.MaxInt64/2))
}

// In makes the task a member of g. A task may be in several groups: it starts
// when all of them admit it, and occupies none of them before. In several groups
// with a Rate it starts when the last of them lets it, and the others have
// counted the start from when they would have let it.
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
		}
		return nil
	})
}

// membership is what an entry knows of its groups, guarded by control.mu.
type membership struct {
	groups []*Group
	offer  *Group              // keeps a place for this entry, which was parked there
	starts []*rate.Reservation // starts reserved and not yet made; none or one per limiter
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

// join admits e, taken from c.ready, to all of its groups or to none. If one
// refuses, e waits there, and join returns false.
//
// Who waits for a place keeps no start, since starts that were saved up would
// exceed the rate when places get free. Who waits for a start keeps the place
// that was offered, since it might be taken each time that the start comes; that
// wait is bounded, so groups cannot wait for each other.
func (c *control) join(e *entry) bool {
	m := e.extra.member
	for _, g := range m.groups {
		if g != m.offer && g.places > 0 && g.running+g.offered >= g.places {
			c.withdraw(m)
			g.parked.push(e)
			return false
		}
	}
	if delay, now := m.reserve(); delay > 0 {
		e.at = saturate(c.since(now), delay)
		c.timed.push(e, e.at)
		return false
	}
	m.starts = m.starts[:0]
	for _, g := range m.groups {
		g.running++
	}
	if m.offer != nil {
		m.offer.offered--
		m.offer = nil
	}
	return true
}

// reserve takes a start from each group with a rate, unless they have been taken
// before, and returns how long the latest of them is ahead of now.
func (m *membership) reserve() (delay time.Duration, now time.Time) {
	if len(m.starts) > 0 {
		return 0, now // e has waited for them
	}
	for _, g := range m.groups {
		if g.limiter == nil {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		start := g.limiter.ReserveN(now, 1)
		m.starts = append(m.starts, start)
		delay = max(delay, start.DelayFrom(now))
	}
	return delay, now
}

// withdraw gives back what the groups keep for an entry.
func (c *control) withdraw(m *membership) {
	if g := m.offer; g != nil {
		m.offer = nil
		g.offered--
		c.offer(g)
	}
	for _, start := range m.starts {
		start.Cancel()
	}
	m.starts = m.starts[:0]
}

// quit is called when an invocation has ended.
func (c *control) quit(m *membership) {
	for _, g := range m.groups {
		g.running--
		c.offer(g)
	}
}

// offer keeps the free places of g for those that are parked, first come, first
// served. Without that a member that becomes due just now could overtake them
// for ever.
func (c *control) offer(g *Group) {
	for !g.parked.empty() && g.running+g.offered < g.places {
		e := g.parked.pop()
		e.extra.member.offer = g
		g.offered++
		c.ready.push(e)
	}
}
