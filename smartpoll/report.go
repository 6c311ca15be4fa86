package smartpoll

import "time"

// report is an event for the [Observer] that happened while mu was held. The loop tells it between two hooks.
type report struct {
	e     *entry
	group *Group // e waits for it; nil: due times of e were skipped, see notes.untold
}

// skip counts n due times of e that lead to no run. The caller holds mu.
func (c *control) skip(e *entry, n uint64) {
	e.extra.skipped += n
	if n == 0 || c.observer == nil || c.observer.OnSkip == nil {
		return
	}
	noted := e.noted()
	if noted.untold == 0 { // so there is at most one report for each entry, however long a hook or the time between Runs is
		c.reports = append(c.reports, report{e: e})
	}
	noted.untold += n
}

// park puts e, whose turn it was, in the queue of g. The caller holds mu.
func (c *control) park(e *entry, g *Group, push func(*queue, *entry)) {
	push(&g.queue, e)
	c.parked++
	if c.observer != nil && c.observer.OnPark != nil {
		c.reports = append(c.reports, report{e: e, group: g})
	}
	c.serve(g) // e may be the first there
}

// tell calls the Observer for all reports. The caller has the turn and holds mu, which is unlocked meanwhile.
func (c *control) tell() {
	c.between = true
	reports := c.reports
	c.reports = nil
	for _, r := range reports {
		n := uint64(0)
		if r.group == nil {
			noted := r.e.noted()
			n, noted.untold = noted.untold, 0
		}
		c.yield()
		c.observe(r.e.key, func() {
			if r.group != nil {
				c.observer.OnPark(r.e.key, r.group)
			} else {
				c.observer.OnSkip(r.e.key, n)
			}
		})
		c.mu.Lock()
	}
	if c.reports == nil {
		clear(reports)
		c.reports = reports[:0]
	}
	c.between = false
}

// tellRetry tells the Observer that e is tried again. The caller has the turn, and does not hold mu.
func (c *control) tellRetry(e *entry, failures int, after time.Duration, err error) {
	if o := c.observer; o != nil && o.OnRetry != nil {
		c.observe(e.key, func() { o.OnRetry(e.key, failures, after, err) })
	}
}
