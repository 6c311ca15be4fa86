package alert

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// An outbox has the notices of one alert for one receiver, and what the receiver knows of the alert.
//
// Notices alternate: after one of firing comes one of resolved, and the reverse, except for those that say again why the
// alert fires. Notices that were not tried are folded, so that there are two at most, behind one that was tried. A fold
// counts the episodes that it leaves out, see [notify.Item].Earlier.
type outbox struct {
	entry *entry
	to    string // the receiver

	told  *known    // as what the receiver knows the alert to fire, or may know it; nil: it does not
	queue []*notice // in the order in which they are to be told; replaced, so that it does not hold what was dropped
	last  outcome   // of the newest message
}

// A known is what a receiver knows of an alert that fires.
type known struct {
	episode string
	reason  string
	group   string    // of the message that told it first; empty: it is not told yet
	at      time.Time // when it was told last, by the monotonic clock
	repeats int       // how often it was repeated
}

// A notice tells one receiver that one alert fires, or is resolved.
type notice struct {
	id      string
	state   string       // notify.Firing or notify.Resolved
	again   string       // why it is told again; empty: it is not
	episode string       // of which it tells
	item    *notify.Item // how the alert was then; it is not modified
	earlier int          // how many episodes before it were left out

	at    time.Time // when it was put into the queue, by the monotonic clock
	first time.Time // when the first of those was that were folded into it
	batch *batch    // the message with which it was tried; nil: it was not
}

// An outcome is what became of a message.
type outcome struct {
	at      time.Time // by the monotonic clock; zero: there was none
	givenUp bool
	err     string // why it was given up
}

// group is that of the next message about the alert. What a receiver was told of one group is resolved in that group, also if
// the source belongs to another upstream now: services have an incident for each group, and it would stay open.
func (box *outbox) group() string {
	if box.told != nil && box.told.group != "" {
		return box.told.group
	}
	return box.entry.group()
}

// tried returns the notice that was tried and is to be told still, nil if there is none.
func (box *outbox) tried() *notice {
	if len(box.queue) > 0 && box.queue[0].batch != nil {
		return box.queue[0]
	}
	return nil
}

// untried is the part of the queue that was not tried.
func (box *outbox) untried() []*notice {
	if box.tried() != nil {
		return box.queue[1:]
	}
	return box.queue
}

// after returns what a receiver knows after n, given what it knew before.
func (n *notice) after(before *known) *known {
	if n.state == notify.Resolved {
		return nil
	}
	k := &known{episode: n.episode, reason: n.item.Reason}
	switch {
	case before != nil:
		k.group = before.group
	case n.batch != nil:
		k.group = n.batch.group
	}
	if before != nil && before.episode == n.episode {
		k.repeats = before.repeats
	}
	if n.again == notify.Repeat {
		k.repeats++
	}
	return k
}

// knownAfterAll is what the receiver knows after all notices of the queue.
func (box *outbox) knownAfterAll() *known {
	k := box.told
	for _, n := range box.queue {
		k = n.after(k)
	}
	return k
}

// knownAfterTried is what the receiver knows if the notices that were not tried are withdrawn.
func (box *outbox) knownAfterTried() *known {
	if n := box.tried(); n != nil {
		return n.after(box.told)
	}
	return box.told
}

// withdraw drops the notices that were not tried.
func (box *outbox) withdraw() {
	box.queue = slices.Clone(box.queue[:len(box.queue)-len(box.untried())])
}

// withdrawFiring drops the notices that were not tried, except the one that resolves what the receiver knows as firing.
func (box *outbox) withdrawFiring() {
	rest := box.untried()
	switch {
	case box.knownAfterTried() == nil:
		box.withdraw()
	case len(rest) > 0 && rest[len(rest)-1].state == notify.Firing:
		box.queue = slices.Clone(box.queue[:len(box.queue)-1])
	}
}

// withdrawRepeat drops a notice that repeats that the alert fires, if it was not tried.
func (box *outbox) withdrawRepeat() {
	if rest := box.untried(); len(rest) > 0 && rest[len(rest)-1].again == notify.Repeat {
		box.queue = slices.Clone(box.queue[:len(box.queue)-1])
	}
}

// add puts n at the end of the queue, and folds the notices that were not tried.
func (box *outbox) add(n *notice) {
	rest := box.untried()
	fold := func(from int) {
		n.first = rest[from].first
		rest = rest[:from]
	}
	switch knows := box.knownAfterTried() != nil; {
	case len(rest) == 0:
	case n.state == notify.Firing && rest[len(rest)-1].state == notify.Firing: // n is newer
		newest := rest[len(rest)-1]
		if newest.again == "" {
			n.again = "" // the receiver does not know yet that it fires
		}
		n.earlier = newest.earlier
		fold(len(rest) - 1)
	case rest[len(rest)-1].again != "": // resolved: there is nothing to tell again any more
		fold(len(rest) - 1)
	case len(rest) == 2 && !knows && n.state == notify.Firing: // after firing and resolved, which nobody heard of
		n.earlier += rest[0].earlier + rest[1].earlier + 1
		fold(0)
	case len(rest) == 2 && knows && n.state == notify.Resolved: // after resolved and firing, which nobody heard of
		n.earlier += rest[0].earlier + rest[1].earlier + 1
		fold(0)
	}
	tried := box.queue[:len(box.queue)-len(box.untried())]
	box.queue = slices.Concat(tried, rest, []*notice{n})
}

// finish takes n, which was tried, off the queue: the receiver knows it, or it is given up and counts as told.
func (box *outbox) finish(n *notice, now time.Time, givenUp error) {
	box.told = n.after(box.told)
	if box.told != nil {
		box.told.at = now
	}
	box.queue = slices.Clone(box.queue[1:])
	box.last = outcome{at: now}
	if givenUp != nil {
		box.last.givenUp, box.last.err = true, givenUp.Error()
	}
}
