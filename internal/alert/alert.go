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
// An episode is from when an alert begins to fire until it is resolved. Each alert has an outbox for each of its
// receivers: what the receiver knows, and a queue of notices. Whenever the alert, a silence or the configuration changes,
// the outbox is reconciled: a notice is put into it that leads from what the receiver knows to how the alert is. So a
// receiver is told firing and resolved alternately; a firing alert may be told again, which [notify.Message].Again says.
// Notices that cannot be told for a while are folded: two wait at most, besides one that was tried, and these count the
// episodes that they leave out.
//
// While an alert is silenced, by people or by a quiet time of the configuration, nothing is told of it. At the end a
// receiver is told how the alert is by then, if it does not know so already.
//
// The alerts of one upstream are one group. Their notices for one receiver wait until no other has come for its
// group_wait, and then are one message, a batch. An alert without an upstream, the only one of its upstream and that of a
// job have no company to wait for.
//
// Each receiver gets one message after the other, independently of the others: one that hangs holds up no other. A message
// that fails is tried again, behind the others of its receiver, as the same message with the same ID, for 24 hours. Then it is
// given up, and counts as told.
//
// # Restarts
//
// With a [Store], see [Service.Restore], all of this goes on in the next process. A record has the status of an alert and
// its outboxes, so each change of these is stored as a whole. A process that is killed repeats at most the messages that it
// was sending.
//
// # Concurrency
//
// One mutex guards a Service with its Monitors. All methods may be called from any goroutine, also by hooks of the
// scheduler, and do not block. Funcs in [Deps], and the one given to [Service.Monitor], are called while it is held: they
// must not block, nor call methods of the Service and its Monitors.
package alert

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// Deps is what a [Service] uses. Every field but Upstream, Told, Link, ListChanged, Newest and Observer must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // has a task for each receiver with something to be told
	Client    *http.Client         // makes the calls
	// Upstream returns the client for a call of a webhook by an upstream, when the limits of that admit one, and what to call
	// when it is over. It may be nil if there are no such webhooks.
	Upstream func(ctx context.Context, name string) (client *http.Client, done func(), err error)
	Log      *slog.Logger
	Clock    *clock.Clock
	// Changed is called when an alert begins to fire, fires for another reason, or is resolved, with the key of its
	// subject, [notify.Firing] or [notify.Resolved], and the reason of a job.
	Changed func(key, state, reason string)
	// Told is called when a receiver was told of alerts, or a message to it is given up; nil: nobody is told.
	Told func(Told)
	// Link returns the address of the page that messages have, empty if it has none; nil: it has none.
	Link func() string
	// ListChanged is called when [Service.Alerts] returns something else than before; nil: nobody is told.
	ListChanged func()
	// Newest returns how a source is that another process polls. It is called without locks. Nil means that there is no
	// other process.
	Newest   func(source string) (snap wire.Source, ok bool)
	Observer *Observer // may be nil
}

// A Told is what became of a message.
type Told struct {
	Receiver string
	ID       string   // of the message
	State    string   // [notify.Firing] or [notify.Resolved]
	Again    string   // why it was told again; empty: it was not
	Summary  string   // what it says, in one line
	Alerts   []string // the keys of what it is about
	GivenUp  error    // why it was given up; nil: the receiver has it
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

	mu         sync.Mutex               // guards the fields below, all that they lead to, and the states of Monitors
	entries    map[string]*entry        // by the key of their subject
	receivers  map[string]*receiver     // by name
	silences   map[string]*wire.Silence // by ID
	quiet      []*config.Quiet
	quietNow   []wire.Silence            // those of quiet that had begun when silences were applied last
	inEffect   map[string]*wire.Silenced // why nothing is told since then, by what silences are of
	groupSizes map[string]int            // how many alerts that are configured each group has
	tasked     bool                      // the scheduler has the task that applies silences in time
	keeper     *keeper                   // what is kept beyond the process; nil: nothing is
	heard      map[string]heard          // the alerts that processes which share the store have kept, by key
}

// New returns a Service without alerts.
func New(deps Deps) *Service {
	if deps.ListChanged == nil {
		deps.ListChanged = func() {}
	}
	if deps.Told == nil {
		deps.Told = func(Told) {}
	}
	if deps.Link == nil {
		deps.Link = func() string { return "" }
	}
	return &Service{
		deps: deps, entries: map[string]*entry{}, receivers: map[string]*receiver{}, silences: map[string]*wire.Silence{},
		groupSizes: map[string]int{}, heard: map[string]heard{},
	}
}

// A Subject is what an alert is about: a source or a job.
type Subject struct {
	Key      string // wire.SourceKey or wire.JobKey of Name
	Name     string
	Title    string           // for people
	Section  string           // in which it stands, as a path; empty: in none
	Headline string           // the member of a source's value that people are shown first; empty: the only one, or all of it
	Upstream string           // that a source polls, or a job requests; empty: none
	Secrets  *secret.Redactor // what errors of conditions do not show
}
