package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/snapshot"
)

// Replicas share the jobs by units, see package replica: one of them holds the claim of the topic unit/UNIT, and it alone
// starts runs of the jobs of that unit, and has their timetables. So it decides about their starts as a process alone does.
// What the next holder must know besides the runs is in the entry, a [unitState].

const (
	// unitPrefix begins the names of the topics of units.
	unitPrefix = "unit/"
	// maxUnitKeys is how many Idempotency-Keys a unit remembers.
	maxUnitKeys = 1000
	// unitReleasedWithin bounds the time for giving up all units at a stop.
	unitReleasedWithin = 5 * time.Second
)

// Replicas are the processes that share a store.
type Replicas interface {
	// Mine reports whether this process should hold a unit.
	Mine(unit string) bool
	// Away returns why no process of that name does the units that it alone should, nil if one does, or will in a moment.
	Away(name string) error
	// Name is what people call this process, and ID identifies it.
	Name() string
	ID() string
	// NameOf is what people call the process of an ID, empty if there is none.
	NameOf(id string) string
	// Living returns the IDs of all processes.
	Living() []string
	// Format is the version in which units are written.
	Format() int
	// Reads returns why a version cannot be read, or nil.
	Reads(version int) error
	// Agree reports whether all processes have the configuration of this one.
	Agree() bool
}

// A unit is one that this process holds.
type unit struct {
	name    string
	claim   snapshot.Claim
	writing sync.Mutex // makes the order of puts that of N; before units.mu

	// The fields below are guarded by units.mu.

	state  unitState
	stored uint64        // the newest N that the store has told of
	heard  chan struct{} // closed and replaced when stored changes
	runs   int           // those begun under it whose ends are not stored yet
}

// units are those of a process that shares its store. A nil *units is a process alone, which holds all.
//
// Its goroutine takes and gives up units; holding one begins and ends in hooks of the scheduler, as changes of the
// configuration do.
type units struct {
	s        *Service
	replicas Replicas
	wake     chan struct{} // of 1
	settling chan struct{} // of 1: units are being taken and given up
	loop     *lifecycle.Service
	follow   *lifecycle.Service

	mu      sync.Mutex // guards the fields below; after queue.mu and the locks of the store
	held    map[string]*unit
	holders map[string]string // who holds a unit, as far as the store has told
	refused map[string]string // why units cannot be read, as the log says
	orphans map[string]orphan // units that nobody holds
	closed  bool
}

// openUnits begins to hold units, once the store has told who does.
func (s *Service) openUnits(ctx context.Context) error {
	if s.deps.Replicas == nil {
		return nil
	}
	u := &units{
		s: s, replicas: s.deps.Replicas, wake: make(chan struct{}, 1), settling: make(chan struct{}, 1),
		held: map[string]*unit{}, holders: map[string]string{}, refused: map[string]string{}, orphans: map[string]orphan{},
	}
	var err error
	u.follow, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return s.deps.Store.Follow(ctx, u.hear, started)
	})
	if err != nil {
		return err
	}
	u.loop = lifecycle.Loop(ctx, u.run)
	s.units = u
	return nil
}

// Moved is to be called when Deps.Replicas may say something else than before. It neither blocks nor calls the store.
func (s *Service) Moved() {
	if s.units != nil {
		s.units.wakeUp()
	}
}

func (u *units) wakeUp() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Holder returns the ID of the replica that holds the unit of a job, as far as is known; empty if none does.
func (s *Service) Holder(j *config.Job) string {
	u := s.units
	if u == nil {
		return ""
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.holders[UnitOf(j)]
}

// hear takes note of who holds a unit. It is called within the store's locks.
func (u *units) hear(e snapshot.Entry) {
	name, ok := strings.CutPrefix(e.Topic, unitPrefix)
	if !ok {
		return
	}
	var state unitState
	known := e.Data != nil && json.Unmarshal(e.Data, &state) == nil
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hearOrphanLocked(name, e, state.At)
	if e.State != snapshot.Live {
		delete(u.holders, name)
		u.wakeUp()
		return
	}
	if !known {
		return
	}
	u.holders[name] = state.Holder
	if own := u.held[name]; own != nil && own.claim.Run() == e.Run && state.Holder == u.replicas.ID() && state.N > own.stored {
		own.stored = state.N
		close(own.heard)
		own.heard = make(chan struct{})
	}
}

// holds reports whether this process may start runs of a job.
func (u *units) holds(j *config.Job) bool {
	_, ok := u.of(j)
	return ok
}

// of returns the unit of a job and whether this process holds it. It is nil for a process alone, which holds all.
func (u *units) of(j *config.Job) (own *unit, ok bool) {
	if u == nil {
		return nil, true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	own = u.heldLocked(UnitOf(j))
	return own, own != nil
}

// begun takes note of a run that begins under a unit, which is not given up before the run is over.
func (u *units) begun(own *unit) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	own.runs++
}

// over takes note that a run is over: its end is stored, or the store does not take it.
func (u *units) over(own *unit) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if own.runs--; own.runs == 0 {
		u.wakeUp() // it may be another's
	}
}

// heldLocked returns a unit that is held and not lost, nil if there is none.
func (u *units) heldLocked(name string) *unit {
	own := u.held[name]
	if own == nil {
		return nil
	}
	if own.isLost() {
		return nil
	}
	return own
}

func (own *unit) isLost() bool {
	select {
	case <-own.claim.Lost():
		return true
	default:
		return false
	}
}

// GiveUp gives up the units that should be another process's, as far as they have no runs.
func (s *Service) GiveUp(ctx context.Context) error {
	if s.units == nil {
		return nil
	}
	return s.units.settle(ctx)
}

// close releases all units, which have no runs any more, and waits for what openUnits has started.
func (u *units) close() {
	if u == nil {
		return
	}
	u.mu.Lock()
	u.closed = true
	held := u.held
	u.held = map[string]*unit{}
	u.mu.Unlock()
	_ = u.loop.Stop()
	ctx, done := context.WithTimeout(context.Background(), unitReleasedWithin)
	defer done()
	for _, own := range held {
		_ = own.claim.Release(ctx) // otherwise the store notices
	}
	_ = u.follow.Stop()
}
