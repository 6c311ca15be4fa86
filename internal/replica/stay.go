package replica

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// again is the pause after the store has failed.
const again = time.Second

func (r *Replica) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// stay keeps this process among the replicas until ctx ends.
func (r *Replica) stay(ctx context.Context) {
	var refused error
	twin, told := "", (<-chan time.Time)(nil)
	for {
		before := refused
		if refused = r.Refused(); refused != nil && before == nil {
			r.deps.Log.Error("this replica takes no part", "err", refused)
		}
		r.mu.Lock()
		untold := r.unread.take()
		r.mu.Unlock()
		sayUnread(r.deps.Log, prefix, untold)
		err := r.enter(ctx, refused == nil)
		if err == nil {
			held, done := r.untilLost(ctx)
			err = errors.Join(r.bury(held), r.agree(held))
			done()
		}
		var pause <-chan time.Time
		if err != nil && ctx.Err() == nil {
			r.deps.Log.Warn("this replica does not reach the others", "again", again, "err", err)
			pause = time.After(again)
		}
		r.mu.Lock()
		var lost <-chan struct{}
		if r.claim != nil {
			lost = r.claim.Lost()
		}
		if twin != r.twin {
			if twin, told = r.twin, nil; twin != "" {
				told = time.After(twinAfter)
			}
		}
		r.mu.Unlock()
		select {
		case <-lost:
			r.mu.Lock()
			r.claim, r.entered, r.lost = nil, false, time.Now()
			r.addNewsLocked(r.self, Away)
			r.mu.Unlock()
			r.deps.Log.Warn("this replica was out of reach for too long: the others do its work")
			r.tell()
		case <-told:
			told = nil
			r.deps.Log.Error("another replica has the same name: give each its own by store.nats.name", "name", r.deps.Name, "other", twin)
		case <-r.wake:
		case <-pause:
		case <-ctx.Done():
			return
		}
	}
}

// untilLost returns a context that ends with ctx, with done, and when the entry of this process is lost: what waits for a
// store that is out of reach must not keep that from being noticed.
func (r *Replica) untilLost(ctx context.Context) (_ context.Context, done func()) {
	r.mu.Lock()
	claim := r.claim
	r.mu.Unlock()
	if claim == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-claim.Lost():
			cancel(snapshot.ErrLost)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		waiting.Wait()
	}
}

func (r *Replica) setClaim(claim snapshot.Claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claim, r.entered = claim, false
}

// enter makes this process one of the replicas, unless it is one; or none of them, unless it may be one.
func (r *Replica) enter(ctx context.Context, may bool) error {
	r.mu.Lock()
	claim, entered := r.claim, r.entered
	r.mu.Unlock()
	switch {
	case !may && claim == nil, may && entered:
		return nil
	case !may:
		err := ignoreLost(claim.Finish(ctx, nil, 0))
		if err == nil {
			r.setClaim(nil)
		}
		return err
	case claim == nil:
		if err := r.claimEntry(ctx); err != nil {
			return err
		}
	}
	if err := r.introduce(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.entered = true
	is := r.isMemberLocked()
	r.mu.Unlock()
	if !is { // the store was marked meanwhile
		r.wakeUp()
		return nil
	}
	r.tell()
	select {
	case <-r.joined:
		r.mu.Lock()
		r.addNewsLocked(r.self, Back)
		r.mu.Unlock()
		r.deps.Log.Info("this replica is back")
	default:
		close(r.joined)
	}
	return nil
}

// claimEntry claims the entry of this process.
func (r *Replica) claimEntry(ctx context.Context) error {
	claim, entry, err := r.deps.Store.Claim(ctx, prefix+r.id, snapshot.ClaimOptions{})
	if err == nil && claim == nil && entry.State == snapshot.Orphan {
		if err = r.end(ctx, entry); err == nil { // the others have seen it fall: another run begins
			claim, _, err = r.deps.Store.Claim(ctx, prefix+r.id, snapshot.ClaimOptions{})
		}
	}
	if err == nil && claim == nil {
		err = errors.New("the store has not noticed yet that its entry is not written any more")
	}
	if err == nil {
		r.setClaim(claim)
	}
	return err
}

// introduce has the store tell the others of this process, and hears what they have written before: above all, with what
// format they have marked it.
func (r *Replica) introduce(ctx context.Context) error {
	r.put()
	ctx, done := context.WithTimeout(ctx, introducedWithin)
	defer done()
	for {
		r.mu.Lock()
		claim, told := r.claim, r.told
		isTold := r.shown == claim.Run()
		r.mu.Unlock()
		if isTold {
			return r.deps.Store.Sync(ctx)
		}
		select {
		case <-told:
		case <-claim.Lost():
			return snapshot.ErrLost
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// introducedWithin bounds the time until the store has the entry of this process.
const introducedWithin = 10 * time.Second

// heardSelf takes note that the store has the entry of this process.
func (r *Replica) heardSelf(e snapshot.Entry) {
	var m Member
	if e.State != snapshot.Live || json.Unmarshal(e.Data, &m) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shown != e.Run {
		r.shown = e.Run
		close(r.told)
		r.told = make(chan struct{})
	}
}
