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
)

// maxExpired is how many ids of forgotten runs are remembered.
const maxExpired = 10_000

// records follows what the store holds of runs: which ended when, so that the oldest can be forgotten, and which have
// expired, so that they can be told from runs that never were. The records themselves are in the store alone.
//
// A goroutine, begun by openRecords, follows the store until its context ends or close is called.
type records struct {
	deps   Deps
	follow *lifecycle.Service

	mu sync.Mutex // guards the fields below; the last of all locks: the store calls apply within its own

	ended   map[string][]ending // by job, oldest first
	jobs    map[string]string   // the job of each run in ended
	expired map[string]struct{}
	order   []string // the ids in expired, oldest first
}

// An ending is when a run ended.
type ending struct {
	id string
	at time.Time
}

// newRecords returns records that know nothing.
func newRecords(deps Deps) *records {
	return &records{
		deps:    deps,
		ended:   map[string][]ending{},
		jobs:    map[string]string{},
		expired: map[string]struct{}{},
	}
}

// openRecords returns once all that the store holds is known.
func openRecords(ctx context.Context, deps Deps) (*records, error) {
	s := newRecords(deps)
	synced := false // written before started is called
	s.follow = lifecycle.Start(ctx, func(ctx context.Context, started func()) error {
		return deps.Store.Follow(ctx, s.apply, func() { synced = true; started() })
	})
	if <-s.follow.Started(); !synced {
		return nil, fmt.Errorf("follow the records of runs: %w", s.follow.Stop())
	}
	return s, nil
}

// close ends the goroutine and waits for it.
func (s *records) close() { _ = s.follow.Stop() }

// apply takes note of a change in the store. It is called within the store's locks.
func (s *records) apply(e snapshot.Entry) {
	id, ofRun := strings.CutPrefix(e.Topic, runTopic(""))
	if !ofRun {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, over := s.expired[id]; over {
		return // it is being removed
	}
	switch e.State {
	case snapshot.Final:
		s.endedLocked(id, e)
	case snapshot.Gone:
		s.expireLocked(id)
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
