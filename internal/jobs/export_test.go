package jobs

import (
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
)

// Keys are the Idempotency-Keys that a gateway remembers, all of a run in progress.
type Keys struct{ s *runs }

// MaxOwnKeys and MaxKeys are how many there may be of one caller, and in all.
const (
	MaxOwnKeys = maxOwnKeys
	MaxKeys    = maxKeys
)

func NewKeys() Keys {
	s := newRuns(nil)
	s.line = []*Run{{id: "r"}}
	return Keys{s}
}

// Remember notes a key of a caller.
func (k Keys) Remember(caller, key string, at time.Time) {
	k.s.rememberLocked(startKey{access.Identity{Subject: caller}, "j", key}, replay{run: "r", at: at})
}

// Has reports whether a key of a caller is known.
func (k Keys) Has(caller, key string) bool {
	_, ok := k.s.keys[startKey{access.Identity{Subject: caller}, "j", key}]
	return ok
}

// Count is how many keys there are, of how many callers.
func (k Keys) Count() (keys, callers int) { return len(k.s.keys), len(k.s.own) }

// Forgotten are the ids of runs that were forgotten.
type Forgotten struct{ s *records }

// MaxExpired is how many of them are remembered.
const MaxExpired = maxExpired

func NewForgotten() Forgotten {
	return Forgotten{&records{jobs: map[string]string{}, ended: map[string][]ending{}, expired: map[string]struct{}{}}}
}

// Expire has the store say that a run ended, and that it was forgotten.
func (e Forgotten) Expire(id string) {
	at := time.Unix(0, 0)
	e.s.apply(snapshot.Entry{Topic: runTopic(id), Run: id, State: snapshot.Final, Data: encoded(wire.Run{ID: id, Job: "j", FinishedAt: &at})})
	e.s.apply(snapshot.Entry{Topic: runTopic(id), Run: id, State: snapshot.Gone})
}

// Has reports whether a run is known to have expired.
func (e Forgotten) Has(id string) bool { return e.s.hasExpired(id) }

// Count is how many of them are remembered, in whatever way.
func (e Forgotten) Count() int {
	return max(len(e.s.expired), len(e.s.order), cap(e.s.order)/2, len(e.s.jobs), len(e.s.ended), len(e.s.live))
}
