// Package idempotency remembers the results of requests with an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header), so that a client may repeat a request whose answer was lost.
//
//	keys := idempotency.New[string](idempotency.Options[*Job]{Known: func(j *Job) bool { return !j.Forgotten() }})
//	job, first, err := keys.Do(ctx, idempotency.Key[string]{Caller: user, Scope: topic, Key: key}, idempotency.Of(body), start)
//
// Keys are kept in the process; who wants them to outlive it hands them back by [Keys.Restore]. A key finds its result for
// as long as that is known; a caller who sends many keys displaces their own keys before those of others.
package idempotency

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// ErrReused means that a key was used for a different request before. The answer should be 422.
var ErrReused = errors.New("idempotency: the key was used for another request")

const (
	defaultMax    = 10_000
	defaultMaxOwn = 1_000
)

// A Key is an Idempotency-Key in its context: the same text from another caller, or in another scope, is another key.
type Key[C comparable] struct {
	Caller     C
	Scope, Key string
}

// A Fingerprint identifies the content of a request.
type Fingerprint [sha256.Size]byte

// Of returns the fingerprint of a request with the given content.
func Of(content []byte) Fingerprint { return sha256.Sum256(content) }

// Options are the options of [New].
type Options[V any] struct {
	// Known reports whether the result of a key still exists; otherwise the key is forgotten. It is called within Do,
	// with the lock of the Keys held. Nil means that all results exist.
	Known func(V) bool

	// Max bounds the keys that are kept, and MaxOwn those of one caller. Zero or less means 10,000 and 1,000.
	Max, MaxOwn int
}

// Keys maps the keys of callers C to their results. [New] makes one. Its methods may be called from any goroutine.
type Keys[C comparable, V any] struct {
	opts Options[V]

	mu sync.Mutex // guards the fields below

	entries map[Key[C]]*entry[C, V]
	all     ages
	own     map[C]*ages // by caller; only callers with keys
}

// entry is the result of a key.
type entry[C comparable, V any] struct {
	key           Key[C]
	of            Fingerprint
	ofAny         bool          // whatever the request: of is not known
	ready         chan struct{} // closed when value is set, or the request has failed
	value         V             // not changed once done
	done          bool          // value is set; guarded by Keys.mu
	inAll, inOwns *list.Element
}

// ages holds keys, oldest first.
type ages struct {
	list.List
	since int // keys added since the last search for forgotten ones
}

// New returns Keys without any key.
func New[C comparable, V any](opts Options[V]) *Keys[C, V] {
	if opts.Max <= 0 {
		opts.Max = defaultMax
	}
	if opts.MaxOwn <= 0 {
		opts.MaxOwn = defaultMaxOwn
	}
	return &Keys[C, V]{opts: opts, entries: map[Key[C]]*entry[C, V]{}, own: map[C]*ages{}}
}

// Do returns the result of key. If there is none yet, Do calls start, returns its result with first true, and keeps the
// result unless start fails. Of any number of concurrent calls one calls start; the others wait for it, or until ctx
// ends. If the key was used with another fingerprint before, the error is [ErrReused], and the value is the result of
// the key, if that is known yet.
//
// No lock is held while start is called.
func (k *Keys[C, V]) Do(
	ctx context.Context, key Key[C], of Fingerprint, start func() (V, error),
) (value V, first bool, err error) {
	for {
		e, first := k.enter(key, of)
		if first {
			value, err = k.fill(e, start)
			return value, true, err
		}
		if e.of != of && !e.ofAny {
			return k.valueOf(e), false, ErrReused
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return value, false, context.Cause(ctx)
		}
		if e.done { // not changed any more
			return e.value, false, nil
		}
	}
}

// Len returns how many keys are kept.
func (k *Keys[C, V]) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.entries)
}

// enter returns the entry of key, and whether the caller has to fill it.
func (k *Keys[C, V]) enter(key Key[C], of Fingerprint) (e *entry[C, V], first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[key]; e != nil {
		if !k.isForgottenLocked(e) {
			return e, false
		}
		k.removeLocked(e)
	}
	for e := k.all.Front(); e != nil && k.isForgottenLocked(e.Value.(*entry[C, V])); e = k.all.Front() {
		k.removeLocked(e.Value.(*entry[C, V]))
	}
	return k.addLocked(key, of), true
}

// addLocked makes room for an entry, and adds it without a result.
func (k *Keys[C, V]) addLocked(key Key[C], of Fingerprint) *entry[C, V] {
	if own := k.own[key.Caller]; own != nil {
		k.makeRoomLocked(own, k.opts.MaxOwn)
	}
	k.makeRoomLocked(&k.all, k.opts.Max)
	own := k.own[key.Caller]
	if own == nil {
		own = &ages{}
		k.own[key.Caller] = own
	}
	e := &entry[C, V]{key: key, of: of, ready: make(chan struct{})}
	e.inAll, e.inOwns = k.all.PushBack(e), own.PushBack(e)
	k.entries[key] = e
	return e
}

// Restore adds a key with its result, as an earlier process had them. It is for keys that are kept elsewhere too, such as on
// disk: the oldest of them comes first, and all before the first Do. A key that is there already stays as it is.
func (k *Keys[C, V]) Restore(key Key[C], of Fingerprint, value V) { k.restore(key, of, false, value) }

// RestoreAny is Restore of a key of which is not known for what request it was used: it finds its result for each.
func (k *Keys[C, V]) RestoreAny(key Key[C], value V) { k.restore(key, Fingerprint{}, true, value) }

func (k *Keys[C, V]) restore(key Key[C], of Fingerprint, ofAny bool, value V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries[key] != nil {
		return
	}
	e := k.addLocked(key, of)
	e.ofAny = ofAny
	e.value, e.done = value, true
	close(e.ready)
}

// Drop forgets the keys of a scope that have a result, as when another process decides about them from now on.
func (k *Keys[C, V]) Drop(scope string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, e := range k.entries {
		if key.Scope == scope && e.done {
			k.removeLocked(e)
		}
	}
}

// fill calls start and sets the result of e, or removes e if start fails.
func (k *Keys[C, V]) fill(e *entry[C, V], start func() (V, error)) (value V, err error) {
	defer func() { // even when start panics, because other calls wait
		k.mu.Lock()
		if !e.done && k.entries[e.key] == e {
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
	e.value, e.done = value, true
	return value, nil
}

func (k *Keys[C, V]) valueOf(e *entry[C, V]) V {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.value
}

func (k *Keys[C, V]) isForgottenLocked(e *entry[C, V]) bool {
	return e.done && k.opts.Known != nil && !k.opts.Known(e.value)
}

// makeRoomLocked makes room for one more key, of at most most: it removes forgotten keys first, then the oldest. A
// search for forgotten keys looks at every key, so it is done only after a tenth of them are new.
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
		if e.done { // a request in progress must not be started twice
			k.removeLocked(e)
		}
	}
}

func (k *Keys[C, V]) removeLocked(e *entry[C, V]) {
	delete(k.entries, e.key)
	k.all.Remove(e.inAll)
	own := k.own[e.key.Caller]
	own.Remove(e.inOwns)
	if own.Len() == 0 {
		delete(k.own, e.key.Caller)
	}
}
