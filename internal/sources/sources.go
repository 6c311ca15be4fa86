// Package sources polls the sources of a configuration and publishes what they are.
//
// A [Service] has the sources that are configured now. Each is a task of the scheduler, whose
// hook turns the result of a poll into a snapshot, a [wire.Source], and puts that into the
// [snapshot.Store]. From there it comes into the topic source/NAME, by way of whoever follows
// the store.
//
// # Pace
//
// A source is polled at the pause of its configuration, spread by its name; its value, its
// watchers, a failure and the limit of its upstream change that. A [kind.Computed] source has no
// pause: the topics of its inputs wake it, and it then reads them from their owner, see
// [own.Store.Latest]. So it does not matter how late a store tells of them.
//
// A source that is told its values, see [kind.Subscriber], has no pause either: its subscription
// wakes it, and it then takes the newest message as if that had been polled.
//
// # Reloads
//
// [Service.Prepare] leads to another configuration. Sources that are the same in both keep their
// tasks and times; one that is changed goes on with its value if that still means the same.
//
// # Owners
//
// Whoever has the claim of a source's topic polls it. A source that another process polls is followed: it
// is shown from the store, and is polled here when its owner has left it. It then goes on with the last
// snapshot, as it does after a restart, where the store outlives the process. [Service.Open] begins to
// follow the store.
//
// # Concurrency
//
// The state of a source belongs to hooks of the scheduler, so it needs no lock. The methods of a
// Service may be called from any goroutine, unless they say otherwise. Polls run on goroutines of
// the scheduler. Those of subscriptions begin with the first run of a source's task and end when a
// change removes or replaces the source, whose Finish waits for that, or with [Service.Stop].
package sources

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// Deps is what a [Service] uses. Every field but Meanings, LeftRows, Mine, Alike, Away, Replica, Watched, Rows and Observer must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // runs the polls; it must be dynamic
	Store     *own.Store           // where the snapshots live
	Hub       *sse.Hub             // serves the topics of the store
	Log       *slog.Logger
	Clock     *clock.Clock
	Client    *http.Client    // of the kinds that go over HTTP
	Upstreams *upstream.Pool  // whose limits polls keep
	Alerts    *alert.Service  // evaluates the alerts of sources and delivers them
	Samples   archive.Samples // gets what each poll gave
	Spans     archive.Spans   // gets the states of sources
	Meanings  Meanings        // keeps what values mean; nil: no value outlives the process
	LeftRows  LeftRows        // forgets rows that are gone for good; nil: the past of a source ends with it

	// Mine reports whether this process should poll the sources of a unit, see [UnitOf]. It is called by hooks, and must
	// not block. Nil means that it should poll all.
	Mine func(unit string) bool
	// Alike reports whether all processes that share the store have the configuration of this one, as far as is known. It is
	// called by hooks, and must not block. Nil means that they have.
	Alike func() bool
	// Away returns why no replica of that name polls what it alone should, nil if one does, or will in a moment. Nil means
	// that there are no others.
	Away func(name string) error
	// Replica is what people call this process among those that share the store; empty: there are no others.
	Replica string

	// Watched is called by a hook with the sources that are watched here, whenever they may have changed. It must not
	// block. Nil means that nobody else has to know.
	Watched func(names []string)

	// Rows is called by a hook with the rows of which a source that is split should have children from now on, if these are
	// not as they should be. It must not block. Nil means that there are no children.
	Rows func(source string, rows []config.Row)

	// Changed is called by a hook when a source, which is not pending, gets another state, and why if that is not ok. It
	// must not block.
	Changed func(source, before, state string, why *string)
	// ClockSet is called by a hook when the wall clock was set, which changes the times that people
	// are shown.
	ClockSet func()
	// Observer is told what happens. Nil means nobody is.
	Observer *Observer
}

// An Observer is told what becomes of polls. A nil Observer and nil funcs are fine. Funcs are
// called from many goroutines, and must not block.
type Observer struct {
	// Late is called when a poll begins. Held is how long after it was due the limit of its upstream or the poll before
	// held it up, and late is how long the scheduler then took to start it.
	Late func(late, held time.Duration)
	// Polled is called when a poll has ended. A computation that has nothing to compute yet is none.
	Polled func(Poll)
	// Adopted is called when a source is polled here from now on because the replica that polled it has left it.
	Adopted func(source string)
	// Removed is called when a source is not there any more, after its last poll.
	Removed func(source string)
}

func (o *Observer) removed(source string) {
	if o != nil && o.Removed != nil {
		o.Removed(source)
	}
}

