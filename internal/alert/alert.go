// Package alert watches conditions of sources and ends of runs, and decides what receivers are told of them.
//
// A [Service] has the alerts, what each receiver knows of them, and the silences. Each source with an alert has a
// [Monitor], which goes through these states as the conditions of its configuration are evaluated on values:
//
//	           if holds         for and after are over
//	clear -----------> pending ---------------> firing
//	  ^                   |                        |
//	  +-------------------+------------------------+
//	     if does not hold     clear holds for clear_for
//
// A condition that cannot be evaluated changes nothing about an alert that is pending or firing; one that was clear is
// unknown until it can. Each job with an alert has a [JobMonitor]: it fires when a run ends badly, takes too long or does
// not begin, and is clear when a run succeeds.
//
// # What receivers are told
//
// An episode is from when an alert begins to fire until it is resolved. What a receiver is told is reconciled with how the
// alert is: whenever that changes, or a silence, or the configuration, the receiver owes to be told what leads from what
// it knows to what is. So of each alert a receiver is told firing and resolved alternately; a firing alert may be told
// again, which [notify.Message].Again says. What cannot be told for a while is folded: it waits as two messages at most,
// besides one that was tried, and these count the episodes that they leave out.
//
// While an alert is silenced, nothing is told of it. At the end of that a receiver is told how it is by then, if it does
// not know so already.
//
// The alerts of one upstream are one group: what one receiver is to be told of them waits until nothing has joined it for
// its group_wait, and is one message. An alert that can have no company, as it is the only one of its upstream, has none or
// is that of a job, waits for nothing.
//
// Each receiver gets one message after the other, independently of the others: one that hangs holds up no other. A message
// that fails is tried again, behind the others of its receiver, as the same message with the same ID, for 24 hours. Then it is
// given up, and counts as told.
//
// # Restarts
//
// With a [Store], see [Service.Restore], all of this goes on in the next process. A record has the state of an alert and
// what each receiver knows and is to be told, so each change of these is stored as a whole: a process that is killed
// repeats at most what it was doing.
//
// # Concurrency
//
// One mutex guards a Service with its Monitors. All methods may be called from any goroutine, also by hooks of the
// scheduler, and do not block. Funcs in [Deps], and the one given to [Service.Monitor], are called while it is held: they
// must not block, nor call methods of the Service and its Monitors.
package alert

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// Deps is what a [Service] uses. Every field but Link, Published and Observer must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // has a task for each receiver with something to be told
	Client    *http.Client         // makes the calls
	Log       *slog.Logger
	Clock     *clock.Clock
	// Changed is called when an alert begins to fire, fires for another reason, or is resolved, with the key of its
	// subject, [notify.Firing] or [notify.Resolved], and the reason of a job.
	Changed func(key, state, reason string)
	// Link returns the address of the page that messages have, empty if it has none; nil: it has none.
	Link func() string
	// Published is called when what [Service.Alerts] returns is another than before; nil: nobody is told.
	Published func()
	Observer  *Observer // may be nil
}

// An Observer is called with the outcome of messages. A nil Observer and nil funcs are allowed. Funcs are called from
// many goroutines, and must not block.
type Observer struct {
	// Told is called for each call of a receiver, with the state that the message tells of and the error of the call.
	Told func(receiver, state string, err error)
	// GivenUp is called for each message that is given up.
	GivenUp func(receiver, state string)
}

func (o *Observer) told(receiver, state string, err error) {
	if o != nil && o.Told != nil {
		o.Told(receiver, state, err)
	}
}

func (o *Observer) givenUp(receiver, state string) {
	if o != nil && o.GivenUp != nil {
		o.GivenUp(receiver, state)
	}
}

// A Service has all alerts. [New] makes one.
type Service struct {
	deps Deps

	mu        sync.Mutex               // guards the fields below, all that they lead to, and the states of Monitors
	entries   map[string]*entry        // by the key of their subject
	receivers map[string]*receiver     // by name
	silences  map[string]*wire.Silence // by ID
	quiet     []*config.Quiet
	quietNow  []wire.Silence            // those of quiet that had begun at the last look
	hushed    map[string]*wire.Silenced // what silences and quiet times came to then, by what they are of
	members   map[string]int            // how many alerts at work each group has
	timed     bool                      // the scheduler has the task that ends silences
	keeper    *keeper                   // what is kept beyond the process; nil: nothing is
}

// New returns a Service without alerts.
func New(deps Deps) *Service {
	if deps.Published == nil {
		deps.Published = func() {}
	}
	if deps.Link == nil {
		deps.Link = func() string { return "" }
	}
	return &Service{
		deps: deps, entries: map[string]*entry{}, receivers: map[string]*receiver{}, silences: map[string]*wire.Silence{}, members: map[string]int{},
	}
}

// A Subject is what an alert is about: a source or a job.
type Subject struct {
	Key      string // wire.SourceKey or wire.JobKey of Name
	Name     string
	Title    string           // for people
	Headline string           // the member of a source's value that people are shown first; empty: the only one, or all of it
	Upstream string           // that a source polls, or a job requests; empty: none
	Secrets  *secret.Redactor // what errors of conditions do not show
}
