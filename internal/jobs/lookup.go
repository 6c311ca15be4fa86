package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// Why a run is not found, if it is not for an error of the archive.
var (
	ErrNoRun   = errors.New("there is no such run")
	ErrExpired = errors.New("the run has expired")
)

// A Record is a run as it was when it was looked up.
type Record struct {
	wire.Run
	Event sse.Event  // its newest state as JSON, with the id that its stream gives it
	Topic *sse.Topic // streams it; nil: it is over
}

// Lookup finds the newest state of a run. The error is ErrNoRun, ErrExpired if it is known that the run was forgotten, or
// why the archive cannot be read.
func (s *Service) Lookup(ctx context.Context, id string) (Record, error) {
	record, err := s.lookUp(ctx, id)
	if s.units == nil || !errors.Is(err, ErrNoRun) {
		return record, err
	}
	bounded, done := context.WithTimeout(ctx, syncWithin) // another replica may have started it a moment ago
	defer done()
	if s.deps.Store.Sync(bounded) != nil {
		return record, err
	}
	return s.lookUp(ctx, id)
}

// syncWithin bounds the wait for what other replicas have written.
const syncWithin = time.Second

// lookUp is Lookup of what this process knows.
func (s *Service) lookUp(ctx context.Context, id string) (Record, error) {
	topic, ok := s.deps.Hub.Lookup(runTopic(id))
	var last Record // the end, as its topic has it
	if ok {
		if event, ok := s.deps.Store.Latest(topic); ok {
			record := Record{Event: event, Topic: topic}
			if json.Unmarshal(event.Data, &record.Run) == nil && record.ID == id {
				if !record.Status.Ended() {
					return record, nil
				}
				last = recordOf(id, event.Data)
			}
		}
	}
	run, err := s.deps.Archive.Get(ctx, id)
	if err == nil {
		return recordOf(id, run.Data), nil
	}
	if errors.Is(err, archive.ErrForgotten) {
		return Record{}, ErrExpired
	}
	if data, ok := s.past.find(id); ok {
		if record := recordOf(id, data); record.Status.Ended() {
			return record, nil
		}
	}
	switch {
	case last.ID != "":
		return last, nil
	case errors.Is(err, archive.ErrNotFound):
		return Record{}, ErrNoRun
	}
	return Record{}, err
}

// recordOf is the record of a run that is over.
func recordOf(id string, data []byte) Record {
	record := Record{Event: sse.Event{ID: id + "-end", Data: data}}
	_ = json.Unmarshal(data, &record.Run) // it was published
	return record
}

const (
	// storedWithin bounds how long isStored waits for the archive.
	storedWithin = 250 * time.Millisecond
	// silentFor is for how long it is not asked after it has not answered within that.
	silentFor = 5 * time.Second
)

// isStored reports whether a run can be looked up, as far as that is known. The queue asks with its lock held, so an archive
// that does not answer is left alone for a while: its runs count as stored.
func (s *Service) isStored(id string) bool {
	if s.deps.Clock.Now().Before(s.silent) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), storedWithin)
	defer cancel()
	_, err := s.Lookup(ctx, id)
	if ctx.Err() != nil {
		s.silent = s.deps.Clock.Now().Add(silentFor)
	}
	return err == nil || !errors.Is(err, ErrNoRun) && !errors.Is(err, ErrExpired)
}

// Definition returns the definition of the job that a run is of, nil if that is not known. Of a configured job it is
// the one that holds now; of a job that is not configured any more, the one by which the run began, until its end.
func (s *Service) Definition(ctx context.Context, id string) *config.Job {
	r := s.queue.find(id)
	if r != nil {
		if j := s.Job(r.job.Name); j != nil {
			return j.Job
		}
		return r.job.Job
	}
	if record, err := s.Lookup(ctx, id); err == nil {
		if j := s.Job(record.Job); j != nil {
			return j.Job
		}
	}
	return nil
}

// Runs returns the runs that the filter lets pass, in progress, waiting or over, newest first by the time at which they
// were created, and whether there are more. The error is the archive's.
func (s *Service) Runs(ctx context.Context, filter archive.RunFilter) (list []archive.Run, more bool, err error) {
	limit := filter.Limit
	if limit <= 0 {
		limit = archive.RunLimit
	}
	open := map[string]wire.Run{}
	filter.Limit = limit + 1
	for _, run := range s.past.all() { // before the archive: none is missed that moves meanwhile
		open[run.ID] = run
		filter.Limit++ // the archive may have it, too, as soon as it is over
		if r := entryOf(run); filter.Passes(r) {
			list = append(list, r)
		}
	}
	ended, err := s.deps.Archive.List(ctx, filter)
	if err != nil {
		return nil, false, err
	}
	for _, run := range ended {
		if _, ok := open[run.ID]; !ok {
			list = append(list, run)
		}
	}
	slices.SortFunc(list, func(a, b archive.Run) int { return b.Key().Compare(a.Key()) })
	more = len(list) > limit
	list = list[:min(len(list), limit)]
	for i, run := range list {
		if run.Data == nil {
			list[i].Data, _ = json.Marshal(open[run.ID]) // it was published
		}
	}
	return list, more, nil
}

// entryOf is a run that is not in the archive as one of a list, without data.
func entryOf(run wire.Run) archive.Run {
	return archive.Run{
		ID: run.ID, Job: run.Job, Status: run.Outcome(), Trigger: run.Trigger, Created: run.CreatedAt,
	}
}

// Changed returns a topic that changes when a run has ended, after lists have its end.
func (s *Service) Changed() *sse.Topic { return s.past.changed }