func (o *Observer) adopted(source string) {
	if o != nil && o.Adopted != nil {
		o.Adopted(source)
	}
}

// OnStart returns the func by which the scheduler of the polls tells o how late they begin, or nil if o need not know.
func (o *Observer) OnStart() func(key any, late, held time.Duration) {
	if o == nil || o.Late == nil {
		return nil
	}
	return func(key any, late, held time.Duration) {
		if name, ok := key.(string); ok && strings.HasPrefix(name, wire.SourceKey("")) {
			o.Late(late, held)
		}
	}
}

// A Poll is one poll of a source.
type Poll struct {
	Source   string
	Kind     string // such as http: the key of the source that says where its values come from
	Upstream string // empty if the source has none
	Took     time.Duration
	Err      error
}

// A Service has the sources of a configuration. [New] makes one.
type Service struct {
	deps Deps
	list atomic.Pointer[[]*poller] // replaced as a whole and never changed

	elsewhere atomic.Pointer[map[string]bool] // the sources that are watched at other replicas

	lived time.Time // when the clock was looked at last, by the wall clock; used by hooks alone

	following, taking *lifecycle.Service // see Open; nil before that
	anyToFill         chan struct{}      // of 1: something is in toFill, or is to be given up
	changing          chan struct{}      // of 1: sources are being exchanged

	mu      sync.Mutex                // guards the fields below; after the locks of the store, which calls heard within them
	changed map[*poller]struct{}      // some of their inputs have changed
	vacant  map[string]snapshot.Entry // by topic: those without an owner, to be looked at by a hook
	toFill  []snapshot.Entry          // those of them that need one
	left    map[string]snapshot.Entry // by topic: those without one that are not configured here, and may be elsewhere

	toGiveUp bool // some sources should be another process's
}

// New returns a Service without sources, with tasks of its own in the scheduler. [Service.Prepare] brings sources.
func New(deps Deps) *Service {
	svc := &Service{
		deps: deps, changed: map[*poller]struct{}{},
		anyToFill: make(chan struct{}, 1), changing: make(chan struct{}, 1), vacant: map[string]snapshot.Entry{},
		left: map[string]snapshot.Entry{},
	}
	svc.list.Store(new([]*poller))
	for key, hook := range map[any]smartpoll.TaskHook{
		watchersKey{}: svc.checkWatchers,
		changedKey{}:  svc.scheduleChanged,
		vacantKey{}:   svc.checkVacant,
		movedKey{}:    svc.checkMoved,
		clockKey{}:    svc.checkClock,
	} {
		err := deps.Scheduler.Add(key, func(context.Context) (smartpoll.TaskHook, error) { return hook, nil })
		if err != nil {
			panic("sources: " + err.Error()) // the scheduler is not dynamic, or has another Service
		}
	}
	deps.Scheduler.Schedule(clockKey{}, 0)
	return svc
}

// all returns the sources in the order of the configuration.
func (svc *Service) all() []*poller { return *svc.list.Load() }

// find returns the source of that name, nil if there is none.
func (svc *Service) find(name string) *poller {
	all := svc.all()
	if i := slices.IndexFunc(all, func(s *poller) bool { return s.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// Topics are the topics of the configured sources, in their order.
func (svc *Service) Topics() []*sse.Topic {
	var topics []*sse.Topic
	for _, s := range svc.all() {
		topics = append(topics, s.topic)
	}
	return topics
}

// Topic is the topic of a source, which has its snapshots; nil if it is not configured.
func (svc *Service) Topic(name string) *sse.Topic {
	if s := svc.find(name); s != nil {
		return s.topic
	}
	return nil
}

// Definition is the configuration of a source, nil if it is not configured. It must not be modified.
func (svc *Service) Definition(name string) *config.Source {
	if s := svc.find(name); s != nil {
		return s.Source
	}
	return nil
}

// A Status is how a source is.
type Status struct {
	Name        string
	State       string    // pending, ok, stale or failing
	LastSuccess time.Time // zero: there was none yet
	Alert       string    // clear, pending, firing or unknown; empty: it has none
	Owned       bool      // this process polls it
}

// Status is how the configured sources are, in their order.
func (svc *Service) Status() []Status {
	var all []Status
	for _, s := range svc.all() {
		snap := s.latest()
		status := Status{Name: s.Name, State: snap.State, Owned: s.owned.Load()}
		if snap.UpdatedAt != nil {
			status.LastSuccess = *snap.UpdatedAt
		}
		switch {
		case s.Alert == nil:
		case snap.Alert == nil:
			status.Alert = wire.AlertClear
		default:
			status.Alert = snap.Alert.State
		}
		all = append(all, status)
	}
	return all
}
