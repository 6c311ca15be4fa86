package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

// Replicas share the jobs by units, see package replica: one of them holds the claim of the topic unit/UNIT, and it alone
// starts runs of the jobs of that unit, and has their timetables. So it decides about their starts as a process alone does.
// What the next holder must know besides the runs is in the entry, a [unitState].

const (
	// unitPrefix begins the names of the topics of units.
	unitPrefix = "unit/"
	// unitFormat is the version of their data.
	unitFormat = 1
	// maxUnitKeys is how many Idempotency-Keys a unit remembers.
	maxUnitKeys = 1000
	// unitStoredWithin bounds the wait for the entry of a unit to be stored, before a start is answered.
	unitStoredWithin = 5 * time.Second
)

// Replicas are the processes that share a store.
type Replicas interface {
	// Mine reports whether this process should hold a unit.
	Mine(unit string) bool
	// ID identifies this process.
	ID() string
	// NameOf is what people call the process of an ID, empty if there is none.
	NameOf(id string) string
}

// UnitOf returns the unit of a job: that of its group, of its upstream, whose limits are then kept by one process, or its
// own.
func UnitOf(j *config.Job) string {
	switch {
	case j.Group != "":
		return "group/" + j.Group
	case j.HTTP != nil && j.HTTP.Upstream != nil:
		return "upstream/" + j.HTTP.Upstream.Name
	}
	return wire.JobKey(j.Name)
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
}

// units are those of a process that shares its store. A nil *units is a process alone, which holds all.
//
// Its goroutine takes and gives up units; holding one begins and ends in hooks of the scheduler, as changes of the
// configuration do.
type units struct {
	s        *Service
	replicas Replicas
	wake     chan struct{} // of 1
	loop     *lifecycle.Service
	follow   *lifecycle.Service

	mu      sync.Mutex // guards the fields below; after queue.mu and the locks of the store
	held    map[string]*unit
	holders map[string]string // who holds a unit, as far as the store has told
	closed  bool
}

// openUnits begins to hold units, once the store has told who does.
func (s *Service) openUnits(ctx context.Context) error {
	if s.deps.Replicas == nil {
		return nil
	}
	u := &units{
		s: s, replicas: s.deps.Replicas, wake: make(chan struct{}, 1), held: map[string]*unit{}, holders: map[string]string{},
	}
	synced := false // written before started is called
	u.follow = lifecycle.Start(ctx, func(ctx context.Context, started func()) error {
		return s.deps.Store.Follow(ctx, u.hear, func() { synced = true; started() })
	})
	if <-u.follow.Started(); !synced {
		return u.follow.Stop()
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
	if u == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.heldLocked(UnitOf(j)) != nil
}

// heldLocked returns a unit that is held and not lost, nil if there is none.
func (u *units) heldLocked(name string) *unit {
	own := u.held[name]
	if own == nil {
		return nil
	}
	select {
	case <-own.claim.Lost():
		return nil
	default:
		return own
	}
}

// settle brings what is held to what should be.
func (u *units) settle(ctx context.Context) (err error) {
	wanted := map[string]bool{}
	for _, j := range u.s.List() {
		wanted[UnitOf(j.Job)] = u.replicas.Mine(UnitOf(j.Job))
		u.watchFrom(j.Job, false) // it may be new
	}
	u.mu.Lock()
	held := make([]*unit, 0, len(u.held))
	for _, own := range u.held {
		held = append(held, own)
	}
	closed := u.closed
	u.mu.Unlock()
	for _, own := range held {
		u.mu.Lock()
		lost := u.heldLocked(own.name) == nil
		u.mu.Unlock()
		if lost || closed || !wanted[own.name] {
			err = errors.Join(err, u.giveUp(ctx, own, lost))
		}
	}
	for name, mine := range wanted {
		u.mu.Lock()
		take := mine && u.held[name] == nil && u.holders[name] == "" && !u.closed
		u.mu.Unlock()
		if take {
			err = errors.Join(err, u.take(ctx, name))
		}
	}
	return err
}

// take takes a unit that nobody holds.
func (u *units) take(ctx context.Context, name string) error {
	store := u.s.deps.Store
	claim, entry, err := store.Claim(ctx, unitPrefix+name, snapshot.ClaimOptions{})
	isFresh := claim != nil
	if err == nil && claim == nil && entry.State == snapshot.Orphan {
		claim, entry, err = store.Claim(ctx, unitPrefix+name, snapshot.ClaimOptions{Adopt: entry.Run})
	}
	if err != nil || claim == nil {
		return err
	}
	own := &unit{name: name, claim: claim, heard: make(chan struct{})}
	_ = json.Unmarshal(entry.Data, &own.state) // of a fresh one there is none
	if own.state.Format > unitFormat {
		return errors.Join(claim.Release(ctx), errors.New("the state of "+name+" was written by a newer version of this program"))
	}
	own.state.Format, own.state.Holder = unitFormat, u.replicas.ID()
	if err := store.Sync(ctx); err != nil { // what the holder before has started is known then
		return errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
	}
	u.s.restoreUnit(&own.state)
	err = u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.closed {
			return errStopping
		}
		u.held[name] = own
		u.holders[name] = u.replicas.ID()
		return nil
	})
	if err != nil {
		return errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
	}
	u.put(own, func(*unitState) {})
	u.s.deps.Log.Info("the runs of jobs are started here", "unit", name)
	u.alerts(ctx, own)
	u.timetables(ctx, own, !isFresh)
	return nil
}

