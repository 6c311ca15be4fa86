package progress

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// maxKeys bounds how many idempotency keys a Handler remembers.
const maxKeys = 10_000

// errKeyReused says that a key came with another body than before.
var errKeyReused = errors.New("this Idempotency-Key was used with another body: a new request needs a new key")

// keys remembers which run each Idempotency-Key led to (draft-ietf-httpapi-idempotency-key-header), until the run has been over for
// the retention, or more than maxKeys are remembered.
type keys struct {
	retention time.Duration

	mu sync.Mutex // guards the fields below

	known  map[keyOf]*keyed
	pruned time.Time
}

type keyOf struct{ topic, key string }

// keyed is what a key led to.
type keyed struct {
	body  [sha256.Size]byte
	ready chan struct{} // closed when job is there, or nothing was started
	job   *Job          // nil until ready; guarded by keys.mu until then
	ended time.Time     // when the run was first seen to be over; guarded by keys.mu
}

// start returns the job that key led to on topic, and waits for it if it is just being started. If there is none yet, it is start's, which
// is called by one of any number of callers at once.
func (k *keys) start(ctx context.Context, key keyOf, body []byte, start func() (*Job, bool, error)) (job *Job, isNew bool, err error) {
	sum := sha256.Sum256(body)
	for {
		e, first := k.enter(key, sum)
		if first {
			if job, isNew, err = k.fill(key, e, start); err == nil {
				k.noteEnds(e)
			}
			return job, isNew, err
		}
		if e.body != sum {
			return nil, false, errKeyReused
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
		if e.job != nil {
			return e.job, false, nil
		}
	}
}

// enter returns the entry of key, and whether the caller has to fill it.
func (k *keys) enter(key keyOf, sum [sha256.Size]byte) (e *keyed, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if e := k.known[key]; e != nil && !k.expiredLocked(e, now) {
		return e, false
	}
	k.pruneLocked(now)
	e = &keyed{body: sum, ready: make(chan struct{})}
	k.known[key] = e
	return e, true
}

// fill starts a job for e, or takes e out again.
func (k *keys) fill(key keyOf, e *keyed, start func() (*Job, bool, error)) (job *Job, isNew bool, err error) {
	defer func() { // also when start panics: others wait
		k.mu.Lock()
		if e.job = job; job == nil {
			delete(k.known, key)
		}
		k.mu.Unlock()
		close(e.ready)
	}()
	if job, isNew, err = start(); err != nil {
		return nil, false, err
	}
	return job, isNew, nil
}

// noteEnds takes note of the end of e's run when it comes.
func (k *keys) noteEnds(e *keyed) {
	context.AfterFunc(e.job.Context(), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		e.noteEnd(time.Now())
	})
}

// expiredLocked reports whether e's run has been over for the retention.
func (k *keys) expiredLocked(e *keyed, now time.Time) bool {
	e.noteEnd(now)
	return !e.ended.IsZero() && now.Sub(e.ended) > k.retention
}

// noteEnd takes note of the run's end. The end of its context may be no more than a wish.
func (e *keyed) noteEnd(now time.Time) {
	if e.ended.IsZero() && e.job != nil && e.job.over.Load() {
		e.ended = now
	}
}

// pruneLocked makes room for one more key.
func (k *keys) pruneLocked(now time.Time) {
	full := len(k.known) >= maxKeys
	if !full && now.Sub(k.pruned) < k.retention {
		return
	}
	k.pruned = now
	for key, e := range k.known {
		if k.expiredLocked(e, now) {
			delete(k.known, key)
		}
	}
	for key, e := range k.known {
		if len(k.known) < maxKeys {
			break
		}
		if e.job != nil {
			delete(k.known, key)
		}
	}
}
