package natsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// deadTTL is how long the stream remembers that a lease is over. A process that has not heard of it by then watches the
// lease for its duration, as it would have.
const deadTTL = time.Hour

// errLeaseLost is why the claims of a session are lost.
var errLeaseLost = errors.New("the lease of this process is lost")

// session is the time in which this process holds a lease. All claims belong to one.
type session struct {
	owner  string
	ctx    context.Context // ends when the lease is lost
	cancel context.CancelFunc
	claims map[string]*claim // by key; guarded by mirror.mu

	// until is when the process has to stop, if the lease is not renewed before. The goroutine that renews it may be late,
	// because the process was stopped, so writers look at it too. Guarded by mirror.mu.
	until time.Time
	timer *time.Timer // ends the session at until
	rev   uint64      // of the lease; guarded by mirror.mu
}

// within returns a context that ends after d, or with the store.
func (s *Store) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, d)
}

// keepLease holds one lease after the other.
func (s *Store) keepLease() {
	for s.ctx.Err() == nil {
		if err := s.holdLease(); err != nil && s.ctx.Err() == nil {
			s.opts.Logger.Warn("natsstore: the lease is lost, and with it all claims of this process", "err", err)
		}
	}
}

// holdLease takes a lease for a new owner and renews it until it is lost, which the error explains. It is nil if there
// was none.
func (s *Store) holdLease() error {
	// The mirror has to be that of this stream before something is written under the lease.
	if s.Sync(s.ctx) != nil {
		return nil
	}
	owner := snapshot.NewRun()
	subject := "lease." + owner
	body := &leaseRecord{Version: formatVersion, Name: s.opts.Name, Lease: s.opts.Lease.Milliseconds()}
	began := time.Now()
	ctx, cancel := s.within(s.opts.Lease)
	rev, err := s.write(ctx, ctx, write{subject: subject, data: body.marshal(), urgent: true}, false)
	cancel()
	if err != nil || time.Since(began) >= s.opts.Lease {
		return nil
	}
	s.mirror.applyLease(rev, owner, body)
	se := s.begin(owner, rev, began)
	for {
		pause(se.ctx, time.Until(began.Add(s.opts.Lease/3)))
		if se.ctx.Err() != nil {
			return s.end(se, errors.New("another process has declared it dead, the stream is another one, or this process was stopped"))
		}
		until := began.Add(s.opts.Lease)
		began = time.Now()
		if !began.Before(until) {
			return s.end(se, errors.New("this process was stopped for too long"))
		}
		ctx, cancel := context.WithDeadline(se.ctx, until)
		next, err := s.write(ctx, ctx, write{subject: subject, rev: rev, data: body.marshal(), urgent: true}, false)
		cancel()
		if errors.Is(err, errFenced) {
			s.checkRewound(subject, rev)
			return s.end(se, errors.New("another process has declared it dead, or the stream is another one"))
		} else if err != nil {
			return s.end(se, fmt.Errorf("it was not renewed for %v: %w", s.opts.Lease, s.cause(err)))
		}
		rev = next
		s.mirror.renew(se, rev, began.Add(s.opts.Lease))
		s.mirror.applyLease(rev, owner, body)
	}
}

// checkRewound looks whether the stream has lost messages that it had confirmed, which it does if the power fails before
// the disk has them: then it has an older message of the lease than this process, and counts from there on.
func (s *Store) checkRewound(subject string, rev uint64) {
	ctx, cancel := s.within(lastAttempt)
	defer cancel()
	has, _, _, err := s.read(ctx, map[string]any{"last_by_subj": s.subject(subject)})
	if err != nil || has >= rev {
		return
	}
	s.mirror.mu.Lock()
	s.mirror.resetLocked(s.mirror.epoch)
	s.mirror.mu.Unlock()
	s.wake()
}

// cause adds what is wrong to an error that says only that the time is over.
func (s *Store) cause(err error) error {
	if fault := s.fault(); fault != nil {
		return fault
	}
	return err
}

// begin makes a lease the one of this process.
func (s *Store) begin(owner string, rev uint64, began time.Time) *session {
	se := &session{owner: owner, claims: make(map[string]*claim), until: began.Add(s.opts.Lease), rev: rev}
	se.ctx, se.cancel = context.WithCancel(s.ctx)
	s.mirror.mu.Lock()
	s.mirror.session = se
	se.timer = time.AfterFunc(time.Until(se.until), func() { s.mirror.lapse(se) })
	s.mirror.mu.Unlock()
	s.leaseChanged()
	return se
}

// end has all claims of a session lost.
func (s *Store) end(se *session, err error) error {
	s.mirror.mu.Lock()
	if s.mirror.session == se && s.ctx.Err() == nil {
		s.mirror.endSessionLocked()
	}
	s.mirror.mu.Unlock()
	se.cancel()
	s.leaseChanged()
	return err
}

// leaseChanged wakes those who wait for a lease.
func (s *Store) leaseChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.leased)
	s.leased = make(chan struct{})
}

// leaseOf waits for a session.
func (s *Store) leaseOf(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		changed := s.leased
		s.mu.Unlock()
		if se := s.mirror.current(); se != nil {
			return se, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, s.because(ctx)
		}
	}
}

// resign gives up the lease, so that the entries of this process are orphans at once.
func (s *Store) resign(ctx context.Context) error {
	s.mirror.mu.Lock()
	se := s.mirror.session
	s.mirror.endSessionLocked()
	s.mirror.mu.Unlock()
	if se == nil || !s.isLinked() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*lastAttempt)
	defer cancel()
	return s.bury(ctx, se.owner, se.rev, "")
}

// bury writes that a lease is over, if it has revision rev.
func (s *Store) bury(ctx context.Context, owner string, rev uint64, name string) error {
	body := &leaseRecord{Version: formatVersion, Name: name, Dead: true}
	w := write{subject: "lease." + owner, rev: rev, ttl: ttlOf(deadTTL), data: body.marshal(), urgent: true}
	rev, err := s.write(ctx, ctx, w, false)
	if err == nil {
		s.mirror.applyLease(rev, owner, body)
	}
	return err
}

// keepWatch looks for leases that are over.
func (s *Store) keepWatch() {
	tick := time.NewTicker(min(time.Second, s.opts.Lease/10))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if !s.isLinked() || !s.isChecked() {
			continue
		}
		for owner, rev := range s.mirror.suspects() {
			if err := s.judge(owner, rev); err != nil && !errors.Is(err, errFenced) {
				break // the servers do not answer
			}
		}
	}
}

// judge asks the leader about a lease that has been silent for longer than it lasts, and declares it dead unless it was
// renewed. Nobody can have renewed it in between, because that would be another revision.
func (s *Store) judge(owner string, known uint64) error {
	ctx, cancel := s.within(2 * lastAttempt)
	defer cancel()
	rev, h, data, err := s.read(ctx, map[string]any{"last_by_subj": s.subject("lease." + owner)})
	if err != nil {
		return err
	}
	body := new(leaseRecord)
	if rev > 0 {
		if body = parseLease(h, data); body == nil {
			body = new(leaseRecord)
		} else if rev != known || body.Dead {
			s.mirror.applyLease(rev, owner, body)
			if !s.mirror.isCondemned(owner) || body.Dead {
				return nil
			}
		}
	}
	if err := s.bury(ctx, owner, rev, body.Name); err != nil {
		return err
	}
	s.opts.Logger.Info("natsstore: a lease is over, its runs are orphans", "process", body.Name, "owner", owner)
	return nil
}