// alerts has the alerts of the jobs of a unit go on where they were, and tells them of runs that were lost meanwhile.
func (u *units) alerts(ctx context.Context, own *unit) {
	for _, j := range u.s.List() {
		if UnitOf(j.Job) != own.name || j.alert == nil {
			continue
		}
		u.s.alerting.Lock()
		if u.s.Job(j.Name) == j {
			j.alert.Resume()
		}
		u.s.alerting.Unlock()
		lost, _, err := u.s.Runs(ctx, archive.RunFilter{Job: j.Name, Statuses: []string{string(progress.StatusLost)}})
		if err != nil {
			continue
		}
		_, seen := j.alert.Seen()
		for _, run := range slices.Backward(lost) {
			var end wire.Run
			if json.Unmarshal(run.Data, &end) == nil && end.FinishedAt != nil && end.FinishedAt.After(seen) {
				u.s.alertFound(end)
			}
		}
	}
}

// timetables begins those of the jobs of a unit. What was due while nobody held it, and not long ago, is started once.
func (u *units) timetables(ctx context.Context, own *unit, makeUp bool) {
	_ = u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		for _, j := range u.s.List() {
			if UnitOf(j.Job) == own.name && u.holds(j.Job) {
				j.unschedule()
				j.schedule()
			}
		}
		return nil
	})
	for _, j := range u.s.List() {
		if UnitOf(j.Job) == own.name {
			if makeUp {
				j.makeUp(ctx)
				u.s.deps.Observer.adopted(j.Name)
			}
			u.watchFrom(j.Job, false)
		}
	}
}

// giveUp gives up a unit without runs, so that another process can take it; with runs it is asked again later.
func (u *units) giveUp(ctx context.Context, own *unit, lost bool) error {
	isFree := false
	err := u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		u.s.queue.mu.Lock() // no start is being decided
		defer u.s.queue.mu.Unlock()
		busy := slices.ContainsFunc(u.s.queue.runs, func(r *Run) bool { return UnitOf(r.job.Job) == own.name })
		if isFree = lost || !busy; !isFree {
			return nil
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.held, own.name)
		delete(u.holders, own.name)
		for _, j := range u.s.List() {
			if UnitOf(j.Job) == own.name {
				j.unschedule()
				delete(u.s.queue.starts, j.Name)
			}
		}
		return nil
	})
	if err != nil || !isFree {
		return err
	}
	for _, j := range u.s.List() {
		if UnitOf(j.Job) == own.name {
			j.alert.Leave(ctx)
		}
	}
	if lost {
		u.s.deps.Log.Warn("the store has taken jobs away: their runs are not started here any more", "unit", own.name)
		return nil
	}
	u.s.deps.Log.Info("the runs of jobs are started by another replica from now on", "unit", own.name)
	if err := own.claim.Release(ctx); err != nil && !errors.Is(err, snapshot.ErrLost) {
		return err
	}
	return nil
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
	ctx, done := context.WithTimeout(context.Background(), unitStoredWithin)
	defer done()
	for _, own := range held {
		_ = own.claim.Release(ctx) // otherwise the store notices
	}
	_ = u.follow.Stop()
}
