package smartpoll

import "time"

const (
	// wallCheck is how often the wall clock is looked at, while anything depends
	// on it. That bounds how late a task is after a suspend, during which the
	// monotonic clock of Linux stands still.
	wallCheck = 30 * time.Second
	// wallJump is how far the wall clock must have moved to matter.
	wallJump = 50 * time.Millisecond
)

// isWall reports whether t is a time of the wall clock: it has no monotonic reading.
func isWall(t time.Time) bool { return t == t.Round(0) }

// wallTime returns the time of the wall clock at now.
func (c *control) wallTime(now time.Time) time.Time {
	if c.now != nil {
		now = c.now(now)
	}
	return now.Round(0)
}

// skewAt returns how far the wall clock is ahead of the monotonic one.
func (c *control) skewAt(now time.Time) int64 { return c.wallTime(now).UnixNano() - c.since(now) }

// setAt makes e due at t. The caller holds mu.
func (c *control) setAt(e *entry, now, t time.Time) {
	if !isWall(t) {
		c.set(e, now, t, t.Sub(now))
		return
	}
	c.set(e, now, t, t.Sub(c.wallTime(now)))
	if e.pos != 0 && e.queue == nil && !e.ready {
		e.wall = true
		if c.walls++; c.walls == 1 {
			c.skew = c.skewAt(now)
		}
	}
}

// early returns how long e, which is due by the monotonic clock, has to wait until it is due by the wall clock, if it
// follows that one: the wall clock may have been slewed since e was scheduled, by too little for followWall to act on.
func (c *control) early(e *entry, now time.Time) time.Duration {
	if !e.wall {
		return 0
	}
	return e.next.Sub(c.wallTime(now))
}

// untime takes e out of control.timed. The caller holds mu.
func (c *control) untime(e *entry) {
	c.timed.remove(e)
	if e.wall {
		e.wall = false
		c.walls--
	}
}

// followWall moves the entries that follow the wall clock, if that clock has been set. The caller holds mu.
func (c *control) followWall(now time.Time) {
	skew := c.skewAt(now)
	jump := time.Duration(skew - c.skew)
	if jump.Abs() <= wallJump {
		return
	}
	c.skew = skew
	wall, since := c.wallTime(now), c.since(now)
	var anew []*entry
	for i := range c.timed {
		n := &c.timed[i]
		if !n.e.wall {
			continue
		}
		n.e.at = saturate(since, max(n.e.next.Sub(wall), -1<<60))
		n.at = n.e.at
		if jump < -backwards && n.e.planned() && n.e.next == n.e.extra.due {
			anew = append(anew, n.e)
		}
	}
	c.timed.build()
	for _, e := range anew { // otherwise a clock that was years ahead would delay them for years
		c.unset(e)
		e.extra.due = time.Time{}
		c.plans.push(e)
	}
}
