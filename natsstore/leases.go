package natsstore

import (
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// lease is that of a process.
type lease struct {
	rev     uint64        // 0 if the stream has none
	since   time.Time     // when rev was seen first
	lasts   time.Duration // as its process says
	dead    bool          // its entries are orphans, for good
	condemn bool          // it was of this process, and is over
	entries int           // live entries written under it
	round   uint32
}

// leaseLocked returns the lease of owner, of which the stream may have none.
func (m *mirror) leaseLocked(owner string) *lease {
	l := m.leases[owner]
	if l == nil {
		l = &lease{since: time.Now(), lasts: defaultLease}
		m.leases[owner] = l
	}
	return l
}

// bindLocked notes under which lease an entry is written.
func (m *mirror) bindLocked(c *cell, l *lease) {
	if c.lease != nil {
		c.lease.entries--
	}
	if c.lease = l; l != nil {
		l.entries++
	}
}

// applyLease is called for a message of a lease; body is nil if it has expired.
func (m *mirror) applyLease(rev uint64, owner string, body *leaseRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leaseLocked(owner)
	l.round = m.round
	if rev <= l.rev {
		return
	}
	l.rev, l.since = rev, time.Now()
	if body == nil {
		l.rev = 0
		return
	}
	if body.Lease > 0 {
		l.lasts = time.Duration(body.Lease) * time.Millisecond
	}
	if body.Dead && !l.dead {
		m.buryLocked(owner, l)
	}
}

// buryLocked makes orphans of the entries of a process that is dead.
func (m *mirror) buryLocked(owner string, l *lease) {
	l.dead = true
	if s := m.session; s != nil && s.owner == owner {
		m.endSessionLocked()
	}
	if l.entries == 0 {
		return
	}
	for _, c := range m.cells {
		if c.lease == l && c.entry.State == snapshot.Live {
			c.entry.State = snapshot.Orphan
			m.notifyLocked(c.entry)
		}
	}
}

// endSessionLocked has all claims of this process lost.
func (m *mirror) endSessionLocked() {
	s := m.session
	if s == nil {
		return
	}
	m.session = nil
	m.leaseLocked(s.owner).condemn = true
	s.timer.Stop()
	s.cancel()
	for _, c := range s.claims {
		c.lose()
	}
	clear(s.claims)
}

// suspects returns the leases that seem to be over, with their revisions.
func (m *mirror) suspects() map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found map[string]uint64
	now := time.Now()
	for owner, l := range m.leases {
		switch {
		case m.session != nil && m.session.owner == owner:
		case l.rev == 0 && l.entries == 0:
			delete(m.leases, owner)
		case !l.dead && (l.condemn || now.Sub(l.since) > l.lasts):
			if found == nil {
				found = make(map[string]uint64)
			}
			found[owner] = l.rev
		}
	}
	return found
}

func (m *mirror) isCondemned(owner string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases[owner]
	return l != nil && l.condemn
}

func (m *mirror) renew(se *session, rev uint64, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	se.rev, se.until = rev, until
	se.timer.Reset(time.Until(until))
}

// lapse ends a session whose time is over.
func (m *mirror) lapse(se *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == se && !time.Now().Before(se.until) {
		m.endSessionLocked()
	}
}

// current returns the session that is valid now, nil if there is none.
func (m *mirror) current() *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil || !time.Now().Before(m.session.until) {
		return nil
	}
	return m.session
}
