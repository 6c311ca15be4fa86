package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// maxExpired is how many ids of forgotten runs are remembered.
	maxExpired = 10_000
	// keepLost is how long the end of a lost run is kept if its job is not configured.
	keepLost = 24 * time.Hour
)

// records follows what the store holds of runs: which ended when, so that the oldest can be forgotten; which have
// expired, so that they can be told from runs that never were; and which were cut off, because their entry vanished
// before their end, as when the lease of a process that died runs out. Runs that were cut off get the end lost. The
// records themselves are in the store alone.
//
// Two goroutines, begun by openRecords, end with its context or with close: one follows, one ends lost runs.
type records struct {
	deps       Deps
	definition func(job string) *Job // that is configured; nil: none

	follow, ends *lifecycle.Service
	anyLost      chan struct{} // of 1: something is in lost

	mu sync.Mutex // guards the fields below; the last of all locks: the store calls apply within its own

	unfinished map[string]snapshot.Entry // by topic: the newest state of runs that are not over, anybody's
	ended      map[string][]ending       // by job, oldest first
	jobs       map[string]string         // the job of each run in ended
	expired    map[string]struct{}
	order      []string                 // the ids in expired, oldest first
	lost       []snapshot.Entry         // what was cut off and has no end yet
	ending     map[string]chan struct{} // by topic of a run that was cut off: closed when its end is stored, or given up
}

// An ending is when a run ended.
type ending struct {
	id string
	at time.Time
}

// newRecords returns records that know nothing.
func newRecords(deps Deps, definition func(job string) *Job) *records {
	return &records{
		deps:       deps,
		definition: definition,
		anyLost:    make(chan struct{}, 1),
		unfinished: map[string]snapshot.Entry{},
		ended:      map[string][]ending{},
		jobs:       map[string]string{},
		expired:    map[string]struct{}{},
		ending:     map[string]chan struct{}{},
	}
}

// openRecords returns once all that the store holds is known.
func openRecords(ctx context.Context, deps Deps, definition func(job string) *Job) (*records, error) {
	s := newRecords(deps, definition)
	synced := false // written before started is called
	s.follow = lifecycle.Start(ctx, func(ctx context.Context, started func()) error {
		return deps.Store.Follow(ctx, s.apply, func() { synced = true; started() })
	})
	if <-s.follow.Started(); !synced {
		return nil, fmt.Errorf("follow the records of runs: %w", s.follow.Stop())
	}
	s.ends = lifecycle.Loop(ctx, s.endLost)
	return s, nil
}

// close ends both goroutines and waits for them.
func (s *records) close() {
	_ = s.ends.Stop()
	_ = s.follow.Stop()
}

// apply takes note of a change in the store. It is called within the store's locks.
func (s *records) apply(e snapshot.Entry) {
	id, ofRun := strings.CutPrefix(e.Topic, runTopic(""))
	if !ofRun && !strings.HasPrefix(e.Topic, wire.JobKey("")) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, over := s.expired[id]; over && ofRun {
		delete(s.unfinished, e.Topic) // it may have been displaced before its end was stored
		return                        // it is being removed
	}
	switch e.State {
	case snapshot.Live:
		s.unfinished[e.Topic] = e
	case snapshot.Final:
		delete(s.unfinished, e.Topic)
		if ofRun {
			s.endedLocked(id, e)
		}
	case snapshot.Gone:
		last, ok := s.unfinished[e.Topic]
		delete(s.unfinished, e.Topic)
		switch {
		case ok && last.Run == e.Run && last.Data != nil:
			s.lostLocked(last)
		case !ok && ofRun:
			s.expireLocked(id)
		}
	}
}

// endedLocked takes note of a run whose last state is e.
func (s *records) endedLocked(id string, e snapshot.Entry) {
	var snap wire.Run
	if s.jobs[id] == "" && json.Unmarshal(e.Data, &snap) == nil && snap.FinishedAt != nil {
		s.addLocked(id, snap.Job, *snap.FinishedAt)
	}
}

// addLocked takes note of a run that has ended, in the order of the ends.
func (s *records) addLocked(id, job string, at time.Time) {
	if s.jobs[id] != "" {
		return
	}
	s.jobs[id] = job
	list := append(s.ended[job], ending{id, at})
	slices.SortStableFunc(list, func(a, b ending) int { return a.at.Compare(b.at) })
	s.ended[job] = list
}

// lostLocked has endLost end a run that was cut off in the given state.
func (s *records) lostLocked(last snapshot.Entry) {
	s.lost = append(s.lost, last)
	if s.ending[last.Topic] == nil {
		s.ending[last.Topic] = make(chan struct{})
	}
	select {
	case s.anyLost <- struct{}{}:
	default:
	}
}

