package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

// A job is one definition of a job at work; a run ends under the definition by which it
// began. The newest state of the run that is its first is in its topic, job/NAME; that of
// each run in run/ID. What is to be known of a job's runs beyond its definitions has [runs].
type job struct {
	*config.Job
	g     *gateway
	key   string
	topic *sse.Topic

	secrets *secret.Redactor // of which people see nothing, whatever the arguments of a run are
}

func newJob(g *gateway, cfg *config.Job) *job {
	j := &job{Job: cfg, g: g, key: jobTopic(cfg.Name), secrets: secretsOfJob(cfg)}
	j.topic = g.hub.Topic(j.key, sse.TopicOptions{KeepData: true})
	return j
}

// Key implements [reconcile.Thing].
func (j *job) Key() string { return j.key }

// jobTopic names the topic of a job.
func jobTopic(name string) string { return "job/" + name }

// execute does the work of r.
func (j *job) execute(ctx context.Context, r *run) (end, error) {
	if j.HTTP != nil {
		return j.request(ctx, r)
	}
	return j.command(ctx, r)
}

// A jobObject is a job as the API answers it.
type jobObject struct {
	Name        string        `json:"name"`
	Title       string        `json:"title"`
	Args        argsObject    `json:"args"`
	Allowed     bool          `json:"allowed"`      // whoever asks may start and cancel it
	Confirm     string        `json:"confirm"`      // what people are asked before a start; empty: nothing
	OnBusy      config.OnBusy `json:"on_busy"`      // what a start does while the job is busy
	Group       string        `json:"group"`        // of jobs that do not run at the same time; empty: none
	AvailableAt *time.Time    `json:"available_at"` // when its limit lets it start again; null if it does now
	NextAt      *time.Time    `json:"next_at"`      // when it starts by itself; null if it does not
	LastRun     *runSnapshot  `json:"last_run"`     // in progress, or else the newest
	Queue       []waiting     `json:"queue"`        // the first that wait, in order
	Queued      int           `json:"queued"`       // how many wait
}

// object is the job as it is now, for one who is allowed to start it or not.
func (j *job) object(allowed bool) jobObject {
	object := jobObject{
		Name:        j.Name,
		Title:       j.Title,
		Args:        j.Args,
		Allowed:     allowed,
		Confirm:     j.Confirm,
		OnBusy:      j.OnBusy,
		Group:       j.Group,
		AvailableAt: j.g.runs.peopleOf(j.g.runs.availableAt(j)),
		NextAt:      j.nextAt(),
		Queue:       []waiting{},
	}
	latest, ok := j.topic.Latest()
	var snap jobSnapshot
	if ok && json.Unmarshal(latest.Data, &snap) == nil {
		object.LastRun = &snap.runSnapshot
		object.Queue, object.Queued = append(object.Queue, snap.Queue...), snap.Queued
	} else if _, last, ok := j.g.run(j.g.records.last(j.Name)); ok {
		object.LastRun = &last
	}
	return object
}

// argsObject is a job's arguments by name, in the order of the file: a form shows them so.
type argsObject []config.Arg

func (args argsObject) MarshalJSON() ([]byte, error) {
	object := []byte{'{'}
	for i, arg := range args {
		if i > 0 {
			object = append(object, ',')
		}
		name, err := json.Marshal(arg.Name)
		if err != nil {
			return nil, err
		}
		required := arg.Default == nil
		if arg.Secret {
			arg.Default = nil
		}
		value, err := json.Marshal(struct {
			config.Arg
			Required bool `json:"required"`
		}{arg, required})
		if err != nil {
			return nil, err
		}
		object = append(append(append(object, name...), ':'), value...)
	}
	return append(object, '}'), nil
}

// schedule has the job start by itself at its times, until unschedule. Times that passed
// while the machine slept are made up for by one start, when it is awake again.
func (j *job) schedule() {
	if j.At == nil {
		return
	}
	err := j.g.scheduler.Add(j.key, func(ctx context.Context) (smartpoll.TaskHook, error) {
		args, wrong := j.Bind(nil)
		if wrong != nil { // a default that was right when the configuration was read, as the path of a file
			j.g.log.Warn("a scheduled run was not started", "job", j.Name, "err", wrong[0])
			return nil, nil
		}
		_, _, err := j.g.runs.start(ctx, j, start{trigger: triggerSchedule, args: args, made: func(run runSnapshot) {
			j.g.audit(nil, "trigger", slog.String("job", j.Name), slog.String("run", run.ID), maskedArgs(j.Job, args), slog.Bool("coalesced", run.Coalesced))
		}})
		if err != nil {
			j.g.log.Warn("a scheduled run was not started", "job", j.Name, "err", err)
		}
		return nil, nil
	}, smartpoll.On(timeTable{j.At}))
	if err != nil {
		panic(fmt.Sprintf("gateway: the times of %s cannot be kept: %v", j.key, err)) // its key is free, and it has a time table
	}
}

func (j *job) unschedule() {
	if j.At != nil {
		j.g.scheduler.Remove(j.key)
	}
}

// nextAt is when the job starts by itself, nil if it does not.
func (j *job) nextAt() *time.Time {
	if j.At == nil {
		return nil
	}
	task, _ := j.g.scheduler.Info(j.key)                                 // what is due every so often counts from the time before
	if next := task.Next.Round(0); next == task.Next && !next.IsZero() { // a time of the wall clock
		next = next.UTC().Truncate(time.Millisecond)
		return &next
	}
	return j.g.clock.People(task.Next)
}

// A timeTable is the [smartpoll.Schedule] of a job.
type timeTable struct{ *config.At }

func (t timeTable) Next(after time.Time) time.Time {
	if t.Zone != nil {
		after = after.In(t.Zone)
	}
	return t.At.Next(after)
}

// refreshThen polls the sources at once that a run of the job has changed, as far as the
// limits of their upstreams let them.
func (j *job) refreshThen() {
	for _, name := range j.Refresh {
		if s := j.g.sources.find(name); s != nil {
			if wait, err := j.g.refresh(j.g.stopping, s); err == nil && wait > 0 {
				j.g.log.Info("a source is not refreshed after a run: the limit of its upstream forbids it", "job", j.Name, "source", name, "wait", wait)
			}
		}
	}
}
