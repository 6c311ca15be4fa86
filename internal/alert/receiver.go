package alert

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// patience is for how long a message that failed is tried again: a line that is cut in the evening may be mended the next
	// day. With the pauses of backoff these are about 300 calls.
	patience = 24 * time.Hour
	// groupWaits is how often a group waits for its group_wait at most: by default a minute in all. Sources that are polled
	// by default notice an outage over 33 s.
	groupWaits = 12
)

// backoff is between calls of a receiver that fail.
var backoff = smartpoll.Backoff{Min: time.Second, Max: 5 * time.Minute, Jitter: 0.1}

// receiverKey is the key of the task that calls a receiver.
type receiverKey string

// A receiver is one to whom messages are brought.
type receiver struct {
	to       *config.Notify
	outboxes map[*outbox]bool // those with something to tell, now or later
	batches  []*batch         // messages that were tried, and are to be told still; the one that was tried last comes last

	tasked  bool  // the scheduler has its task
	calling *call // the one in progress
	backoff bool  // the last call failed, and the scheduler has the time of the next one
	changed bool  // it is configured otherwise than when the call in progress began

	failing time.Time // since when calls fail; zero: they do not
	err     error     // why the last call failed
	told    time.Time // when a message was told last
}

// A call brings a message to a receiver.
type call struct {
	receiver *receiver
	batch    *batch
	to       *config.Notify // as the receiver was configured when the call began
	message  notify.Message
	over     chan struct{} // closed when the call has ended, and what it has told is noted
}

// receiverLocked returns the receiver that is configured so.
func (s *Service) receiverLocked(to *config.Notify) *receiver {
	r := s.receivers[to.Name]
	if r == nil {
		r = &receiver{to: to, outboxes: map[*outbox]bool{}}
		s.receivers[to.Name] = r
	}
	before := r.to
	r.to = to
	if before != to && !config.Same(before, to) {
		r.changed = true
		s.retryLocked(r)
	}
	return r
}

// retryLocked has a receiver that is configured otherwise be called at once: why it failed may be mended.
func (s *Service) retryLocked(r *receiver) {
	if !r.changed || r.calling != nil {
		return // or the end of the call decides
	}
	r.changed = false
	if !r.backoff {
		return
	}
	r.tasked, r.backoff = false, false // the new task begins with the shortest pause
	s.deps.Scheduler.Remove(receiverKey(r.to.Name))
	s.wakeLocked(r, s.nextLocked(r))
}

// SetReceivers tells which receivers are configured. The others are told nothing more, and what they know is forgotten.
func (s *Service) SetReceivers(all []*config.Notify) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left, changed := map[string]bool{}, false
	for _, to := range all {
		before := s.receivers[to.Name]
		changed = changed || before == nil || before.to.Receiver.Kind() != to.Receiver.Kind()
		s.receiverLocked(to)
		left[to.Name] = true
	}
	for name, r := range s.receivers {
		if !left[name] {
			changed = true
			s.dropLocked(name, r)
		}
	}
	if changed {
		s.deps.ListChanged()
	}
}

// dropLocked forgets a receiver.
func (s *Service) dropLocked(name string, r *receiver) {
	delete(s.receivers, name)
	if r.tasked {
		s.deps.Scheduler.Remove(receiverKey(name))
	}
	for _, e := range s.entries {
		if box := e.outboxes[name]; box != nil {
			if len(box.queue) > 0 {
				s.deps.Log.Warn("alert not told: the receiver is not configured any more", "receiver", name, e.attr())
			}
			delete(e.outboxes, name)
			s.reconcileLocked(e, false)
			s.saveLocked(e, false)
		}
	}
}

// enlistLocked has the receiver of an outbox look after it for as long as there is something to tell.
func (s *Service) enlistLocked(box *outbox) {
	r := s.receivers[box.to]
	if r == nil {
		return
	}
	var at time.Time
	switch {
	case len(box.queue) == 0:
		at = box.repeats()
	case box.tried() != nil:
		at = s.deps.Clock.Now()
	default:
		at = box.queue[0].at
		if !s.aloneLocked(box) {
			at = at.Add(r.to.GroupWait)
		}
	}
	if at.IsZero() {
		delete(r.outboxes, box)
	} else {
		r.outboxes[box] = true
	}
	s.wakeLocked(r, at)
}

// repeats returns when the receiver is to be told again that the alert fires; zero: it is not.
func (box *outbox) repeats() time.Time {
	e := box.entry
	if box.told == nil || len(box.queue) > 0 || e.episode == nil || e.silenced != nil || e.acked != nil || e.repeat.Every == 0 ||
		e.repeat.Limit > 0 && box.told.repeats >= e.repeat.Limit || !slices.Contains(e.notify, box.to) {
		return time.Time{}
	}
	return box.told.at.Add(e.repeat.Every)
}

