package alert

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// An account is what one receiver knows of one alert, and what it is to be told of it.
//
// What it is to be told alternates: after a receiver was told that the alert fires, it is told that it is resolved, and
// the reverse. What was not tried yet is folded, so that there are two such transitions at most, and in front of them one
// that was tried. A fold counts what it leaves out, see [notify.Item].Earlier.
type account struct {
	entry *entry
	to    string // the receiver

	told  *knowledge // what the receiver knows, or may know, as firing; nil: nothing
	queue []*owed    // what it is to be told, in this order
	last  outcome    // of the newest message
}

// A knowledge is an alert that fires as far as a receiver knows.
type knowledge struct {
	episode string
	reason  string
	at      time.Time // when it was told last, by the monotonic clock
	repeats int       // how often it was repeated
}

// An owed is one thing that a receiver is to be told of one alert.
type owed struct {
	id      string
	state   string       // notify.Firing or notify.Resolved
	again   string       // why it is told again; empty: it is not
	episode string       // of which it tells
	item    *notify.Item // how the alert was then; it is not modified
	earlier int          // how many episodes before it were left out

	first, at time.Time // since when something waits in its place, and since when this does, by the monotonic clock
	batch     *batch    // the message with which it was tried; nil: it was not
}

// An outcome is what became of a message.
type outcome struct {
	at      time.Time // by the monotonic clock; zero: there was none
	givenUp bool
	err     string // why it was given up
}

// tried is what is tried at the moment, nil if nothing is.
func (a *account) tried() *owed {
	if len(a.queue) > 0 && a.queue[0].batch != nil {
		return a.queue[0]
	}
	return nil
}

// untried is the part of the queue that was not tried.
func (a *account) untried() []*owed {
	if a.tried() != nil {
		return a.queue[1:]
	}
	return a.queue
}

// after returns what the receiver knows after it was told o.
func (o *owed) after(before *knowledge) *knowledge {
	if o.state == notify.Resolved {
		return nil
	}
	k := &knowledge{episode: o.episode, reason: o.item.Reason}
	if before != nil && before.episode == o.episode {
		k.repeats = before.repeats
	}
	if o.again == notify.Repeat {
		k.repeats++
	}
	return k
}

// finally is what the receiver knows when it was told all that is in the queue.
func (a *account) finally() *knowledge {
	k := a.told
	for _, o := range a.queue {
		k = o.after(k)
	}
	return k
}

// firmly is what the receiver may know even if nothing more is told than what was tried.
func (a *account) firmly() *knowledge {
	if o := a.tried(); o != nil {
		return o.after(a.told)
	}
	return a.told
}

// withdraw drops what was not tried.
func (a *account) withdraw() { a.queue = slices.Clone(a.queue[:len(a.queue)-len(a.untried())]) }

// withdrawFiring drops what was not tried, but that what the receiver knows as firing is resolved.
func (a *account) withdrawFiring() {
	rest := a.untried()
	switch {
	case a.firmly() == nil:
		a.withdraw()
	case len(rest) > 0 && rest[len(rest)-1].state == notify.Firing:
		a.queue = slices.Clone(a.queue[:len(a.queue)-1])
	}
}

// withdrawRepeat drops that the receiver is told again that the alert fires still, if that was not tried.
func (a *account) withdrawRepeat() {
	if rest := a.untried(); len(rest) > 0 && rest[len(rest)-1].again == notify.Repeat {
		a.queue = slices.Clone(a.queue[:len(a.queue)-1])
	}
}

// owe puts o at the end of the queue, and folds what was not tried.
func (a *account) owe(o *owed) {
	rest := a.untried()
	n := len(rest)
	fold := func(from int) {
		o.first = rest[from].first
		rest = rest[:from]
	}
	switch knows := a.firmly() != nil; {
	case n == 0:
	case o.state == notify.Firing && rest[n-1].state == notify.Firing: // it fires still, and otherwise
		if rest[n-1].again == "" {
			o.again = ""
		}
		o.earlier = rest[n-1].earlier
		fold(n - 1)
	case rest[n-1].again != "": // it need not be told again any more
		fold(n - 1)
	case n == 2 && !knows && o.state == notify.Firing: // firing, resolved
		o.earlier += rest[0].earlier + rest[1].earlier + 1
		fold(0)
	case n == 2 && knows && o.state == notify.Resolved: // resolved, firing
		o.earlier += rest[0].earlier + rest[1].earlier + 1
		fold(0)
	}
	head := len(a.queue) - len(a.untried())
	a.queue = append(slices.Clone(a.queue[:head]), append(slices.Clone(rest), o)...)
}

// learn takes o, which was tried, off the queue: the receiver knows it, or it is given up and counts as told.
func (a *account) learn(o *owed, now time.Time, givenUp error) {
	a.told = o.after(a.told)
	if a.told != nil {
		a.told.at = now
	}
	a.queue = slices.Clone(a.queue[1:])
	a.last = outcome{at: now}
	if givenUp != nil {
		a.last.givenUp, a.last.err = true, givenUp.Error()
	}
}
