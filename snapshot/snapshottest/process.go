package snapshottest

import (
	"context"
	"errors"
	"sync"

	"github.com/tidewire/tidewire/snapshot"
)

// A Process is a [snapshot.Store] that plays one of several processes which share another one, and which can die. It is
// for tests of what the others do then. Its methods may be called from any goroutine. It owns no goroutine, and works in
// a [testing/synctest] bubble.
//
// Make one with [NewProcess].
type Process struct {
	snapshot.Store

	mu     sync.Mutex // guards the fields below; after the store's own locks
	dead   bool
	claims []snapshot.Claim
}

// errDead is the error of a Process that has died.
var errDead = errors.New("snapshottest: the process is dead")

// NewProcess returns a Process that shares store.
func NewProcess(store snapshot.Store) *Process { return &Process{Store: store} }

// Kill has the Process die: what it claimed and did not finish is an Orphan when Kill returns. The Process is not told:
// its claims and its followers are silent from then on, and its calls fail. Kill may be called again.
func (p *Process) Kill() {
	p.mu.Lock()
	p.dead = true
	claims := p.claims
	p.claims = nil
	p.mu.Unlock()
	for _, c := range claims {
		_ = c.Release(context.Background()) // fails for those that were finished
	}
}

func (p *Process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Claim implements [snapshot.Store].
func (p *Process) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	if p.isDead() {
		return nil, snapshot.Entry{}, errDead
	}
	claim, entry, err := p.Store.Claim(ctx, topic, opts)
	if claim == nil {
		return nil, entry, err
	}
	p.mu.Lock()
	dead := p.dead
	if !dead {
		p.claims = append(p.claims, claim)
	}
	p.mu.Unlock()
	if dead {
		_ = claim.Release(ctx)
		return nil, snapshot.Entry{}, errDead
	}
	return claim, entry, nil
}

// Forget implements [snapshot.Store].
func (p *Process) Forget(ctx context.Context, topic, run string) error {
	if p.isDead() {
		return errDead
	}
	return p.Store.Forget(ctx, topic, run)
}

// Sync implements [snapshot.Store].
func (p *Process) Sync(ctx context.Context) error {
	if p.isDead() {
		return errDead
	}
	return p.Store.Sync(ctx)
}

// Follow implements [snapshot.Store].
func (p *Process) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	if p.isDead() {
		return errDead
	}
	return p.Store.Follow(ctx, func(e snapshot.Entry) {
		if !p.isDead() {
			fn(e)
		}
	}, synced)
}