// wakeLocked has the task of a receiver run at a time, zero for never, or earlier. If nothing is due then, the task finds
// out when something is: it alone goes through all that waits.
func (s *Service) wakeLocked(r *receiver, at time.Time) {
	key := receiverKey(r.to.Name)
	switch {
	case r.calling != nil:
		return // the end of the call decides
	case len(r.outboxes) == 0 && r.tasked:
		r.tasked, r.backoff = false, false
		s.deps.Scheduler.Remove(key)
		return
	case at.IsZero() || r.backoff:
		return
	case !r.tasked:
		if err := s.deps.Scheduler.Add(key, s.task(r), smartpoll.Retry(backoff)); err != nil {
			panic("alert: " + err.Error()) // keys are unique, and the backoff is valid
		}
		r.tasked = true
	}
	if in := at.Sub(s.deps.Clock.Now()); in > 0 {
		s.deps.Scheduler.ScheduleSooner(key, in)
	} else {
		s.deps.Scheduler.Schedule(key, 0)
	}
}

// A waiting has the notices of one group that wait to be tried for the first time by one receiver.
type waiting struct {
	group       string
	boxes       []*outbox // in whose queues they come first
	first, last time.Time // when the first and the last of them came
	alone       bool      // no other can come
}

// due is when they are told.
func (w *waiting) due(wait time.Duration) time.Time {
	if w.alone {
		return w.first
	}
	due := w.last.Add(wait)
	if most := w.first.Add(groupWaits * wait); most.Before(due) {
		return most
	}
	return due
}

// waitingLocked returns what waits to be tried for the first time, by group.
func (s *Service) waitingLocked(r *receiver) map[string]*waiting {
	all := map[string]*waiting{}
	for box := range r.outboxes {
		if !box.waits() {
			continue
		}
		group, head := box.group(), box.queue[0]
		w := all[group]
		if w == nil {
			w = &waiting{group: group, first: head.first, last: head.at, alone: s.aloneLocked(box)}
			all[group] = w
		}
		w.boxes = append(w.boxes, box)
		if head.first.Before(w.first) {
			w.first = head.first
		}
		if head.at.After(w.last) {
			w.last = head.at
		}
	}
	return all
}

// waits reports whether a notice waits to be tried for the first time.
func (box *outbox) waits() bool {
	return len(box.queue) > 0 && box.tried() == nil && box.entry.silenced == nil
}

// waitingGroups is how many groups have notices that wait to be tried for the first time.
func (r *receiver) waitingGroups() int {
	groups := map[string]bool{}
	for box := range r.outboxes {
		if box.waits() {
			groups[box.group()] = true
		}
	}
	return len(groups)
}

// nextLocked returns when there is something to tell, zero if there is nothing.
func (s *Service) nextLocked(r *receiver) (at time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, b := range r.batches {
		if !b.held() {
			sooner(b.at)
		}
	}
	for _, w := range s.waitingLocked(r) {
		sooner(w.due(r.to.GroupWait))
	}
	for box := range r.outboxes {
		sooner(box.repeats())
	}
	return at
}

// takeLocked returns the message that is to be sent next, nil if none is due. [Service.Flush] passes the messages that it has
// tried, never nil: these are left out, and the others are due.
func (s *Service) takeLocked(r *receiver, now time.Time, tried map[*batch]bool) *batch {
	for box := range r.outboxes {
		if at := box.repeats(); !at.IsZero() && !at.After(now) {
			s.enqueueLocked(box, notify.Firing, notify.Repeat, box.entry.episode.id)
			s.saveLocked(box.entry, false)
		}
	}
	var next *waiting
	var due time.Time
	for _, w := range s.waitingLocked(r) {
		at := w.due(r.to.GroupWait)
		if at.After(now) && tried == nil || next != nil && (at.After(due) || at.Equal(due) && next.group < w.group) {
			continue
		}
		next, due = w, at
	}
	for i, b := range r.batches {
		if b.held() || tried[b] {
			continue
		}
		if next == nil || !b.at.After(due) {
			r.batches = slices.Delete(r.batches, i, i+1)
			r.batches = append(r.batches, b)
			return b
		}
		break // others were tried later
	}
	if next == nil {
		return nil
	}
	b := next.batch(now)
	r.batches = append(r.batches, b)
	for _, box := range b.members {
		s.saveLocked(box.entry, true)
	}
	return b
}

// task returns the task that brings messages to a receiver, one after the other.
func (s *Service) task(r *receiver) smartpoll.Task {
	send := func(ctx context.Context) (*call, error) {
		c := s.begin(ctx, r, nil)
		if c == nil {
			return nil, nil
		}
		return c, s.send(ctx, c)
	}
	return smartpoll.Poll(send, func(_ context.Context, internal *smartpoll.Internal, c *call, err error) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.calling = nil
		if c == nil {
			r.backoff = false
		} else if err != nil {
			s.failedLocked(r, c.batch, err, time.Until(internal.Next(receiverKey(r.to.Name))))
		}
		s.retryLocked(r)
		s.wakeLocked(r, s.nextLocked(r))
		return nil
	})
}

// begin takes the next message of a receiver, as takeLocked does; nil: none is due.
func (s *Service) begin(ctx context.Context, r *receiver, tried map[*batch]bool) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return nil // the task was removed, so that the end of a call would not be heard of
	}
	b := s.takeLocked(r, s.deps.Clock.Now(), tried)
	if b == nil {
		return nil
	}
	r.calling = &call{receiver: r, batch: b, to: r.to, message: s.messageLocked(r, b), over: make(chan struct{})}
	if tried == nil {
		s.deps.Scheduler.Schedule(receiverKey(r.to.Name), -1) // what was scheduled meanwhile is up to the end of the call
	}
	return r.calling
}
