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
	next := nextOf(j, run.Status)
	if next == nil {
		return
	}
	s.refresh(j.Name, next.Refresh)
	ctx, done := context.WithTimeout(s.work, nextWithin)
	defer done()
	for _, ref := range run.Then {
		to, how := s.Job(ref.Job), next.Of(ref.Job)
		if to == nil || how == nil {
			continue // a reload has taken it away
		}
		if err := s.startNext(ctx, to, j.NextArgs(how, to.Job, values), run, ref.ID); err != nil && s.work.Err() == nil {
			s.deps.Log.Warn("a run was not started that follows another one", "job", ref.Job, "after", run.ID, "err", to.secrets.Text(err.Error()))
			s.alertMissed(s.work, ref.Job, err)
		}
	}
}

// startNext starts a run of a job that follows another one.
func (s *Service) startNext(ctx context.Context, to *Job, given map[string]any, after wire.Run, id string) error {
	for _, a := range to.Args {
		if a.Secret && given[a.Name] == secret.Mask {
			return &config.ArgError{Arg: a.Name, What: "the value was secret and is not kept", Want: "start the job by hand"}
		}
	}
	args, wrong := to.Bind(given)
	if wrong != nil {
		return wrong[0]
	}
	opts := StartOptions{
		Trigger: wire.TriggerJob, Args: args, After: &wire.RunRef{Job: after.Job, ID: after.ID}, By: "job " + after.Job,
		Caller: access.Identity{Kind: "job", Subject: after.Job}, Key: after.ID, ID: id, Audit: s.deps.Audit,
	}
	for {
		err := s.deps.Start(ctx, to, opts)
		refusal, isRefused := errors.AsType[*Refusal](err)
		switch {
		case err == nil, isRefused && refusal.Code == KeyReused: // it was started
			return nil
		case isRefused && refusal.Code != Elsewhere && refusal.Code != NoAnswer:
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
	s.spawn(func() {
		run.Then = slices.DeleteFunc(slices.Clone(run.Then), func(ref wire.RunRef) bool {
			_, err := s.Lookup(s.work, ref.ID)
			return err == nil || errors.Is(err, ErrExpired)
		})
		if len(run.Then) > 0 || run.Status == progress.StatusLost {
			s.follow(j.Job, run, run.Args)
		}
	})
}

// followSince does what follows the ends of runs of a job since a time that nobody has done.
func (s *Service) followSince(ctx context.Context, j *config.Job, since time.Time) {
	if len(j.Then.Run) == 0 && len(j.OnFailure.Run) == 0 {
		return
	}
	list, _, err := s.Runs(ctx, archive.RunFilter{Job: j.Name, Limit: nextRuns})
	if err != nil {
		s.deps.Log.Warn("it is not known whether runs have to start that follow others", "job", j.Name, "err", err)
		return
	}
	for _, r := range slices.Backward(list) {
		if run := recordOf(r.ID, r.Data).Run; run.FinishedAt != nil && run.FinishedAt.After(since) {
			s.followFound(run)
		}
	}
}

// spawn has a goroutine do something that Stop waits for, unless that has begun.
func (s *Service) spawn(f func()) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if !s.queue.closed {
		s.running.Go(f)
	}
}
