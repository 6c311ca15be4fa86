package natsstore

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// mirror is what this process knows of the stream: the entry of each topic and the lease of each process. It is fed by
// the messages that the server publishes again, by lists, and by the answers to this process's own requests, in any
// order; for each topic only the highest sequence counts. It tells the followers.
type mirror struct {
	log *slog.Logger

	mu sync.Mutex // guards the fields below, and is held while followers are called; before claim.mu

	epoch   time.Time         // when the stream was created; zero before it was seen
	through uint64            // every message up to this sequence was seen, or has been superseded
	synced  bool              // a first list is complete
	round   uint32            // of the list that is made or was made last
	resyncs uint64            // lists of everything that were made, but for the first
	unsure  bool              // a list of everything has been begun and is not complete
	failed  time.Time         // since when the stream has been shorter than through, zero if it is not
	unread  map[string]uint64 // by key: the sequences of messages that cannot be read

	cells     map[string]*cell // by key
	standing  int              // cells that are not gone
	gone      []string         // keys of cells that are gone, to be dropped once through has passed them
	leases    map[string]*lease
	session   *session // nil while there is no lease
	followers []*func(snapshot.Entry)
}

// cell is the entry of a topic as followers were told it.
type cell struct {
	entry snapshot.Entry
	rev   uint64
	lease *lease // under which it is written; nil unless stored as live
	round uint32
}

func newMirror(log *slog.Logger) *mirror {
	return &mirror{log: log, cells: make(map[string]*cell), leases: make(map[string]*lease)}
}

// live is called for a message that the server published again.
func (m *mirror) live(rev uint64, key string, r record) (gap bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cells[key]
	if m.through > 0 && rev <= m.through {
		return c != nil && rev > c.rev // impossible, unless the stream begins anew
	}
	if m.through > 0 {
		gap = rev > m.through+1
	}
	m.applyLocked(rev, key, r)
	if m.through > 0 && !gap {
		m.passLocked(rev)
	}
	return gap
}

// seen is called for a message that the server published again, if it is none of a topic.
func (m *mirror) seen(rev uint64) (gap bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.through == 0 || rev > m.through+1 {
		return m.through > 0
	}
	m.passLocked(rev)
	return false
}

// extent is how much a mirror has.
type extent struct {
	through  uint64
	standing int
}

func (m *mirror) extent() extent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return extent{m.through, m.standing}
}

// isOther reports whether a stream is another one than that of before.
func (m *mirror) isOther(created time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.epoch.IsZero() && !created.Equal(m.epoch)
}

// isNewsOf reports whether it is not known yet that a message cannot be read.
func (m *mirror) isNewsOf(key string, rev uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unread == nil {
		m.unread = map[string]uint64{}
	}
	known := m.unread[key] == rev
	m.unread[key] = rev
	return !known
}

// apply is called for an answer to this process.
func (m *mirror) apply(rev uint64, key string, r record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applyLocked(rev, key, r)
}

// listed is called for a message of a list.
func (m *mirror) listed(rev uint64, key string, r record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applyLocked(rev, key, r)
	if c := m.cells[key]; c != nil {
		c.round = m.round
	}
}

// passLocked raises through.
func (m *mirror) passLocked(rev uint64) {
	if rev <= m.through {
		return
	}
	m.through = rev
	for len(m.gone) > 0 {
		c := m.cells[m.gone[0]]
		if c != nil && c.entry.State == snapshot.Gone {
			if c.rev > rev {
				return
			}
			delete(m.cells, m.gone[0])
		}
		m.gone = m.gone[1:]
	}
	m.gone = nil
}

// applyLocked makes r the entry of a topic, if nothing newer is known, and tells the followers.
func (m *mirror) applyLocked(rev uint64, key string, r record) {
	c := m.cells[key]
	switch {
	case r.alien:
		return
	case c == nil && rev <= m.through:
		return // it was seen, and has gone since
	case c == nil:
		c = &cell{entry: snapshot.Entry{Topic: r.Topic, State: snapshot.Gone}}
		m.cells[key] = c
	case rev <= c.rev:
		return
	}
	c.rev, c.round = rev, m.round
	if r.State == snapshot.Live {
		if l := m.leaseLocked(r.owner); l != c.lease {
			m.bindLocked(c, l)
		}
		if c.lease.dead {
			r.State = snapshot.Orphan
		}
	} else {
		m.bindLocked(c, nil)
	}
	if s := m.session; s != nil {
		if own := s.claims[key]; own != nil && (own.run != r.Run || s.owner != r.owner) {
			delete(s.claims, key)
			own.lose()
		}
	}
	m.tellLocked(key, c, r)
}

// tellLocked makes r the entry of c and tells the followers.
func (m *mirror) tellLocked(key string, c *cell, r record) {
	old := c.entry
	stood := old.State != snapshot.Gone
	r.Topic = old.Topic
	vanished := r.State == 0
	if vanished {
		r.Entry = snapshot.Entry{Topic: old.Topic, Run: old.Run, N: old.N, State: snapshot.Gone}
	}
	if r.State != snapshot.Gone {
		if !stood {
			m.standing++
		} else if old.Run == r.Run && r.N < old.N && old.State != snapshot.Final {
			r.N, r.Data = old.N, old.Data // the stream has lost messages, which whoever adopts the run writes again
		}
		c.entry = r.Entry
		m.notifyLocked(r.Entry)
		return
	}
	if stood {
		m.standing--
	}
	data := r.Data
	r.Data = nil
	c.entry = r.Entry
	m.gone = append(m.gone, key)
	if !stood && (vanished || !m.synced || old.Run == r.Run) {
		return // nobody has been told of the run, or everybody that it is gone
	}
	if !vanished && (old.Run != r.Run || old.State != snapshot.Final) {
		end := r.Entry
		end.State, end.Data = snapshot.Final, data
		m.notifyLocked(end)
	}
	m.notifyLocked(r.Entry)
}

