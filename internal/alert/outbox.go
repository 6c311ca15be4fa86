package alert

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/smartpoll"
)

// backoff is between calls of a webhook that fail.
var backoff = smartpoll.Backoff{Min: time.Second, Max: 5 * time.Minute, Jitter: 0.1}

// webhookKey is the key of the task that calls a webhook.
type webhookKey string

// An outbox is what is to be delivered to one webhook.
type outbox struct {
	now   *item   // is delivered next, or just now: no hook changes it while the task runs
	later []*item // in this order
}

// An item is a message about one source for one webhook.
type item struct {
	to      *config.Notify
	source  string
	state   string // Firing or Resolved
	message Message
	failed  time.Time // when a call failed first; zero: none did
}

// deliver has a webhook get a message.
func (s *Service) deliver(to *config.Notify, m Message) {
	defer func() { s.save(m.Source, true) }()
	next := &item{to: to, source: m.Source, state: m.State, message: m}
	key := webhookKey(to.Name)
	box := s.boxes[to.Name]
	if box == nil && !s.concerns(next) {
		return
	}
	if box == nil {
		box = &outbox{now: next}
		if err := s.deps.Scheduler.Add(key, s.task(box), smartpoll.Retry(backoff)); err != nil {
			s.deps.Log.Error("webhook not called", "webhook", to.Name, "source", m.Source, "err", err)
			return
		}
		s.boxes[to.Name] = box
		s.deps.Scheduler.Schedule(key, 0)
		return
	}
	i := slices.IndexFunc(box.later, func(old *item) bool { return old.source == next.source })
	running := s.deps.Scheduler.Running(key)
	switch {
	case box.now.source == next.source && !running:
		box.now = next
	case i >= 0:
		box.later[i] = next
	default:
		box.later = append(box.later, next)
	}
	if running {
		return // whether they are still needed shows when the call is over
	}
	if s.drop(box); box.now == nil {
		s.close(key)
	}
}

// drop removes from box what need not be delivered, and moves up. Without anything left, now is nil.
func (s *Service) drop(box *outbox) {
	all := box.items()
	left := slices.DeleteFunc(slices.Clone(all), func(i *item) bool { return !s.concerns(i) })
	box.now, box.later = nil, nil
	if len(left) > 0 {
		box.now, box.later = left[0], left[1:]
	}
	if len(left) < len(all) {
		for _, i := range all {
			s.save(i.source, false)
		}
	}
}

// items returns all that is to be delivered, in order.
func (b *outbox) items() []*item {
	if b.now == nil {
		return b.later
	}
	return append([]*item{b.now}, b.later...)
}

// close ends the task of a box with nothing to deliver.
func (s *Service) close(key webhookKey) {
	delete(s.boxes, string(key))
	s.deps.Scheduler.Remove(key)
}

// concerns reports whether an item need be delivered to its webhook.
func (s *Service) concerns(i *item) bool {
	return i.state != Resolved || s.fires[alarm{i.to.Name, i.source}]
}

// task returns the task that delivers what is in box.
func (s *Service) task(box *outbox) smartpoll.Task {
	call := func(ctx context.Context) (struct{}, error) { return struct{}{}, s.call(ctx, box.now) }
	return smartpoll.Poll(call, func(_ context.Context, internal *smartpoll.Internal, _ struct{}, err error) error {
		done := box.now
		key := webhookKey(done.to.Name)
		s.note(done, err)
		again := err != nil && s.retry(box, time.Until(internal.Next(key)), err)
		if again {
			// Behind the others: it may be this message that the webhook fails for.
			box.later = append(box.later, done)
		}
		box.now = nil
		if s.drop(box); box.now == nil {
			s.close(key)
			s.save(done.source, true)
			return nil
		}
		s.save(done.source, true)
		if err == nil {
			internal.Schedule(key, 0)
		}
		return nil
	})
}
