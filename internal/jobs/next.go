package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// What follows a run is part of its end: the jobs, and the ids that their runs will have. So whoever finds the end, such as
// the process after a crash or the replica that takes the jobs over, can see what was to start, and whether it did. A start
// carries the id of the run before as its Idempotency-Key, which is stored before the run that it leads to: made again, it
// leads to the same run, also if it has joined one.

const (
	// nextWithin bounds how long a start that follows a run is tried.
	nextWithin = time.Minute
	// nextAgain is the pause between two tries.
	nextAgain = time.Second
	// nextLook is how far back ends are looked at after a crash: what followed those before was started.
	nextLook = 2 * time.Minute
	// nextRuns is how many ends of a job are looked at.
	nextRuns = 100
	// againRuns is how many ends of a job are looked at, and kept, whose place another run takes: as many as can wait in a queue.
	againRuns = 1000
)

// nextOf returns what follows a run of a job that ended so; nil if nothing does.
func nextOf(j *config.Job, status progress.Status) *config.Next {
	switch status {
	case progress.StatusSucceeded:
		return &j.Then
	case progress.StatusFailed, progress.StatusTimedOut, progress.StatusLost:
		return &j.OnFailure
	}
	return nil
}

// thenOf names the runs that follow a run of a job that ended so.
func thenOf(j *config.Job, run string, status progress.Status) (then []wire.RunRef) {
	if next := nextOf(j, status); next != nil {
		for _, job := range next.Names() {
			then = append(then, wire.RunRef{Job: job, ID: idOf(job, "after "+run)})
		}
	}
	return then
}

// follow does what follows the end of a run: it polls sources and starts the runs that the end names. Values are the arguments
// of the run. It returns when these runs can be seen, or will not start.
func (s *Service) follow(j *config.Job, run wire.Run, values map[string]any) {
	if beginsAgain(run) {
		s.beginAgain(run)
		return
	}
	next := nextOf(j, run.Status)
	if next == nil {
		return
	}
	s.refresh(j.Name, next.Refresh)
	for _, ref := range run.Then {
		to, how := s.Job(ref.Job), next.Of(ref.Job)
		if to == nil || how == nil {
			continue // a reload has taken it away
		}
		s.startAfter(run, to, j.NextArgs(how, to.Job, values), ref.ID)
	}
}

// startAfter starts a run that follows another one. If it is refused, that is told, and the run is listed as one that was
// cancelled: so whoever follows the end of the run before finds that it was dealt with, and does not try it again.
func (s *Service) startAfter(after wire.Run, to *Job, given map[string]any, id string) {
	opts := StartOptions{
		Trigger: wire.TriggerJob, After: &wire.RunRef{Job: after.Job, ID: after.ID}, By: "job " + after.Job,
		Caller: access.Identity{Kind: "job", Subject: after.Job}, Key: after.ID, ID: id, Audit: s.deps.Audit,
	}
	ctx, done := context.WithTimeout(s.work, nextWithin)
	defer done()
	if beginsAgain(after) {
		ctx, opts.Trigger, opts.By = s.work, after.Trigger, after.By
	}
	err := s.startNext(ctx, to, given, &opts)
	if err == nil || s.work.Err() != nil || isRefusal(err, Stopping) {
		return
	}
	s.deps.Log.Warn("a run was not started that follows another one", "job", to.Name, "after", after.ID, "err", to.secrets.Text(err.Error()))
	s.alertMissed(s.work, to.Name, err)
	if !isRefusal(err, Elsewhere, NoAnswer) {
		s.listRefused(to, opts, err)
	}
}

// listRefused lists a run that was not started, with why.
func (s *Service) listRefused(to *Job, opts StartOptions, why error) {
	ctx, done := context.WithTimeout(s.work, startWithin)
	defer done()
	job, isNew, err := s.deps.Tracker.StartAs(ctx, runTopic(opts.ID), progress.StartOptions{Run: opts.ID})
	if err != nil || !isNew {
		return // it is tried again after a crash, as without this
	}
	now, text := s.deps.Clock.Now(), "it was not started: "+to.secrets.Text(why.Error())
	job.Retain(to.Keep.For)
	end, people := startedAs(to, opts.ID, opts, now), s.deps.Clock.People
	end.Status, end.Error = progress.StatusCancelled, &text
	end.UpdatedAt, end.FinishedAt, end.ExpiresAt = end.CreatedAt, people(now), people(now.Add(to.Keep.For))
	job.Finish(end) // the past finds it in the store
}

