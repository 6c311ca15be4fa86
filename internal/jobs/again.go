package jobs

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// isUnattended reports whether a run of a trigger is to begin again if its process ends before it begins. A hook or another run is
// not there any more to start it once more; a client of the API, a person and a timetable are.
func isUnattended(trigger string) bool {
	return trigger == wire.TriggerHook || trigger == wire.TriggerJob
}

// againOf names the run that takes the place of one that had not begun to work when its process ended; nil if none does. Such a
// run is of the same job, which follows no run of its own otherwise.
func againOf(run wire.Run) []wire.RunRef {
	if !isUnattended(run.Trigger) {
		return nil
	}
	return []wire.RunRef{{Job: run.Job, ID: idOf(run.Job, "again "+run.ID)}}
}

// beginsAgain reports whether another run takes the place of one that has ended.
func beginsAgain(run wire.Run) bool { return len(run.Then) == 1 && run.Then[0].Job == run.Job }

// takesPlace reports whether a start is that of a run which takes the place of another one of the job.
func takesPlace(j *config.Job, opts StartOptions) bool {
	return opts.After != nil && opts.After.Job == j.Name
}

// again are the runs that others are to take the place of.
type again struct {
	mu   sync.Mutex            // guards the field below; before queue.mu
	runs map[string][]wire.Run // by job; a goroutine of each job that is there begins them
}

// has reports whether runs of a job are to begin again.
func (a *again) has(job string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.runs[job]) > 0
}

const (
	// againWithin is how long a run waits for the ends of those before it, which were in the same queue.
	againWithin = 10 * time.Second
	// againLook is how often is looked whether they have ended.
	againLook = 50 * time.Millisecond
)

// beginAgain has a run begin in the place of one that had not begun, in the order in which those of its job were asked for.
func (s *Service) beginAgain(run wire.Run) {
	s.again.mu.Lock()
	defer s.again.mu.Unlock()
	list, isWorking := s.again.runs[run.Job]
	if slices.ContainsFunc(list, func(other wire.Run) bool { return other.ID == run.ID }) {
		return
	}
	if isWorking || s.spawn(func() { s.beginAll(run.Job) }) {
		s.again.runs[run.Job] = append(list, run)
	}
}

// beginAll starts what is to begin again of a job, until there is nothing left or the service stops.
func (s *Service) beginAll(job string) {
	for {
		first, ok := s.firstAgain(job)
		isDealtWith := ok && s.isDealtWith(first.Then[0])
		for end := time.Now().Add(againWithin); ok && !isDealtWith && s.past.hasOlder(first) && time.Now().Before(end); {
			select {
			case <-time.After(againLook):
			case <-s.work.Done():
			}
			first, ok = s.firstAgain(job)
		}
		if !ok {
			return
		}
		if to := s.Job(job); to != nil && !s.isDealtWith(first.Then[0]) {
			s.startAfter(first, to, first.Args, first.Then[0].ID)
		}
		s.again.mu.Lock()
		s.again.runs[job] = slices.DeleteFunc(s.again.runs[job], func(run wire.Run) bool { return run.ID == first.ID })
		s.again.mu.Unlock()
	}
}

// firstAgain returns the run of a job that is to begin again next. If there is none, or the service stops, it takes note that the
// caller, beginAll, ends.
func (s *Service) firstAgain(job string) (first wire.Run, ok bool) {
	s.again.mu.Lock()
	defer s.again.mu.Unlock()
	if len(s.again.runs[job]) == 0 || s.work.Err() != nil {
		delete(s.again.runs, job)
		return first, false
	}
	return slices.MinFunc(s.again.runs[job], func(a, b wire.Run) int { return a.CreatedAt.Compare(b.CreatedAt) }), true
}

// hasOlder reports whether there is a run of the same job that was asked for before, whose process is gone or another one, and
// whose end is not told yet.
func (p *past) hasOlder(than wire.Run) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.open {
		var run wire.Run
		if o.own == nil && !o.told && json.Unmarshal(o.data, &run) == nil && run.Job == than.Job && run.CreatedAt.Before(than.CreatedAt) {
			return true
		}
	}
	return false
}