// drop takes back what makeRoom took note of: the store does not hold the end.
func (s *records) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(id)
}

// dropLocked forgets that a run has ended, and reports whether that was known.
func (s *records) dropLocked(id string) bool {
	job, ok := s.jobs[id]
	if !ok {
		return false
	}
	delete(s.jobs, id)
	s.ended[job] = slices.DeleteFunc(s.ended[job], func(e ending) bool { return e.id == id })
	if len(s.ended[job]) == 0 {
		delete(s.ended, job)
	}
	return true
}

// expireLocked takes note that an ended run is forgotten.
func (s *records) expireLocked(id string) {
	if !s.dropLocked(id) {
		return
	}
	s.expired[id] = struct{}{}
	s.order = append(s.order, id)
	if len(s.order) > maxExpired {
		delete(s.expired, s.order[0])
		s.order = s.order[1:]
	}
}

// hasExpired reports whether there was a run of that id, as far as is remembered.
func (s *records) hasExpired(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.expired[id]
	return ok
}

// last returns the id of the job's run that ended last, "" if there is none.
func (s *records) last(job string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.ended[job]; len(list) > 0 {
		return list[len(list)-1].id
	}
	return ""
}

// makeRoom forgets the oldest ended runs of j, so that with the one that ends now it keeps no more than it should. It
// takes note of that one: the store may tell of it after the next one has ended.
func (s *records) makeRoom(ctx context.Context, j *Job, id string, at time.Time) {
	s.mu.Lock()
	var old []string
	list := s.ended[j.Name]
	for _, e := range list[:max(0, len(list)+1-j.Keep.Runs)] {
		old = append(old, e.id)
	}
	s.addLocked(id, j.Name, at)
	for _, id := range old {
		s.expireLocked(id)
	}
	s.mu.Unlock()
	for _, id := range old {
		s.clear(ctx, j.Name, id)
	}
}

// stored is called when the end of a run is in the store. If newer ends have displaced it before, it is forgotten only
// now: while it was not over it could not be.
func (s *records) stored(ctx context.Context, job, id string) {
	if s.hasExpired(id) {
		s.clear(ctx, job, id)
	}
}

// clear removes the end of a run from the store. It does nothing to a run that is not over.
func (s *records) clear(ctx context.Context, job, id string) {
	err := s.deps.Store.Forget(ctx, runTopic(id), id)
	if err != nil && !errors.Is(err, snapshot.ErrLive) {
		s.deps.Log.Error("an old run was not forgotten", "job", job, "run", id, "err", err)
	}
}

// endLost gives runs that were cut off their end, until ctx ends.
func (s *records) endLost(ctx context.Context) {
	for {
		select {
		case <-s.anyLost:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		lost := s.lost
		s.lost = nil
		s.mu.Unlock()
		for _, e := range lost {
			if err := s.storeLost(ctx, e); err != nil && ctx.Err() == nil {
				s.deps.Log.Error("the end of a lost run was not stored", "topic", e.Topic, "run", e.Run, "err", err)
			}
			s.mu.Lock()
			if ending := s.ending[e.Topic]; ending != nil {
				close(ending)
				delete(s.ending, e.Topic)
			}
			s.mu.Unlock()
		}
	}
}

// awaitLost waits until the end of a lost run in topic is stored, if there is one: readers are told that it is lost a
// moment before, and may start a new one. It fails with the cause of ctx's end.
func (s *records) awaitLost(ctx context.Context, topic string) error {
	s.mu.Lock()
	ending := s.ending[topic]
	s.mu.Unlock()
	if ending == nil {
		return nil
	}
	select {
	case <-ending:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// storeLost stores the end of a lost run, whose last state is e. Other processes may be doing the same; one of them is
// first.
func (s *records) storeLost(ctx context.Context, e snapshot.Entry) error {
	var snap wire.Job
	if err := json.Unmarshal(e.Data, &snap); err != nil {
		return err
	}
	keep, now := keepLost, s.deps.Clock.Now()
	if j := s.definition(snap.Job); j != nil {
		keep = j.Keep.For
	}
	final := lostEnd(snap, s.deps.Clock.People(now), s.deps.Clock.People(now.Add(keep)))
	opts := progress.StartOptions{Run: e.Run, KeepFinal: true}
	job, isNew, err := s.deps.Tracker.StartAs(ctx, e.Topic, opts)
	if !isNew || err != nil {
		return err
	}
	s.deps.Log.Warn("run lost", "job", snap.Job, "run", snap.ID)
	job.Retain(keep)
	job.Finish(final)
	return nil
}
