package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse/progress"
)

// newMonitor returns the alert of a job, nil if it has none.
func (s *Service) newMonitor(j *Job) *alert.JobMonitor {
	subject := alert.Subject{Key: j.key, Name: j.Name, Title: j.Title, Section: j.Section, Secrets: j.secrets}
	if j.HTTP != nil {
		subject.Upstream = j.HTTP.Upstream.Name
	}
	return s.deps.Alerts.Job(subject, j.Alert)
}

// alertEnded tells the alert of a job that a run has ended. It is called when the store has the end, and before the archive
// is to have it: as they reach the disk in this order, a process that is killed in between leaves the end in the store,
// where the next one finds it, and compares it with what the alert has seen.
func (s *Service) alertEnded(run wire.Run) {
	s.ending.Lock()
	defer s.ending.Unlock()
	stays := s.failsBeside(run)
	s.alerting.Lock()
	defer s.alerting.Unlock()
	if j := s.Job(run.Job); j != nil && stays {
		j.alert.Passed(run)
	} else if j != nil {
		j.alert.Ended(run)
	}
}

// found is told the end of a run of another process, which was found in the store.
func (s *Service) found(run wire.Run) {
	s.alertFound(run)
	s.followFound(run)
}

// alertFound tells the alert of a job of the end of a run of another process, which was found in the store, unless that
// process told it. If the clock was set back, the end may be told twice.
func (s *Service) alertFound(run wire.Run) {
	s.ending.Lock()
	defer s.ending.Unlock()
	s.alerting.Lock()
	defer s.alerting.Unlock()
	j := s.Job(run.Job)
	if j == nil {
		return
	}
	if id, seen := j.alert.Seen(); run.ID == id || run.FinishedAt.Before(s.opened) && !run.FinishedAt.After(seen) {
		return
	}
	if beginsAgain(run) {
		j.alert.Passed(run) // the run that takes its place counts
		return
	}
	j.alert.Ended(run)
}

// A slowKey is the key of the task that finds out whether the run of a job at work is slow, by the name of the job.
type slowKey string

// slowAfter is how long a run of j may be at work; 0: any time.
func (j *Job) slowAfter() time.Duration {
	if j.Alert == nil {
		return 0
	}
	return j.Alert.SlowAfter
}

// watchSlow adds the task that finds out whether the run of the job at work is slow. The caller holds Service.alerting.
func (j *Job) watchSlow() {
	if j.slowAfter() == 0 {
		return
	}
	look := func(context.Context) (smartpoll.TaskHook, error) { return j.lookSlow, nil }
	if err := j.s.deps.Scheduler.Add(slowKey(j.Name), look); err != nil {
		panic(fmt.Sprintf("jobs: watch %s: %v", j.key, err)) // its key is free
	}
	j.s.deps.Scheduler.Schedule(slowKey(j.Name), 0)
}

func (j *Job) unwatchSlow() {
	if j.slowAfter() > 0 {
		j.s.deps.Scheduler.Remove(slowKey(j.Name))
	}
}

// lookSlow is the hook of that task: it tells the alert that the run is slow, or is scheduled for when that could be.
func (j *Job) lookSlow(_ context.Context, internal *smartpoll.Internal) error {
	s := j.s
	s.alerting.Lock() // so that the end of the run is told after that it is slow
	defer s.alerting.Unlock()
	now, next := s.deps.Clock.Now(), time.Duration(0)
	for _, r := range s.queue.atWork(j.Name) {
		var since time.Time
		r.progress.View(func(p progress.Progress) { since = p.StartedAt })
		if wait := j.slowAfter() - now.Sub(since); wait <= 0 {
			j.alert.Slow(r.Snapshot())
		} else if next == 0 || wait < next {
			next = wait
		}
	}
	if next > 0 {
		internal.Schedule(slowKey(j.Name), next)
	}
	return nil
}

// alertBegun schedules that task for when a run that begins to work could be slow.
func (s *Service) alertBegun(job string) {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	if j := s.Job(job); j != nil && j.slowAfter() > 0 {
		s.deps.Scheduler.ScheduleSooner(slowKey(job), j.slowAfter()) // another run may be slow before
	}
}

// alertMissed tells the alert of a job that a run did not begin that was due by its timetable, and why.
func (s *Service) alertMissed(ctx context.Context, job string, why error) {
	var refusal *Refusal
	if ctx.Err() != nil || errors.As(why, &refusal) && refusal.Code == Stopping {
		return // the next process notices that its time has passed
	}
	s.alerting.Lock()
	defer s.alerting.Unlock()
	if j := s.Job(job); j != nil {
		j.alert.Missed(s.deps.Clock.Wall(), j.secrets.Text(why.Error()))
	}
}

// whyAway is why a run did not begin whose time passed while there was no process.
const whyAway = "Tidewire was not running"

// missedBefore returns what jobs have missed, by job: when the newest run that is made up for was due, or else when the first
// run was, of those that should have begun since the process before was last at work. A job of which no run is known has
// missed none: it may be new in the configuration.
func (s *Service) missedBefore(ctx context.Context, all []*config.Job) (makeUp, missed map[string]time.Time) {
	makeUp, missed = map[string]time.Time{}, map[string]time.Time{}
	if s.deps.Before.IsZero() {
		return makeUp, missed
	}
	now := s.deps.Clock.Wall()
	for _, j := range all {
		if j.At == nil || j.Alert == nil && j.At.CatchUp == 0 {
			continue
		}
		newest, _, err := s.Runs(ctx, archive.RunFilter{Job: j.Name, Limit: 1})
		if err != nil {
			s.deps.Log.Warn("it is not known whether a scheduled run was missed", "job", j.Name, "err", err)
			continue
		}
		if len(newest) == 0 {
			continue
		}
		since := s.deps.Before // to some seconds: what was started since then was not missed
		if created := newest[0].Created; created.After(since) {
			since = created
		}
		if due := dueAt(j.At, later(since, now.Add(-j.At.CatchUp)), now); !due.IsZero() {
			makeUp[j.Name] = due
		} else if due := (timeTable{j.At}).Next(since); !due.IsZero() && !due.After(now) {
			missed[j.Name] = due
		}
	}
	return makeUp, missed
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
