package alert

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

const (
	// patience is for how long a message that failed is tried again. With the
	// pauses of backoff these are about ten calls.
	patience = 15 * time.Minute
	// flushTimeout bounds the calls of Flush.
	flushTimeout = 2 * time.Second
)

// errStopping is why a call of Flush is broken off.
var errStopping = errors.New("tidewire is stopping")

// call delivers an item once.
func (s *Service) call(ctx context.Context, i *item) error {
	err := i.to.Receiver.Send(ctx, s.deps.Client, i.message.told())
	s.deps.Observer.delivered(i.to.Name, err)
	return err
}

// note remembers what the webhook knows, or may know: a call whose answer did not come may have arrived.
func (s *Service) note(i *item, err error) {
	failed, _ := errors.AsType[*notify.Error](err)
	switch about := (alarm{i.to.Name, i.source}); {
	case failed != nil && failed.Unsent:
	case i.state == Firing:
		s.fires[about] = true
	case err == nil:
		delete(s.fires, about)
	}
}

// retry decides whether the item that could not be delivered is tried again, after in, which the backoff or the
// webhook's Retry-After wants.
func (s *Service) retry(box *outbox, in time.Duration, err error) bool {
	i, now := box.now, s.deps.Clock.Now()
	log := s.deps.Log.With("webhook", i.to.Name, "source", i.source, "err", err)
	first := i.failed.IsZero()
	if first {
		i.failed = now
	}
	switch {
	case slices.ContainsFunc(box.later, func(newer *item) bool { return newer.source == i.source }):
		return false
	case refused(err) || now.Sub(i.failed)+in > patience:
		log.Error("webhook given up")
		s.deps.Observer.lost(i.to.Name)
		return false
	case first:
		log.Warn("webhook failed, will be tried again")
	}
	return true
}

// refused reports whether trying again makes no sense.
func refused(err error) bool {
	failed, ok := errors.AsType[*notify.Error](err)
	return ok && failed.Permanent
}

// Flush tries once more to deliver what is left, for 2 seconds at most. It is called when the scheduler has ended. What
// cannot be delivered is given up, unless it is kept for the next process, see [Service.Restore].
func (s *Service) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, flushTimeout, errStopping)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex // guards results
	results := map[*item]error{}
	for _, box := range s.boxes {
		all.Go(func() {
			tried := map[string]bool{} // sources
			for _, i := range box.items() {
				if !s.concerns(i) && !tried[i.source] {
					continue
				}
				tried[i.source] = true
				err := s.call(ctx, i)
				mu.Lock()
				results[i] = err
				mu.Unlock()
				if err != nil {
					s.missed(i, err)
				}
			}
		})
	}
	all.Wait()
	for _, box := range s.boxes {
		items := box.items()
		box.now, box.later = nil, nil
		for _, i := range items {
			err, called := results[i]
			if called {
				s.note(i, err)
			}
			if err != nil {
				box.later = append(box.later, i)
			}
		}
		for _, i := range items {
			s.save(i.source, true)
		}
	}
}

// missed tells that an item was not delivered before the end.
func (s *Service) missed(i *item, err error) {
	log := s.deps.Log.With("webhook", i.to.Name, "source", i.source, "err", err)
	if s.keeper != nil {
		log.Warn("webhook not told yet: it will be after the next start")
		return
	}
	log.Error("webhook given up")
	s.deps.Observer.lost(i.to.Name)
}
