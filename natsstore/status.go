package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	quiet    = 10 * time.Second // the least time between two lines in the log about what is wrong
	remember = 10 * time.Second // how long a permission counts as missing after something was refused
)

// Status is how a store is doing, for a page of health or for metrics.
type Status struct {
	// Synced says that followers have been told of all that there was at some moment within the last seconds. It is false
	// before the servers were reached for the first time.
	Synced bool

	// Owner is the id of the lease under which this process writes: another one after each loss. It is empty while
	// there is none; nothing can be claimed then.
	Owner string

	// LeaseAge is how long ago that lease was renewed, and 0 without one. It is renewed each third of Options.Lease.
	LeaseAge time.Duration

	// Resyncs counts how often the store has read the whole stream again, because it may have missed something: after
	// it was without a connection for long, or when the stream was deleted and made again.
	Resyncs uint64

	// Server is the name of the server that the store is connected to, and empty if it is to none.
	Server string

	// Err says why the store does not work now. It is nil if it does.
	Err error
}

// Status returns how the store is doing.
func (s *Store) Status() Status {
	var status Status
	s.mirror.mu.Lock()
	if s.mirror.session != nil {
		status.Owner = s.mirror.session.owner
		status.LeaseAge = time.Since(s.mirror.session.until.Add(-s.opts.Lease))
	}
	status.Resyncs = s.mirror.resyncs
	status.Synced = s.mirror.synced
	s.mirror.mu.Unlock()
	s.mu.Lock()
	if s.linking == nil {
		status.Server = s.server
	}
	status.Synced = status.Synced && s.linking == nil && s.checking == nil
	s.mu.Unlock()
	if status.Err = s.fault(); status.Err == nil && status.Owner == "" {
		status.Err = errors.New("natsstore: there is no lease yet")
	}
	return status
}

// Writer is the process that writes a topic, this one or another, as this one knows it.
type Writer struct {
	// Silent is how long ago its lease was last seen to be renewed. It is renewed each third of Lease.
	Silent time.Duration

	// Lease is how long the process may be silent before it counts as dead.
	Lease time.Duration
}

// Writer returns the process that writes a topic. ok is false if no process does, as far as the store knows.
func (s *Store) Writer(topic string) (w Writer, ok bool) {
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	c := s.mirror.cells[keyOf(topic)]
	if c == nil || c.lease == nil || c.lease.dead || c.lease.rev == 0 {
		return Writer{}, false
	}
	return Writer{Silent: time.Since(c.lease.since), Lease: c.lease.lasts}, true
}

func (s *Store) isChecked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checking == nil
}

// note remembers why one of the store's fields for errors fails, or that it does not any more.
func (s *Store) note(what *error, err error) { s.change(func() { *what = err }) }

// noteUnlinked remembers why there is no connection, unless there is one by now.
func (s *Store) noteUnlinked(err error) {
	s.change(func() {
		if s.linking != nil {
			s.linking = err
		}
	})
}

// noteDenied remembers that the server has refused something for want of a permission, which it says to no request.
func (s *Store) noteDenied(err error) {
	s.change(func() {
		s.denied, s.deniedAt = err, time.Now()
		s.deaf = s.deaf || strings.Contains(err.Error(), "Subscription")
	})
}

// resubscribe makes another connection if the server has refused a subscription some time ago: on this one, it is not
// asked again.
func (s *Store) resubscribe() {
	s.mu.Lock()
	again := s.deaf && time.Since(s.deniedAt) > remember/2
	s.deaf = s.deaf && !again
	s.mu.Unlock()
	if again {
		_ = s.conn.ForceReconnect() // which fails if the connection is closed
	}
}

// change calls f, which changes what is wrong, and logs that: at once, or if it changes all the time, once in a while.
// It is called each second at least.
func (s *Store) change(f func()) {
	s.mu.Lock()
	f()
	now := ""
	if fault := s.faultLocked(); fault != nil {
		now = fault.Error()
	}
	if now == s.told || time.Since(s.toldAt) < quiet {
		s.mu.Unlock()
		return
	}
	s.told, s.toldAt = now, time.Now()
	s.mu.Unlock()
	if now == "" {
		s.opts.Logger.Info("natsstore: works again")
	} else {
		s.opts.Logger.Warn("natsstore: does not work now", "err", now)
	}
}

// fault returns why the store does not work now.
func (s *Store) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.faultLocked(); err != nil {
		return fmt.Errorf("natsstore: %w", err)
	}
	return nil
}

func (s *Store) faultLocked() error {
	denied := s.denied != nil && time.Since(s.deniedAt) < remember // it is refused again while it is missing
	switch {
	case denied:
		return fmt.Errorf("the server does not permit what the store needs: %w", s.denied)
	case s.linking != nil:
		return fmt.Errorf("no connection to %s: %w", s.opts.redacted(), s.linking)
	case s.checking != nil:
		return s.checking
	case s.writing != nil:
		return fmt.Errorf("write: %w", s.writing)
	}
	return nil
}

// isLinked reports whether there is a connection. It does not ask the connection, which is locked while it is made.
func (s *Store) isLinked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.linking == nil
}

// because returns why a context has ended, with what the store was waiting for.
func (s *Store) because(ctx context.Context) error {
	if err := s.fault(); err != nil {
		return fmt.Errorf("%w (%v)", context.Cause(ctx), err)
	}
	return context.Cause(ctx)
}
