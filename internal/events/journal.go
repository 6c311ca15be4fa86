// Package events keeps a journal of what has happened: sources that became stale, alerts that fired, who was told of them, runs, reloads, people
// who signed in, and the starts and stops of the gateway.
//
// A [Journal] is told of each of these once, at the place where it happens: what people and the gateway did comes from
// the audit log, which passes on each of its records ([Journal.Audited]), so the two agree. It gives each event its ID, in
// their order, adds it to the archive, and wakes those who read along.
//
// # Readers
//
// There is one order, and one place to read from: the archive. Whoever reads along remembers the ID of the last event
// that they have had, is woken by a newer one, and then reads all events above that ID. So a list and a stream have the
// same events in the same order, and a reader who comes back with an ID misses nothing that is still kept.
//
// # Bounds
//
// A source or an alert that flaps has 10 events within 10 minutes; further changes are counted, and one event tells
// their number when the time is over. How many events are kept is up to the archive, see [archive.EventBounds].
//
// # Concurrency
//
// The methods of a Journal may be called from any goroutine.
package events

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/text"
)

// The kinds of events.
const (
	State   = "state"    // a source became ok, stale or failing
	Alert   = "alert"    // an alert began to fire, is resolved, or somebody silenced or acknowledged it
	Told    = "told"     // a receiver was told of alerts, or a message to it was given up
	Run     = "run"      // a run was started, was asked to end, or ended
	Reload  = "reload"   // the configuration was read again, and is in effect or was refused
	SignIn  = "sign-in"  // somebody signed in, or was refused
	SignOut = "sign-out" // somebody signed out
	Start   = "start"    // the gateway started
	Stop    = "stop"     // the gateway began to stop
	Store   = "store"    // the state cannot be stored, or can again
	Replica = "replica"  // another gateway that shares the store joined, left, has died, or is back
)

// Kinds are the kinds of events. They must not be changed.
var Kinds = []string{State, Alert, Told, Run, Reload, SignIn, SignOut, Start, Stop, Store, Replica}

// Personal are the kinds of events that are about people, and only for those who manage the gateway. They must not be
// changed.
var Personal = []string{SignIn, SignOut}

// maxText bounds the text of an event, and each text of its data, in bytes.
const maxText = 1000

// Deps is what a [Journal] uses. Every field but Before, Replica and Tell must be set.
type Deps struct {
	Archive archive.Events
	Clock   *clock.Clock
	// Before is when the process before was last known to be at work, by the wall clock; zero: it is not known.
	Before time.Time
	// Wake is called with the ID of each event when the archive has it, in their order. It must not block, nor call the
	// Journal.
	Wake func(id int64)
	// Replica is what people call this process among those that share the store; empty: there are no others.
	Replica string
	// Tell is called with each event of this process, in their order, for the others, but for those of the kind
	// [Replica]. It must not block, nor call the Journal. Nil means that there are none.
	Tell func(e archive.Event)
}

// A Journal records events. [Open] makes one.
type Journal struct {
	deps Deps

	mu      sync.Mutex // guards the fields below, and the order of events
	last    int64      // the ID of the newest event
	flapped map[subject]*window
	lost    map[string]struct{} // the runs that were recorded as lost
}

// Open returns a Journal that goes on behind the events in the archive, and has recorded that the gateway starts. The
// error is that of the archive.
func Open(ctx context.Context, deps Deps) (*Journal, error) {
	j := &Journal{deps: deps, flapped: map[subject]*window{}, lost: map[string]struct{}{}}
	newest, err := deps.Archive.List(ctx, archive.EventFilter{}, 1)
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		j.last = newest[0].ID
	}
	if deps.Replica != "" {
		newest = nil // of other processes: of this one there was none before
	}
	before, err := deps.Archive.List(ctx, archive.EventFilter{Kinds: []string{Start, Stop}}, 1)
	if err != nil {
		return nil, err
	}
	if err := j.recall(ctx); err != nil {
		return nil, err
	}
	j.started(newest, before)
	return j, nil
}

// add records an event, which has neither an ID nor a time.
func (j *Journal) add(e archive.Event, data any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.addLocked(e, data)
}

func (j *Journal) addLocked(e archive.Event, data any) {
	wall := j.deps.Clock.Wall().UTC()
	// A number that grows with the time, so that IDs of two processes differ even if nothing is kept on disk. It is exact
	// in a float64 until the year 2255.
	j.last = max(j.last+1, wall.UnixMicro())
	e.ID, e.At, e.Text = j.last, wall.Truncate(time.Millisecond), brief(e.Text)
	e.Data, _ = json.Marshal(data) // everything here encodes
	e.Replica = j.deps.Replica
	j.deps.Archive.Add(e)
	j.deps.Wake(e.ID)
	if j.deps.Tell != nil && e.Kind != Replica { // what becomes of another one each sees itself
		j.deps.Tell(e)
	}
}

// Heard records an event of another process that shares the store. Its ID stays, unless there is a newer event here already:
// then it is the next one, so that those who read along get it.
func (j *Journal) Heard(e archive.Event) {
	if e.Kind == Run && e.Text == lost && !j.noteLost(e.Run) {
		return // both have found that out
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e.ID = max(j.last+1, e.ID)
	j.last = e.ID
	j.deps.Archive.Add(e)
	j.deps.Wake(e.ID)
}

// brief bounds a text.
func brief(s string) string { return text.Cut(s, maxText) }
