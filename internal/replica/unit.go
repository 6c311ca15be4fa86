package replica

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// onPrefix begins the names of units that only replicas of one name should do.
const onPrefix = "on/"

// UnitOn names a unit that only replicas of that name should do. While there is none, another one has it, so that somebody
// says so.
func UnitOn(name, unit string) string { return onPrefix + name + "/" + unit }

// Away returns why no replica of that name does its units, nil if one does, or will in a moment.
func (r *Replica) Away(name string) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.self.Name == name && r.isMemberLocked() {
		return nil
	}
	err := fmt.Errorf("replica %s is away", name)
	for _, m := range r.members {
		switch {
		case m.Name != name:
		case m.Agrees(&r.self):
			return nil
		default:
			err = fmt.Errorf("replica %s has another configuration", name)
		}
	}
	return err
}

// Mine reports whether a unit should be done by this process.
func (r *Replica) Mine(unit string) bool { return r == nil || r.Owner(unit) == r.id }

// Owner returns the ID of the replica that should do a unit, empty if there is none with the configuration of this one. Of a
// unit of [UnitOn] it is one of that name, if there is one.
func (r *Replica) Owner(unit string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ""
	if on, ok := strings.CutPrefix(unit, onPrefix); ok {
		name, _, _ = strings.Cut(on, "/")
	}
	best, most, bestIs := "", uint64(0), false
	consider := func(m *Member) {
		h, is := weight(unit, m.ID), name != "" && m.Name == name
		if best == "" || is && !bestIs || is == bestIs && (h > most || h == most && m.ID > best) {
			best, most, bestIs = m.ID, h, is
		}
	}
	for _, m := range r.members {
		if m.Agrees(&r.self) {
			consider(&m)
		}
	}
	if r.isMemberLocked() {
		consider(&r.self)
	}
	return best
}

// Agree reports whether all replicas have the configuration of this one, which is one of them.
func (r *Replica) Agree() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if !m.Agrees(&r.self) {
			return false
		}
	}
	return r.isMemberLocked()
}

// Keeper returns the ID of the replica of that name if it has another configuration than this one, and so keeps what it
// does; empty: there is none.
func (r *Replica) Keeper(name string) string {
	if r == nil || name == "" {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.Name == name && !m.Agrees(&r.self) {
			return m.ID
		}
	}
	return ""
}

func (r *Replica) isMemberLocked() bool {
	return r.claim != nil && r.entered && !r.leaving && r.refusedLocked() == nil
}

// LostFor returns how long ago the store has taken the claims of this process away, if they have not come back yet.
func (r *Replica) LostFor() (ago time.Duration, isLost bool) {
	if r == nil {
		return 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.lost), !r.lost.IsZero() && !r.isMemberLocked()
}

// IsMember reports whether this process is one of the replicas now. It is not while the store has taken its claims away.
func (r *Replica) IsMember() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isMemberLocked()
}

// weight is the hash of a unit with a replica.
func weight(unit, id string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(unit))
	_, _ = sum.Write([]byte{0})
	_, _ = sum.Write([]byte(id))
	h := sum.Sum64() // whose bits are not independent of the last bytes: the finalizer of MurmurHash3 mixes them
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
