package snapshottest

import (
	"context"
	"sync"

	"github.com/tidewire/tidewire/snapshot"
)

// Cut has the Process reach the store no more until [Process.Heal]: its calls wait for as long as their contexts let them,
// what it puts is stored later, and its followers hear of nothing. It does not lose its claims by that: call
// [Process.Lose] when it should.
func (p *Process) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil {
		p.cut = make(chan struct{})
	}
}

// Heal ends a Cut, and returns when its followers have heard of what happened meanwhile, and what it put is stored, of its
// claims that are not lost.
func (p *Process) Heal() {
	p.mu.Lock()
	cut := p.cut
	p.cut = nil
	followers, claims := p.followers, p.claims
	p.mu.Unlock()
	if cut == nil {
		return
	}
	close(cut)
	for _, f := range followers {
		f.catchUp()
	}
	for _, c := range claims {
		c.mu.Lock()
		late := c.late
		c.late = nil
		c.mu.Unlock()
		if late != nil {
			c.Put(late)
		}
	}
}

// reach returns when the store can be reached, or need not be since a claim is lost, or with the error of ctx.
func (p *Process) reach(ctx context.Context, lost <-chan struct{}) error {
	for {
		p.mu.Lock()
		cut, dead := p.cut, p.dead
		p.mu.Unlock()
		if dead {
			return errDead
		}
		if cut == nil {
			return nil
		}
		select {
		case <-cut:
		case <-lost:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Process) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut != nil
}

// processFollower hears of nothing while its Process is cut off.
type processFollower struct {
	of *Process
	fn func(snapshot.Entry)

	mu   sync.Mutex // held while fn is called; before Process.mu
	late []snapshot.Entry
}

// hear is called by the store, within its locks.
func (f *processFollower) hear(e snapshot.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.of.isDead():
	case f.of.isCut() || len(f.late) > 0:
		f.late = append(f.late, e)
	default:
		f.fn(e)
	}
}

// catchUp has it hear of what it has missed.
func (f *processFollower) catchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.late {
		f.fn(e)
	}
	f.late = nil
}
