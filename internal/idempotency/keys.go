// Package idempotency remembers what requests with an Idempotency-Key led to (draft-ietf-httpapi-idempotency-key-header),
// so that a client may repeat one whose answer was lost.
//
//	keys := idempotency.New[string](idempotency.Options[*Job]{Known: func(j *Job) bool { return !j.Forgotten() }})
//	job, first, err := keys.Do(ctx, idempotency.Key[string]{Caller: user, Scope: topic, Key: key}, idempotency.Of(body), start)
//
// Keys live in the process. What they led to is found for as long as it is known; a caller who sends many keys displaces
// keys of their own before those of others.
package idempotency

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// ErrReused says that a key came with another request than before. An answer of 422 is due.
var ErrReused = errors.New("idempotency: the key was used for another request")

const (
	defaultMax    = 10_000
	defaultMaxOwn = 1_000
)

// A Key is an Idempotency-Key where it counts: the same text of another caller, or in another scope, is another key.
type Key[C comparable] struct {
	Caller     C
	Scope, Key string
}

// A Fingerprint stands for the content of a request.
type Fingerprint [sha256.Size]byte

// Of returns the fingerprint of a request with that content.
func Of(content []byte) Fingerprint { return sha256.Sum256(content) }

// Options are the options of [New].
type Options[V any] struct {
	// Known reports whether what a key led to can still be asked for. The key of what is not known is forgotten. It is
	// called within Do, with the lock of the Keys held. Nil means that everything is known.
	Known func(V) bool

	// Max bounds the keys that are remembered, and MaxOwn those of one caller. Zero or less means 10,000 and 1,000.
	Max, MaxOwn int
}

// Keys remembers what keys of callers C led to. [New] makes one. Its methods may be called from any goroutine.
type Keys[C comparable, V any] struct {
	opts Options[V]

	mu sync.Mutex // guards the fields below

	known map[Key[C]]*entry[C, V]
	all   ages
	own   map[C]*ages // by caller; those without keys are not in it
}

// entry is what a key led to.
type entry[C comparable, V any] struct {
	key           Key[C]
	of            Fingerprint
	ready         chan struct{} // closed when value is there, or nothing came of the request
	value         V             // not changed once settled
	settled       bool          // value is there: guarded by Keys.mu
	inAll, inOwns *list.Element
}

// ages are keys, oldest first.
type ages struct {
	list.List
	since int // keys that came since it was last searched for forgotten ones
}

// New returns Keys that remember nothing yet.
func New[C comparable, V any](opts Options[V]) *Keys[C, V] {
	if opts.Max <= 0 {
		opts.Max = defaultMax
	}
	if opts.MaxOwn <= 0 {
		opts.MaxOwn = defaultMaxOwn
	}
	return &Keys[C, V]{opts: opts, known: map[Key[C]]*entry[C, V]{}, own: map[C]*ages{}}
}

// Do returns what key led to. If it led to nothing yet, that is what start returns, first is true, and it is remembered
// unless start fails. Of any number of calls at once one calls start; the others wait for it, or until ctx ends. If the key
// came with another fingerprint before, the error is [ErrReused], and the value what the key led to, if that is known yet.
//
// start is called without a lock held.
func (k *Keys[C, V]) Do(
	ctx context.Context, key Key[C], of Fingerprint, start func() (V, error),
) (value V, first bool, err error) {
	for {
		e, first := k.enter(key, of)
		if first {
			value, err = k.fill(e, start)
			return value, true, err
		}
		if e.of != of {
			return k.valueOf(e), false, ErrReused
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return value, false, context.Cause(ctx)
		}
		if e.settled { // not changed any more
			return e.value, false, nil
		}
	}
}

// Len returns how many keys are remembered.
func (k *Keys[C, V]) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.known)
}

// enter returns the entry of key, and whether the caller has to fill it.
func (k *Keys[C, V]) enter(key Key[C], of Fingerprint) (e *entry[C, V], first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.known[key]; e != nil {
		if !k.isForgottenLocked(e) {
			return e, false
		}
		k.removeLocked(e)
	}
	for e := k.all.Front(); e != nil && k.isForgottenLocked(e.Value.(*entry[C, V])); e = k.all.Front() {
		k.removeLocked(e.Value.(*entry[C, V]))
	}
	if own := k.own[key.Caller]; own != nil {
		k.makeRoomLocked(own, k.opts.MaxOwn)
	}
	k.makeRoomLocked(&k.all, k.opts.Max)
	own := k.own[key.Caller]
	if own == nil {
		own = &ages{}
		k.own[key.Caller] = own
	}
	e = &entry[C, V]{key: key, of: of, ready: make(chan struct{})}
	e.inAll, e.inOwns = k.all.PushBack(e), own.PushBack(e)
	k.known[key] = e
	return e, true
}

// fill starts what e is for, or takes e out again.
func (k *Keys[C, V]) fill(e *entry[C, V], start func() (V, error)) (value V, err error) {
	defer func() { // also when start panics: others wait
		k.mu.Lock()
		if !e.settled && k.known[e.key] == e {
			k.removeLocked(e)
		}
		k.mu.Unlock()
		close(e.ready)
	}()
	if value, err = start(); err != nil {
		return value, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.value, e.settled = value, true
	return value, nil
}

func (k *Keys[C, V]) valueOf(e *entry[C, V]) V {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.value
}

func (k *Keys[C, V]) isForgottenLocked(e *entry[C, V]) bool {
	return e.settled && k.opts.Known != nil && !k.opts.Known(e.value)
}

// makeRoomLocked makes room for one more of at most most keys: forgotten ones go first, then the oldest. To search for
// forgotten ones takes time for each key, so that is done once for every tenth of them.
func (k *Keys[C, V]) makeRoomLocked(keys *ages, most int) {
	keys.since++
	if keys.Len() < most {
		return
	}
	if keys.since > most/10 {
		keys.since = 0
		for at := keys.Front(); at != nil; {
			e := at.Value.(*entry[C, V])
			at = at.Next()
			if k.isForgottenLocked(e) {
				k.removeLocked(e)
			}
		}
	}
	for at := keys.Front(); at != nil && keys.Len() >= most; {
		e := at.Value.(*entry[C, V])
		at = at.Next()
		if e.settled { // what is just being started must not be started twice
			k.removeLocked(e)
		}
	}
}

func (k *Keys[C, V]) removeLocked(e *entry[C, V]) {
	delete(k.known, e.key)
	k.all.Remove(e.inAll)
	own := k.own[e.key.Caller]
	own.Remove(e.inOwns)
	if own.Len() == 0 {
		delete(k.own, e.key.Caller)
	}
}
