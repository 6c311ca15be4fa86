package smartpoll

import "time"

// kick ensures that scheduled tasks will be started. The caller holds mu. While a hook runs there is nothing to do: the
// holder of the turn looks again.
func (c *control) kick() {
	if c.busy || c.stopped {
		return
	}
	if c.arm(); c.pending() {
		c.busy = true
		go c.work(nil)
	}
}

// arm sets the timer to the earliest entry, if that is earlier than the time it is set to, or notes that the entry is
// due already. A timer that fires too early costs one pass of the loop.
func (c *control) arm() {
	if c.due || len(c.timed) == 0 || c.timed[0].at >= c.armed && (c.capped || c.walls == 0) || !c.open() {
		return
	}
	now := int64(time.Since(c.base))
	d := time.Duration(saturate(c.timed[0].at, -time.Duration(now)))
	if d <= 0 {
		c.due = true
		return
	}
	if c.capped = c.walls > 0; c.capped {
		d = min(d, wallCheck)
	}
	c.armed = saturate(now, d)
	c.timer.Reset(d)
}

// fire is called by the timer. A call by the timer of an old Run may come late, and only makes the loop look at the
// heap.
func (c *control) fire() {
	c.mu.Lock()
	c.armed = never
	c.due = true
	take := !c.busy && c.open()
	if take {
		c.busy = true
	}
	c.mu.Unlock()
	if take {
		c.work(nil)
	}
}
