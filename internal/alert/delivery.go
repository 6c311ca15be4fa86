package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// flushTimeout bounds the calls of Flush.
const flushTimeout = 2 * time.Second

// errStopping is why a call of Flush is broken off.
var errStopping = errors.New("tidewire is stopping")

// send makes one call, and notes that a receiver has the message. That is done here because the scheduler drops how a call
// ended if it stops in that moment: the receiver would be told again. The caller does not hold the mutex.
func (s *Service) send(ctx context.Context, c *call) error {
	defer close(c.over)
	if k := s.keeper; k != nil {
		// A receiver that is told that an alert fires is told its end even if the process is killed in between. A disk that
		// fails delays no message.
		_ = k.store.Kept(ctx)
	}
	err := s.call(ctx, c)
	if err == nil {
		s.mu.Lock()
		s.toldLocked(c.receiver, c.batch)
		s.mu.Unlock()
	}
	s.deps.Observer.told(c.to.Name, c.message.State, err)
	return err
}

// call calls the receiver, by its upstream if it has one.
func (s *Service) call(ctx context.Context, c *call) error {
	client := s.deps.Client
	if u := c.to.Upstream; u != nil {
		of, done, err := s.deps.Upstream(ctx, u.Name)
		if err != nil {
			return err
		}
		defer done()
		client = of
	}
	return c.to.Receiver.Send(ctx, client, c.message)
}

// toldLocked notes that a receiver has a message.
func (s *Service) toldLocked(r *receiver, b *batch) {
	if s.receivers[r.to.Name] != r {
		return // it was dropped meanwhile
	}
	r.backoff, r.err, r.failing, r.told = false, nil, time.Time{}, s.deps.Clock.Now()
	s.finishLocked(r, b, nil)
}

// failedLocked notes why a call failed, given after what time it can be tried again.
func (s *Service) failedLocked(r *receiver, b *batch, err error, in time.Duration) {
	now := s.deps.Clock.Now()
	r.backoff, r.err = true, err
	if r.failing.IsZero() {
		r.failing = now
	}
	log := s.deps.Log.With("receiver", r.to.Name, "state", b.state, "group", b.group, "alerts", len(b.members), "err", err)
	failed, ok := errors.AsType[*notify.Error](err)
	first := b.failed.IsZero()
	if first {
		b.failed = now
	}
	if ok && failed.Permanent || now.Sub(b.failed)+in > patience {
		log.Error("alert not told: given up")
		s.deps.Observer.givenUp(r.to.Name, b.state)
		s.finishLocked(r, b, err)
		if len(r.batches) == 0 && r.waitingGroups() == 0 {
			r.backoff = false // whatever comes next is tried at once
		}
		return
	}
	b.at = now // behind the others: it may be this message that the receiver fails for
	if first {
		log.Warn("alert not told, will be tried again")
	}
	s.deps.ListChanged()
}

// finishLocked ends a message for the alerts that it told of: the receiver knows it, or it is given up for that reason.
func (s *Service) finishLocked(r *receiver, b *batch, givenUp error) {
	now := s.deps.Clock.Now()
	told := Told{Receiver: r.to.Name, ID: b.id, State: b.state, Again: b.again, Summary: b.summary, GivenUp: givenUp}
	for _, box := range b.sent {
		if n := box.tried(); n == nil || n.batch != b {
			continue // an earlier call, which Flush did not wait for, has told it
		}
		told.Alerts = append(told.Alerts, box.entry.subject.Key)
		box.finish(box.queue[0], now, givenUp)
		s.reconcileLocked(box.entry, false)
		s.saveLocked(box.entry, true)
	}
	b.members = slices.DeleteFunc(b.members, func(box *outbox) bool { n := box.tried(); return n == nil || n.batch != b })
	if len(b.members) == 0 {
		r.batches = slices.DeleteFunc(r.batches, func(other *batch) bool { return other == b })
	}
	if len(told.Alerts) > 0 {
		s.deps.Told(told)
	}
	s.deps.ListChanged()
}

// Flush sends all messages that wait once more, for 2 seconds at most. It is called when the scheduler has ended. Messages
// that fail are given up, unless they are kept for the next process, see [Service.Restore].
func (s *Service) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, flushTimeout, errStopping)
	defer cancel()
	s.mu.Lock()
	receivers := slices.Collect(maps.Values(s.receivers))
	for _, r := range receivers {
		r.calling = nil // how it ended was dropped
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, r := range receivers {
		all.Go(func() { s.flush(ctx, r) })
	}
	all.Wait()
}

// flush sends the messages that wait for one receiver.
func (s *Service) flush(ctx context.Context, r *receiver) {
	tried := map[*batch]bool{}
	for {
		c := s.begin(context.Background(), r, tried) // a call within ctx fails for each that is left
		if c == nil {
			break
		}
		tried[c.batch] = true
		if err := s.send(ctx, c); err != nil {
			s.mu.Lock()
			r.err = err
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.calling = nil
	for _, b := range r.batches {
		log := s.deps.Log.With("receiver", r.to.Name, "state", b.state, "group", b.group, "alerts", len(b.members), "err", r.err)
		switch {
		case b.held():
		case s.keeper != nil:
			log.Warn("alert not told yet: it will be after the next start")
		default:
			log.Error("alert not told: given up")
			s.deps.Observer.givenUp(r.to.Name, b.state)
		}
	}
}
