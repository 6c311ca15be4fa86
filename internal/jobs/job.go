package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/cron"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

// A Job is one definition of a job at work; a run ends under the definition by which it began. Its topic, job/NAME, has
// the newest state of the run at the head of its queue. What outlives a definition is kept by the queue.
type Job struct {
	*config.Job
	Topic *sse.Topic

	s       *Service
	key     string
	action  Action
	alert   *alert.JobMonitor // nil: it has none
	feeds   feeding
	secrets *secret.Redactor // hides what nobody is shown, whatever the arguments of a run are
}

// An Action is the work of a job.
type Action interface {
	// Do does the work of a run, whose context ends when the run is cancelled, replaced, stopped or takes too long.
	Do(ctx context.Context, r *Run) (Result, error)
}

// A Result is what is known of work that has ended, besides its error.
type Result struct {
	ExitCode *int // of a command that has exited; nil: there is none
	Warned   bool // that exit code is a warning
}

func newJob(s *Service, cfg *config.Job) *Job {
	j := &Job{Job: cfg, s: s, key: wire.JobKey(cfg.Name), secrets: secretsOf(cfg), action: execAction{cfg}}
	if cfg.HTTP != nil {
		j.action = httpAction{cfg, httpkind.ClientOf(s.deps.Upstreams.Link(cfg.HTTP.Upstream.Name), s.deps.Client), s.admit}
	}
	j.alert = s.newMonitor(j)
	j.Topic = s.deps.Hub.Topic(j.key, sse.TopicOptions{KeepData: true})
	return j
}

// Key names the job's topic, its task and its objects on the stream. It implements [reconcile.Thing].
func (j *Job) Key() string { return j.key }

// Object returns the job as it is now, for a caller who may start it or not. The error is the archive's.
func (j *Job) Object(ctx context.Context, allowed bool) (wire.JobObject, error) {
	object := wire.JobObject{
		Name:        j.Name,
		Title:       j.Title,
		Section:     j.Section,
		Args:        j.argsNow(),
		Allowed:     allowed,
		Confirm:     j.Confirm,
		OnBusy:      string(j.OnBusy),
		Group:       j.Group,
		AvailableAt: j.s.queue.availableAt(j),
		Timeout:     j.Timeout.Seconds(),
		NextAt:      j.nextAt(),
		Queue:       []wire.Waiting{},
		Replica:     j.s.holderName(j.Job),
		ParallelBy:  j.ParallelBy,
	}
	if j.At != nil {
		object.At, object.Zone = cron.Words(j.At.Cron), zoneOf(j.At)
	}
	var err error
	if object.Strip, err = j.s.past.strip(ctx, j.Name, j.s.deps.Clock.Wall()); err != nil {
		return object, err
	}
	latest, ok := j.s.deps.Store.Latest(j.Topic)
	var snap wire.Job
	if ok && json.Unmarshal(latest.Data, &snap) == nil {
		object.LastRun = &snap.Run
		object.Queue, object.Queued = append(object.Queue, snap.Queue...), snap.Queued
		object.Beside, object.Besides = snap.Beside, snap.Besides
		if !j.s.units.holds(j.Job) {
			object.AvailableAt = nil
			if at := snap.AvailableAt; at != nil && at.After(j.s.deps.Clock.Wall()) {
				object.AvailableAt = at
			}
		}
		return object, nil
	}
	last, err := j.s.deps.Archive.Last(ctx, j.Name)
	switch {
	case err == nil:
		object.LastRun = new(recordOf(last.ID, last.Data).Run)
	case errors.Is(err, archive.ErrNotFound):
		err = nil
	}
	return object, err
}

// zoneOf is the time zone that the configuration names for a timetable, empty if it names none.
func zoneOf(at *config.At) string {
	if at.Zone == nil || at.Zone == time.Local || strings.HasPrefix(at.Cron, "@every") {
		return ""
	}
	return at.Zone.String()
}

// argsNow returns the arguments as the API shows them.
func (j *Job) argsNow() wire.Args {
	list := make(wire.Args, 0, len(j.Args))
	for _, a := range j.Args {
		arg := wire.Arg{
			Name: a.Name, Type: string(a.Type), Title: a.Title, Default: a.Default, Min: a.Min, Max: a.Max,
			Values: a.Values, Secret: a.Secret, Required: a.Default == nil,
		}
		if a.Type == config.ArgFile {
			arg.MaxSize, arg.Accept = a.MaxSize, a.Accept
		}
		if a.Secret {
			arg.Default = nil
		}
		if a.Feed != nil {
			j.fill(&arg, &a)
		}
		list = append(list, arg)
	}
	return list
}

// schedule starts the job at the times of its schedule, until unschedule is called, if this process holds its unit. Times
// that pass while the machine sleeps are made up for by one start when it is awake again.
func (j *Job) schedule() {
	if j.At == nil || !j.s.units.holds(j.Job) {
		return
	}
	if j.At.OnStart() {
		j.scheduleStart()
		return
	}
	if j.standsIn() {
		j.scheduleMissed()
		return
	}
	err := j.s.deps.Scheduler.Add(j.key, func(ctx context.Context) (smartpoll.TaskHook, error) {
		var due time.Time
		if j.s.units != nil {
			now := j.s.deps.Clock.Wall()
			due = dueAt(j.At, now.Add(-late), now)
		}
		j.startDue(ctx, due)
		return nil, nil
	}, smartpoll.On(timeTable{j.At}))
	if err != nil {
		panic(fmt.Sprintf("jobs: schedule %s: %v", j.key, err)) // its key is free, and the schedule is not nil
	}
}

// notStarted tells that a start by the schedule has not led to a run.
func (j *Job) notStarted(ctx context.Context, err error) {
	j.s.deps.Log.Warn("a scheduled run was not started", "job", j.Name, "err", err)
	j.s.alertMissed(ctx, j.Name, err)
}

func (j *Job) unschedule() {
	if j.At != nil {
		j.s.deps.Scheduler.Remove(j.key)
	}
}

// nextAt returns when the schedule starts the job next, nil if it has none.
func (j *Job) nextAt() *time.Time {
	if j.At == nil || j.At.OnStart() {
		return nil
	}
	if !j.s.units.holds(j.Job) || j.standsIn() {
		next := timeTable{j.At}.Next(j.s.deps.Clock.Wall()).UTC().Truncate(time.Millisecond)
		return &next
	}
	task, _ := j.s.deps.Scheduler.Info(j.key) // an interval counts from the time before
	if next := task.Next.Round(0); next == task.Next && !next.IsZero() {
		// a time of the wall clock
		next = next.UTC().Truncate(time.Millisecond)
		return &next
	}
	return j.s.deps.Clock.People(task.Next)
}

// A timeTable makes the times of a job a [smartpoll.Schedule].
type timeTable struct{ *config.At }

func (t timeTable) Next(after time.Time) time.Time {
	if t.Zone != nil {
		after = after.In(t.Zone)
	}
	return t.At.Next(after)
}

// refresh polls the sources that a run of a job has changed at once, as far as the limits of their upstreams allow it.
func (s *Service) refresh(job string, sources []string) {
	for _, name := range sources {
		if wait, err := s.deps.Refresh(s.work, name); err == nil && wait > 0 {
			s.deps.Log.Info("a source is not refreshed after a run: the limit of its upstream forbids it",
				"job", job, "source", name, "wait", wait)
		}
	}
}
