package natsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// flight is an attempt of this process to claim a topic. Whoever wants the topic meanwhile waits for the outcome instead
// of asking the servers too.
type flight struct {
	s      *Store
	topic  string
	key    string
	opts   snapshot.ClaimOptions
	run    string          // of the claim to be
	tried  string          // the lease under which it was tried last, empty if it was not
	ctx    context.Context // ends when its caller gives up
	cancel context.CancelCauseFunc
	done   chan struct{} // closed at the end; the fields below are set then

	claim *claim
	entry snapshot.Entry
	err   error
}

// Claim implements [snapshot.Store]. Without a lease it waits until this process has one.
func (s *Store) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	if opts.Run != "" {
		if err := snapshot.CheckRun(opts.Run); err != nil {
			panic(err.Error())
		}
	}
	if opts.Adopt != "" && (opts.Run != "" || opts.KeepFinal) {
		panic("snapshot: Adopt begins no run: Run and KeepFinal must not be set")
	}
	err := ctx.Err()
	if err == nil {
		err = checkTopic(topic)
	}
	for err == nil {
		var f *flight
		var mine bool
		if f, mine, err = s.join(ctx, topic, opts); err != nil {
			break
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			if mine {
				s.abandon(f, context.Cause(ctx))
			}
			err = s.because(ctx)
			continue
		}
		switch {
		case mine && f.err != nil:
			err = f.err
		case mine && f.claim != nil:
			return f.claim, f.entry, nil
		case mine || f.err == nil && f.answers(opts):
			return nil, f.entry, nil
		}
	}
	return nil, snapshot.Entry{}, fmt.Errorf("natsstore: claim %.100q: %w", topic, err)
}

// answers reports whether the outcome of somebody else's flight is one for a caller with opts, who was not first.
func (f *flight) answers(opts snapshot.ClaimOptions) bool {
	switch f.entry.State {
	case snapshot.Live:
		return true
	case snapshot.Orphan:
		return opts.Adopt != f.entry.Run
	case snapshot.Final:
		return opts.KeepFinal || opts.Adopt != ""
	}
	return false
}

// join returns the flight for a topic. If there is none, it begins the caller's.
func (s *Store) join(ctx context.Context, topic string, opts snapshot.ClaimOptions) (f *flight, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[topic]; f != nil {
		return f, false, nil
	}
	if isClosed(s.ending) {
		return nil, false, errClosed
	}
	f = &flight{s: s, topic: topic, key: keyOf(topic), opts: opts, run: opts.Run + opts.Adopt, done: make(chan struct{})}
	if f.run == "" {
		f.run = snapshot.NewRun()
	}
	f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.flights[topic] = f
	s.working++
	go f.fly()
	return f, true, nil
}

// abandon ends a flight whose caller has given up. If it has got the topic nevertheless, that is undone.
func (s *Store) abandon(f *flight, why error) {
	s.work(1) // before the flight ends: Close waits for both
	f.cancel(why)
	go func() {
		defer s.work(-1)
		<-f.done
		switch {
		case f.claim == nil:
		case f.opts.Adopt != "":
			_ = f.claim.Release(s.ctx)
		default:
			_ = f.claim.Finish(s.ctx, nil, 0)
		}
	}()
}

func (f *flight) fly() {
	s := f.s
	defer s.work(-1)
	stop := context.AfterFunc(s.ctx, func() { f.cancel(errClosed) })
	defer stop()
	f.claim, f.entry, f.err = f.try()
	s.mu.Lock()
	delete(s.flights, f.topic)
	s.mu.Unlock()
	close(f.done)
	if f.err != nil {
		f.cancel(f.err)
	}
}

// try claims the topic, or finds what stands in the way. If the lease is lost meanwhile, it begins again under the next.
func (f *flight) try() (c *claim, e snapshot.Entry, err error) {
	for {
		se, err := f.s.leaseOf(f.ctx)
		if err != nil {
			return nil, snapshot.Entry{}, err
		}
		if c, e, err = f.tryUnder(se); !errors.Is(err, errLeaseLost) {
			return c, e, err
		}
	}
}

// tryUnder is try with one lease.
func (f *flight) tryUnder(se *session) (*claim, snapshot.Entry, error) {
	s := f.s
	// What the mirror has is good enough for an attempt, but the servers must confirm what a caller is told to join.
	rev, e, _ := s.mirror.get(f.key)
	next, joined := f.decide(record{Entry: e}, se)
	for wait := (&backoff{next: oneWrite}); ; {
		if next == nil || joined {
			var r record
			var err error
			if rev, r, err = s.readRecord(f.ctx, f.key, f.topic); err != nil {
				return nil, snapshot.Entry{}, err
			}
			if next, joined = f.decide(r, se); joined {
				if !r.holds() {
					return nil, snapshot.Entry{}, nil
				}
				return nil, r.Entry, nil
			}
		}
		f.tried = se.owner
		got, err := s.write(se.ctx, f.ctx, s.message(f.key, rev, next), true)
		if err == nil {
			c, err := s.mirror.claimed(f, se, got, next)
			return c, next.Entry, err
		}
		switch {
		case errors.Is(err, errBusy):
			wait.sleep(f.ctx)
		case errors.Is(err, errFenced):
		case se.ctx.Err() != nil && f.ctx.Err() == nil:
			return nil, snapshot.Entry{}, errLeaseLost
		default:
			return nil, snapshot.Entry{}, err
		}
		next = nil
	}
}

// decide returns the record that would claim the topic, which has r, or joined if there is nothing to claim.
func (f *flight) decide(r record, se *session) (next *record, joined bool) {
	// An attempt that was stored under a lease which is lost since is this flight's all the same.
	isMine := f.tried != "" && r.Run == f.run && (r.State == snapshot.Orphan || r.State == snapshot.Live && r.owner == f.tried)
	switch {
	case f.opts.Adopt != "" && r.State == snapshot.Orphan && r.Run == f.run, isMine:
		next = &record{Entry: r.Entry}
	case f.opts.Adopt != "", r.State == snapshot.Live, r.State == snapshot.Orphan, r.State == snapshot.Final && f.opts.KeepFinal:
		return nil, true
	default:
		next = &record{Entry: snapshot.Entry{Run: f.run}}
	}
	next.Topic, next.State, next.owner = f.topic, snapshot.Live, se.owner
	return next, false
}

// claimed makes a claim of a topic that was won, and tells the followers.
func (m *mirror) claimed(f *flight, se *session, rev uint64, r *record) (*claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != se || !time.Now().Before(se.until) {
		return nil, errLeaseLost
	}
	c := &claim{
		s: f.s, se: se, key: f.key, topic: f.topic, run: r.Run, n: r.N, data: r.Data, rev: rev,
		gone: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	se.claims[f.key] = c
	m.applyLocked(rev, f.key, *r)
	return c, nil
}
