package smartpoll

import "time"

// Reserve takes a start of Rate for a member that is running and does once more what Rate limits, such as a poll that asks
// for a second page. It returns how long that has to wait, which is zero if a start is available, or if there is no Rate.
// The member keeps its slot of Running, and Gap does not count. It does not queue: members that are due start later by
// that. A start that is reserved counts even if it is not used.
//
// Reserve does not block, and may be called from any goroutine.
func (g *Group) Reserve() time.Duration {
	defer g.unlock(g.lock())
	if g.limiter == nil {
		return 0
	}
	now := time.Now()
	return g.limiter.ReserveN(now, 1).DelayFrom(now)
}