func (m *mirror) notifyLocked(e snapshot.Entry) {
	for _, fn := range m.followers {
		(*fn)(e)
	}
}

// begin compares the mirror, as it was before the stream was asked, with the stream. It returns from which sequence on
// that has to be listed: 0 if there is nothing new. all says that it is everything, and that what is not in the list has
// vanished. That is so if the stream has less than the mirror, or if the mirror may have missed that something expired,
// which whole says.
//
// A stream that ends before what the mirror had seen has lost its newest messages, or is an older copy of itself. But a
// new leader may need a moment for what the one before had published, and one that is cut off does not know that others
// go on: for so long patience waits.
func (m *mirror) begin(
	before extent, created time.Time, last, messages uint64, whole bool, patience time.Duration,
) (from uint64, all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last >= before.through {
		m.failed = time.Time{}
	} else if m.failed.IsZero() {
		m.failed = time.Now()
	}
	if !created.Equal(m.epoch) || !m.failed.IsZero() && time.Since(m.failed) >= patience {
		m.resetLocked(created)
	}
	if whole || m.unsure || m.through == 0 || messages < uint64(before.standing) {
		m.round++
		m.unsure = true
		return 1, true
	}
	if last <= m.through {
		return 0, false
	}
	return m.through + 1, false
}

// resetLocked forgets all sequences, which begin anew in another stream. The lease of this process was in the former.
func (m *mirror) resetLocked(created time.Time) {
	first := m.epoch.IsZero()
	m.epoch, m.through, m.failed = created, 0, time.Time{}
	if first {
		return
	}
	m.log.Warn("natsstore: the stream is another one, or has lost messages: what it lacks is gone", "created", created)
	for _, c := range m.cells {
		c.rev = 0
	}
	for _, l := range m.leases {
		l.rev, l.since = 0, time.Now()
	}
	m.endSessionLocked()
}

// source is where a mirror gets what it has not been told.
type source interface {
	// page asks any server for messages from a sequence on and passes them to listed. It returns the sequence of the last
	// one, 0 if that server has none.
	page(from uint64) (last uint64, err error)

	// next is page for one message of the leader, which does not lag behind.
	next(from uint64) (last uint64, err error)

	// ask asks the leader for the entries of some keys and passes them to listed.
	ask(keys []string) error
}

// list has the mirror know all messages from a sequence on, up to target, the last one of the stream; nothing if from is
// 0. first says that it was the first list.
func (m *mirror) list(src source, from, target uint64, all bool) (first bool, err error) {
	for covered := from - 1; from > 0 && covered < target; {
		last, err := src.page(covered + 1)
		if err == nil && last == 0 {
			last, err = src.next(covered + 1)
		}
		if err != nil {
			return false, err
		}
		if covered = last; last == 0 {
			covered = target
		}
		if through := m.pass(covered); through >= target && !all {
			break
		}
	}
	if all {
		// What is not in the list has vanished, or was replaced by a message after target.
		if unseen := m.unseen(); len(unseen) > 0 {
			if err := src.ask(unseen); err != nil {
				return false, err
			}
		}
	}
	return m.complete(all), nil
}

// unseen returns the keys of entries that were not in the list.
func (m *mirror) unseen() (keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, c := range m.cells {
		if c.round != m.round && c.entry.State != snapshot.Gone {
			keys = append(keys, key)
		}
	}
	return keys
}

// pass is called when all messages up to a sequence have been listed.
func (m *mirror) pass(rev uint64) (through uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passLocked(rev)
	return m.through
}

// complete is called at the end of a list. What was not in a list of everything has vanished.
func (m *mirror) complete(all bool) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all {
		m.unsure = false
		if m.synced {
			m.resyncs++
		}
		for key, c := range m.cells {
			if c.round == m.round || c.entry.State == snapshot.Gone {
				continue
			}
			m.bindLocked(c, nil)
			if s := m.session; s != nil && s.claims[key] != nil {
				s.claims[key].lose()
				delete(s.claims, key)
			}
			m.tellLocked(key, c, record{})
		}
		for owner, l := range m.leases {
			if l.round != m.round {
				l.rev = 0
				if l.entries == 0 && (m.session == nil || m.session.owner != owner) {
					delete(m.leases, owner)
				}
			}
		}
	}
	first = !m.synced
	m.synced = true
	return first
}

// get returns what is known of a topic.
func (m *mirror) get(key string) (rev uint64, e snapshot.Entry, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cells[key]
	if c == nil {
		return 0, snapshot.Entry{}, false
	}
	return c.rev, c.entry, true
}

// attach calls fn with all entries and makes it a follower, with no change in between.
func (m *mirror) attach(fn *func(snapshot.Entry), synced func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cells {
		if c.entry.State != snapshot.Gone {
			(*fn)(c.entry)
		}
	}
	if synced != nil {
		synced()
	}
	m.followers = append(m.followers, fn)
}

func (m *mirror) detach(fn *func(snapshot.Entry)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers = slices.DeleteFunc(m.followers, func(f *func(snapshot.Entry)) bool { return f == fn })
}