// isRefusal reports whether an error is a refusal for one of these reasons.
func isRefusal(err error, codes ...Code) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	return ok && slices.Contains(codes, refusal.Code)
}

// startNext starts a run that follows another one, given its arguments.
func (s *Service) startNext(ctx context.Context, to *Job, given map[string]any, opts *StartOptions) error {
	for _, a := range to.Args {
		if a.Secret && given[a.Name] == secret.Mask {
			return &config.ArgError{Arg: a.Name, What: "the value was secret and is not kept", Want: "start the job by hand"}
		}
	}
	args, wrong := to.Bind(given)
	if wrong != nil {
		return wrong[0]
	}
	opts.Args = args
	for {
		err := s.deps.Start(ctx, to, *opts)
		refusal, isRefused := errors.AsType[*Refusal](err)
		switch {
		case err == nil, isRefused && (refusal.Code == KeyReused || refusal.Code == Expired): // it was started
			return nil
		case takesPlace(to.Job, *opts) && isRefusal(err, Elsewhere, NoAnswer, Away, QueueFull):
			if s.isDealtWith(wire.RunRef{ID: opts.ID}) { // by whoever has the job now
				return nil
			}
			if _, gone := s.Lookup(ctx, opts.After.ID); errors.Is(gone, ErrNoRun) || errors.Is(gone, ErrExpired) {
				return err
			}
		case isRefused && !isRefusal(err, Elsewhere, NoAnswer):
			return err
		}
		select {
		case <-time.After(nextAgain):
		case <-ctx.Done():
			return err
		}
	}
}

// followFound does what follows the end of a run of another process, unless that has done it.
func (s *Service) followFound(run wire.Run) {
	j := s.Job(run.Job)
	if j == nil || len(run.Then) == 0 && run.Status != progress.StatusLost {
		return
	}
	if beginsAgain(run) {
		s.beginAgain(run)
		return
	}
	s.spawn(func() {
		run.Then = slices.DeleteFunc(slices.Clone(run.Then), s.isDealtWith)
		if len(run.Then) > 0 || run.Status == progress.StatusLost {
			s.follow(j.Job, run, run.Args)
		}
	})
}

// isDealtWith reports whether there is, or was, the run that an end names.
func (s *Service) isDealtWith(ref wire.RunRef) bool {
	_, err := s.Lookup(s.work, ref.ID)
	return err == nil || errors.Is(err, ErrExpired)
}

// followSince does what follows the ends of runs of a job since a time that nobody has done. A run whose place another one is to take
// waits for that however long ago it has ended: all processes may have been away.
func (s *Service) followSince(ctx context.Context, j *config.Job, since time.Time) {
	s.followEnds(ctx, archive.RunFilter{
		Job: j.Name, Limit: againRuns, Statuses: []string{string(progress.StatusLost), string(progress.StatusCancelled)},
	}, beginsAgain)
	s.followEnds(ctx, archive.RunFilter{Job: j.Name, Limit: nextRuns}, func(run wire.Run) bool {
		return !beginsAgain(run) && run.FinishedAt != nil && run.FinishedAt.After(since)
	})
}

// followEnds does what follows those runs of a filter that are chosen, the oldest first.
func (s *Service) followEnds(ctx context.Context, filter archive.RunFilter, isChosen func(wire.Run) bool) {
	list, _, err := s.Runs(ctx, filter)
	if err != nil {
		s.deps.Log.Warn("it is not known whether runs have to start that follow others", "job", filter.Job, "err", err)
		return
	}
	for _, r := range slices.Backward(list) {
		if run := recordOf(r.ID, r.Data).Run; isChosen(run) {
			s.followFound(run)
		}
	}
}

// spawn has a goroutine do something that Stop waits for, unless that has begun, and reports whether it does.
func (s *Service) spawn(f func()) bool {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if s.queue.closed {
		return false
	}
	s.running.Go(f)
	return true
}
