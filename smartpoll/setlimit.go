package smartpoll

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// SetLimit replaces the limits of g, all of them, while it is in use: to change one, change that of [Group.Info]. The new
// ones apply at once to the members that wait, and to admissions. Those that run go on: if more of them run than the new
// Running allows, none starts until fewer do.
//
// Starts that were used up remain so: a Rate that was there before leaves to the new one what is left of its Burst, and
// a higher Burst fills up at the new Rate. Gap counts from ends after the change if there was none before.
//
// SetLimit panics, as [NewGroup] does, if a number in config is negative or Rate is not a number. It may be called from
// any goroutine, also within a hook and before g has members.
func (g *Group) SetLimit(config GroupConfig) {
	config.check("SetLimit")
	c := g.lock()
	defer g.unlock(c)
	g.limit(config)
	if c != nil {
		c.recall(g)
		c.kick()
	}
}

// limit sets the limits.
func (g *Group) limit(config GroupConfig) {
	g.limits = config
	burst := max(config.Burst, 1)
	switch {
	case !config.hasRate():
		g.limiter = nil
	case g.limiter == nil:
		g.limiter = rate.NewLimiter(config.Rate, burst)
	default:
		now := time.Now()
		g.limiter.SetBurstAt(now, burst)
		g.limiter.SetLimitAt(now, config.Rate)
	}
}

// recall makes the members for which g keeps a slot or a start, while they wait for another group or for
// [WithMaxRunning], wait for g again, as the first in its queue. Then g serves those that it can. The caller holds mu.
func (c *control) recall(g *Group) {
	var members []*entry
	if g.kept > 0 {
		for _, e := range c.tasks {
			if e.extra != nil && e.extra.member != nil && slices.Contains(e.extra.member.keeping(), g) {
				members = append(members, e)
			}
		}
	}
	affected := []*Group{g}
	for _, e := range members {
		m := e.extra.member
		inReady := e.queue == &c.ready
		e.queue.remove(e)
		if inReady {
			c.parked++
			e.at = m.at
		} else {
			affected = append(affected, m.groups[m.kept])
		}
		for slices.Contains(m.keeping(), g) {
			affected = append(affected, m.giveBack())
		}
	}
	slices.SortStableFunc(members, func(a, b *entry) int { return cmp.Compare(b.order(), a.order()) })
	for _, e := range members {
		g.queue.putBack(e)
	}
	for _, g := range affected {
		c.serve(g)
	}
}
