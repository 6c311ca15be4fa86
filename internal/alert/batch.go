package alert

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// A batch is a message that was tried. It has the same alerts each time that it is tried, but for those that are silenced
// meanwhile.
type batch struct {
	id, state, again, group string

	members []*outbox // the head of the queue of each has this batch
	sent    []*outbox // those whom the call in progress, or the last one, tells of
	summary string    // what that call tells, in one line
	at      time.Time // when the message was made
	failed  time.Time // when a call failed first; zero: none did
}

// held reports whether a message is not to be tried again for now: all of its alerts are silenced.
func (b *batch) held() bool {
	return !slices.ContainsFunc(b.members, func(box *outbox) bool { return box.entry.silenced == nil })
}

// batch makes the message that tells the oldest of what waits, and with it all that is like it.
func (w *waiting) batch(now time.Time) *batch {
	slices.SortFunc(w.boxes, func(a, b *outbox) int {
		return cmp.Or(a.queue[0].first.Compare(b.queue[0].first), cmp.Compare(a.entry.subject.Key, b.entry.subject.Key))
	})
	oldest := w.boxes[0].queue[0]
	b := &batch{id: oldest.id, state: oldest.state, again: oldest.again, group: w.group, at: now}
	for _, box := range w.boxes {
		if head := box.queue[0]; head.state == b.state && head.again == b.again {
			head.batch = b
			b.members = append(b.members, box)
		}
	}
	return b
}

// messageLocked is what a receiver is sent.
func (s *Service) messageLocked(r *receiver, b *batch) notify.Message {
	m := notify.Message{
		ID: b.id, State: b.state, Again: b.again, Group: b.group, Link: s.deps.Link(), At: *s.deps.Clock.People(s.deps.Clock.Now()),
	}
	b.sent = nil
	for _, box := range b.members {
		head := box.queue[0]
		if box.entry.silenced != nil {
			continue
		}
		b.sent = append(b.sent, box)
		m.Count++
		m.Severity = worse(m.Severity, head.item.Severity)
		if len(m.Alerts) < notify.MaxItems {
			item := *head.item
			item.Earlier = head.earlier
			m.Alerts = append(m.Alerts, item)
		}
	}
	for _, e := range s.entries {
		box := e.outboxes[r.to.Name]
		if box == nil {
			continue
		}
		knows := box.told
		if n := box.tried(); n != nil && n.batch == b && e.silenced == nil {
			knows = n.after(knows)
		}
		if knows != nil && cmp.Or(knows.group, e.group()) == b.group {
			m.Firing++
		}
	}
	m.Word()
	b.summary = m.Summary
	return m
}
