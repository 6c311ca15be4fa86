package snapshottest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// A Process is a [snapshot.Store] that plays one of several processes which share another one, and which can die, lose
// what it holds, or be cut off. It is for tests of what it and the others do then. Its methods may be called from any
// goroutine. It owns no goroutine, and works in a [testing/synctest] bubble.
//
// Make one with [NewProcess].
type Process struct {
	snapshot.Store

	mu        sync.Mutex // guards the fields below; after the store's own locks
	dead      bool
	cut       chan struct{} // closed when it can be reached again; nil: it can
	claims    []*processClaim
	followers []*processFollower
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
		_ = c.Claim.Release(context.Background()) // fails for those that were finished
	}
}

// Lose has the Process lose its claims, as if it had been out of reach for too long, and returns when what it claimed and
// did not finish is an Orphan. As with stores that several processes share, the Process knows that first: the others are told
// after a millisecond. It goes on, and can claim anew.
func (p *Process) Lose() {
	p.mu.Lock()
	claims := p.claims
	p.claims = nil
	p.mu.Unlock()
	for _, c := range claims {
		if !c.over.Load() {
			close(c.lost)
		}
	}
	time.Sleep(time.Millisecond)
	for _, c := range claims {
		_ = c.Claim.Release(context.Background()) // fails for those that were finished
	}
}

// processClaim is a claim that can be lost.
type processClaim struct {
	snapshot.Claim
	of   *Process
	lost chan struct{}
	over atomic.Bool // it was finished or released

	mu   sync.Mutex // guards the field below
	late []byte     // what was put while the Process was cut off
}

// Lost implements [snapshot.Claim].
func (c *processClaim) Lost() <-chan struct{} { return c.lost }

// Put implements [snapshot.Claim].
func (c *processClaim) Put(data []byte) {
	switch {
	case c.isLost():
	case c.of.isCut():
		c.mu.Lock()
		c.late = data
		c.mu.Unlock()
	default:
		c.Claim.Put(data)
	}
}

// Finish implements [snapshot.Claim].
func (c *processClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	return c.end(ctx, func() error { return c.Claim.Finish(ctx, data, retention) })
}

// Release implements [snapshot.Claim].
func (c *processClaim) Release(ctx context.Context) error {
	return c.end(ctx, func() error { return c.Claim.Release(ctx) })
}

func (c *processClaim) end(ctx context.Context, how func() error) error {
	if err := c.of.reach(ctx, c.lost); err != nil && err != errDead {
		return err
	}
	if c.isLost() {
		return snapshot.ErrLost
	}
	err := how()
	if err == nil {
		c.over.Store(true)
	}
	return err
}

func (c *processClaim) isLost() bool {
	select {
	case <-c.lost:
		return true
	default:
		return false
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
	if err := p.reach(ctx, nil); err != nil {
		return nil, snapshot.Entry{}, err
	}
	claim, entry, err := p.Store.Claim(ctx, topic, opts)
	if claim == nil {
		return nil, entry, err
	}
	c := &processClaim{Claim: claim, of: p, lost: make(chan struct{})}
	p.mu.Lock()
	dead := p.dead
	if !dead {
		p.claims = append(p.claims, c)
	}
	p.mu.Unlock()
	if dead {
		_ = claim.Release(ctx)
		return nil, snapshot.Entry{}, errDead
	}
	return c, entry, nil
}

// Forget implements [snapshot.Store].
func (p *Process) Forget(ctx context.Context, topic, run string) error {
	if err := p.reach(ctx, nil); err != nil {
		return err
	}
	return p.Store.Forget(ctx, topic, run)
}

// Sync implements [snapshot.Store].
func (p *Process) Sync(ctx context.Context) error {
	if err := p.reach(ctx, nil); err != nil {
		return err
	}
	return p.Store.Sync(ctx)
}

// Follow implements [snapshot.Store].
func (p *Process) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	if err := p.reach(ctx, nil); err != nil {
		return err
	}
	f := &processFollower{of: p, fn: fn}
	p.mu.Lock()
	p.followers = append(p.followers, f)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.followers = slices.DeleteFunc(slices.Clone(p.followers), func(o *processFollower) bool { return o == f })
	}()
	return p.Store.Follow(ctx, f.hear, synced)
}
