package gateway

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
)

// sharedJobs are the jobs, whichever replica starts their runs.
type sharedJobs struct {
	*jobs.Service
	g *gateway
}

// Start starts a run here, or has the replica start it that holds the unit of the job. The Run is nil then.
func (s sharedJobs) Start(ctx context.Context, j *jobs.Job, opts jobs.StartOptions) (*jobs.Run, wire.Run, error) {
	if s.g.replica == nil {
		return s.Service.Start(ctx, j, opts)
	}
	for end := time.Now().Add(holderWithin); ; {
		run, snap, err := s.Service.Start(ctx, j, opts)
		if !isElsewhere(err) {
			return run, snap, err
		}
		a, failed := s.g.ask(ctx, s.holder(j), question{
			Op: toStart, Job: j.Name, Args: config.Given(opts.Args), Like: opts.Like, Trigger: opts.Trigger, Caller: &opts.Caller, By: opts.By, Key: opts.Key, ID: opts.ID, After: opts.After,
		})
		switch {
		case a.Run != nil:
			if !a.Known {
				opts.Recorded(*a.Run)
			}
			return nil, *a.Run, nil
		case isElsewhere(a.refused()) && askAgain(ctx, end): // it may load the same configuration just now
		case a.Refusal != nil:
			return nil, wire.Run{}, a.Refusal
		case a.Error != "":
			return nil, wire.Run{}, errors.New(a.Error)
		case errors.Is(failed, replica.ErrNoAnswer):
			s.g.log.Warn("it is not known whether another replica has started a run", "job", j.Name, "err", failed)
			return nil, wire.Run{}, errNotKnown // asked again, there could be two
		case errors.Is(failed, replica.ErrBusy), !askAgain(ctx, end):
			return nil, wire.Run{}, cmp.Or(context.Cause(ctx), err)
		}
	}
}

// holder returns the replica that holds the unit of a job, or that should.
func (s sharedJobs) holder(j *jobs.Job) string {
	if id := s.Holder(j.Job); id != "" {
		return id
	}
	return s.g.replica.Owner(jobs.UnitOf(j.Job))
}

// errNotKnown is why a start fails of which the replica that was asked has not said whether there is a run.
var errNotKnown = &jobs.Refusal{
	Code: jobs.NoAnswer, After: 2 * time.Second,
	Detail: "the replica that starts the runs of this job does not answer: it may have started one; " +
		"with an Idempotency-Key the start can be repeated safely",
}

// askAbout asks the replica that should have a run, and then all others, until one answers that it has it. The error is
// [replica.ErrNoReplica] if all say that they have not.
func (s sharedJobs) askAbout(ctx context.Context, job string, q question) (answer, error) {
	first := ""
	if j := s.Job(job); j != nil {
		first = s.holder(j)
	}
	a, err := s.g.ask(ctx, first, q)
	if err == nil && a.OK {
		return a, nil
	}
	for _, other := range s.g.askEach(ctx, q, first) {
		if other.err == nil && other.OK {
			return other.answer, nil
		}
		err = errors.Join(err, other.err)
	}
	return a, cmp.Or(err, replica.ErrNoReplica)
}

// Cancel cancels a run of any replica.
func (s sharedJobs) Cancel(ctx context.Context, id string) (bool, error) {
	if s.Service.Cancel(id) {
		return true, nil
	}
	if s.g.replica == nil {
		return false, nil
	}
	record, err := s.Lookup(ctx, id)
	if err != nil || record.Status.Ended() {
		return false, nil
	}
	_, failed := s.askAbout(ctx, record.Job, question{Op: toCancel, Run: id})
	if failed == nil {
		return true, nil
	}
	if s.hasEnded(ctx, id) { // meanwhile, so nobody has it
		return false, nil
	}
	return false, failed
}

// hasEnded reports whether a run is over, as far as the store has been told by now.
func (s sharedJobs) hasEnded(ctx context.Context, id string) bool {
	ctx, done := context.WithTimeout(ctx, time.Second)
	defer done()
	if s.g.store.Sync(ctx) != nil {
		return false
	}
	record, err := s.Lookup(ctx, id)
	return err == nil && record.Status.Ended()
}

// Output is what a run of any replica has printed.
func (s sharedJobs) Output(ctx context.Context, output string, from int64, most int) (archive.Output, <-chan struct{}, error) {
	part, more, err := s.Service.Output(ctx, output, from, most)
	if s.g.replica == nil || err != nil || more != nil {
		return part, more, err
	}
	id, isText := archive.RunOf(output)
	record, err := s.Lookup(ctx, id)
	isKnown := !isText && s.knows(ctx, output, part) || isText && record.OutputBytes <= max(part.Size, int64(len(record.Output)))
	isNone := record.OutputBytes == 0 && output != archive.FilesOf(id)
	if err != nil || record.Status.Ended() && (isKnown || isNone) {
		return part, nil, nil // it is known here, or in the record
	}
	a, failed := s.askAbout(ctx, record.Job, question{Op: toOutput, Run: output, From: from, Most: most})
	switch {
	case failed == nil && a.Output != nil:
		return *a.Output, nil, nil
	case record.Status.Ended() || s.hasEnded(ctx, id):
		return part, nil, nil // what is left of it is in the record
	}
	return part, nil, failed
}

// knows reports whether this process has an output of a run that has ended, of which part is here: styles are where the index is, and
// most runs have none.
func (s sharedJobs) knows(ctx context.Context, output string, part archive.Output) bool {
	id, _ := archive.RunOf(output)
	if part.Size > 0 || output != archive.StylesOf(id) {
		return part.Size > 0
	}
	index, _, err := s.Service.Output(ctx, archive.IndexOf(id), 0, 0)
	return err == nil && index.Size > 0
}

// Queue is all runs of a job that wait, on whichever replica.
func (s sharedJobs) Queue(ctx context.Context, job string) ([]wire.Waiting, error) {
	j := s.Job(job)
	if s.g.replica == nil || j == nil {
		return s.Service.Queue(job), nil
	}
	for end := time.Now().Add(holderWithin); ; {
		holder := s.holder(j)
		if holder == s.g.replica.ID() {
			return s.Service.Queue(job), nil
		}
		a, err := s.g.ask(ctx, holder, question{Op: toQueue, Job: job})
		if err == nil && a.OK {
			return append([]wire.Waiting{}, a.Queue...), nil // an empty one is not in the answer
		}
		if err != nil && (!errors.Is(err, replica.ErrNoReplica) || errors.Is(err, replica.ErrBusy)) {
			return nil, err
		}
		if !askAgain(ctx, end) {
			return nil, replica.ErrNoReplica
		}
	}
}
