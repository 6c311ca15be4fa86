// Package alert watches conditions and delivers messages about them to webhooks.
//
// A [Service] delivers. Each source with an alert has a [Monitor], which goes through these states as the conditions of
// its configuration are evaluated on values:
//
//	           if holds            for is over
//	clear -----------> pending ---------------> firing
//	  ^                   |                        |
//	  +-------------------+------------------------+
//	     if does not hold     clear holds for clear_for
//
// A condition that cannot be evaluated changes nothing about an alert that is pending or firing; one that was clear is
// unknown until it can. When an alert begins to fire, and when a firing one is clear again, every webhook of its
// configuration gets a message.
//
// # Restarts
//
// With a [Store], see [Service.Restore], all of this goes on in the next process. A record has the state of an alert, the
// messages that are to be delivered and the webhooks that know of it, so each change of these is stored as a whole: a
// process that is killed repeats at most what it was doing.
//
// # Concurrency
//
// [Monitor.Evaluate] may be called from any goroutine. Only hooks of the scheduler in Deps may call anything else, but
// for [Service.Flush], which is called when the scheduler has ended.
package alert

import (
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/smartpoll"
)

// Deps is what a [Service] uses. Every field but Observer must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // has a task for each webhook with something to deliver
	Client    *http.Client         // makes the calls
	Log       *slog.Logger
	Clock     *clock.Clock
	// Changed is called by a hook when the alert of a source begins to fire, or is resolved: see [Message].State. It must
	// not block.
	Changed  func(source, state string)
	Observer *Observer // may be nil
}

// An Observer is called with the outcome of messages. A nil Observer and nil funcs are allowed. Funcs are called from
// many goroutines, and must not block.
type Observer struct {
	// Delivered is called for each call of a webhook, with the error that it came to.
	Delivered func(webhook string, err error)
	// Lost is called for each message that is given up.
	Lost func(webhook string)
}

func (o *Observer) delivered(webhook string, err error) {
	if o != nil && o.Delivered != nil {
		o.Delivered(webhook, err)
	}
}

func (o *Observer) lost(webhook string) {
	if o != nil && o.Lost != nil {
		o.Lost(webhook)
	}
}

// A Service delivers messages to webhooks. [New] makes one.
//
// Each webhook with something to deliver has a task in the scheduler, which calls it with one message after the other.
// So a webhook that hangs holds up no other one, and there are never more calls in progress than webhooks.
//
// What counts is the newest state of each source: a message that waits is replaced by the next one of its source. So an
// outbox has at most one message a source, and one in progress. Messages of one source arrive in their order, and at
// least once: a call that broke off may have arrived. That an alert is resolved is delivered to webhooks that know, or
// may know, that it fires.
type Service struct {
	deps  Deps
	boxes map[string]*outbox // what is to be delivered, by the webhook's name
	fires map[alarm]bool     // what was delivered as firing, and not yet as resolved

	keeper *keeper // what is kept beyond the process; nil: nothing is
}

// An alarm is a webhook and a source that is firing as far as the webhook knows.
type alarm struct{ webhook, source string }

// New returns a Service with nothing to deliver.
func New(deps Deps) *Service {
	return &Service{deps: deps, boxes: map[string]*outbox{}, fires: map[alarm]bool{}}
}
