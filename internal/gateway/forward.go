package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
)

// A request about what another replica does is asked of that one, with the arguments that were checked and the identity
// that was authenticated where it came in. Alone, nothing is asked.

const (
	// questionFormat is the version of questions. Fields that are not known are ignored.
	questionFormat = 1
	// askWithin bounds the time for an answer.
	askWithin = 10 * time.Second
	// holderWithin is how long a start waits for a replica that starts runs of its job: the units of one that stops are
	// another's before.
	holderWithin = 2 * time.Second
	holderAgain  = 50 * time.Millisecond
)

// What one replica asks another one.
const (
	toStart   = "start"
	toCancel  = "cancel"
	toOutput  = "output"
	toQueue   = "queue"
	toRefresh = "refresh"
	toAlerts  = "alerts"

	toAcknowledge = "acknowledge"
)

// A question is what one replica asks another one, as JSON.
type question struct {
	Format  int              `json:"v"`
	Op      string           `json:"op"`
	Job     string           `json:"job,omitempty"`
	Args    map[string]any   `json:"args,omitempty"` // as the client gave them, defaults included
	Like    string           `json:"like,omitempty"`
	Trigger string           `json:"trigger,omitempty"`
	Caller  *access.Identity `json:"caller,omitempty"`
	Key     string           `json:"key,omitempty"`
	Run     string           `json:"run,omitempty"`
	From    int64            `json:"from,omitempty"`
	Most    int              `json:"most,omitempty"`
	Source  string           `json:"source,omitempty"`
	Alert   string           `json:"alert,omitempty"` // the key of its subject
	By      string           `json:"by,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

// An answer is that to a question. Ok is false if the replica cannot answer that.
type answer struct {
	OK      bool            `json:"ok"`
	Run     *wire.Run       `json:"run,omitempty"`
	Refusal *jobs.Refusal   `json:"refusal,omitempty"`
	Error   string          `json:"error,omitempty"`
	Output  *archive.Output `json:"output,omitempty"`
	Queue   []wire.Waiting  `json:"queue,omitempty"`
	Wait    time.Duration   `json:"wait,omitempty"`
	Alerts  *wire.Alerts    `json:"alerts,omitempty"`

	Alert *wire.AlertObject `json:"alert,omitempty"`
}

// ask asks a replica.
func (g *gateway) ask(ctx context.Context, id string, q question) (a answer, err error) {
	if id == "" || id == g.replica.ID() {
		return a, replica.ErrNoReplica
	}
	began := time.Now()
	defer func() { g.observer.asked(q.Op, err, time.Since(began)) }()
	ctx, done := context.WithTimeout(ctx, askWithin)
	defer done()
	q.Format = questionFormat
	data, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	if data, err = g.replica.Ask(ctx, id, data); err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// answer answers another replica.
func (g *gateway) answer(ctx context.Context, data []byte) []byte {
	ctx, done := context.WithTimeout(ctx, askWithin)
	defer done()
	var q question
	var a answer
	if json.Unmarshal(data, &q) == nil && q.Format <= questionFormat {
		a = g.answerTo(ctx, q)
	}
	data, err := json.Marshal(a)
	if err != nil {
		g.log.Error("a question of another replica was not answered", "op", q.Op, "err", err)
	}
	return data
}

func (g *gateway) answerTo(ctx context.Context, q question) (a answer) {
	switch q.Op {
	case toStart:
		return g.answerStart(ctx, q)
	case toCancel:
		a.OK = g.jobs.Cancel(q.Run)
	case toOutput:
		part, _, err := g.jobs.Output(ctx, q.Run, q.From, min(q.Most, maxOutputAsked))
		if a.OK = err == nil; a.OK {
			a.Output = &part
		}
	case toQueue:
		a.OK, a.Queue = true, g.jobs.Queue(q.Job)
	case toAlerts:
		a.OK, a.Alerts = true, new(g.alerts.Alerts())
	case toAcknowledge:
		o, err := g.alerts.Acknowledge(q.Alert, q.By, q.Reason)
		if a.OK = err == nil; a.OK {
			a.Alert = &o
		}
	case toRefresh:
		wait, err := g.sources.Refresh(ctx, q.Source)
		a.OK, a.Wait = err == nil, wait
	}
	return a
}

// maxOutputAsked bounds the output in one answer, in bytes: as JSON, it is a third larger.
const maxOutputAsked = 256 << 10

// answerStart starts a run for a client of another replica.
func (g *gateway) answerStart(ctx context.Context, q question) (a answer) {
	j := g.jobs.Job(q.Job)
	if j == nil || q.Caller == nil {
		return a
	}
	args, wrong := j.Bind(q.Args)
	if wrong != nil {
		return answer{OK: true, Error: wrong[0].Error()}
	}
	_, snap, err := g.jobs.Start(ctx, j, jobs.StartOptions{
		Trigger: q.Trigger, Args: args, Like: q.Like, Caller: *q.Caller, Key: q.Key,
	})
	switch {
	case err == nil:
		return answer{OK: true, Run: &snap}
	case isElsewhere(err):
		return a
	}
	if refusal, ok := errors.AsType[*jobs.Refusal](err); ok {
		return answer{OK: true, Refusal: refusal}
	}
	return answer{OK: true, Error: err.Error()}
}

func isElsewhere(err error) bool {
	refusal, ok := errors.AsType[*jobs.Refusal](err)
	return ok && refusal.Code == jobs.Elsewhere
}

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
		a, asked := s.g.ask(ctx, s.holder(j), question{
			Op: toStart, Job: j.Name, Args: opts.Args, Like: opts.Like, Trigger: opts.Trigger, Caller: &opts.Caller, Key: opts.Key,
		})
		switch {
		case a.Run != nil:
			opts.Recorded(*a.Run)
			return nil, *a.Run, nil
		case a.Refusal != nil:
			return nil, wire.Run{}, a.Refusal
		case a.Error != "":
			return nil, wire.Run{}, errors.New(a.Error)
		case asked != nil && !errors.Is(asked, replica.ErrNoReplica):
			s.g.log.Warn("it is not known whether another replica has started a run", "job", j.Name, "err", asked)
			return nil, wire.Run{}, err // asked again, there could be two
		case !time.Now().Before(end):
			return nil, wire.Run{}, err
		}
		select {
		case <-time.After(holderAgain):
		case <-ctx.Done():
			return nil, wire.Run{}, context.Cause(ctx)
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

// askAll asks the replica that holds the unit of a run's job, and then the others, until one answers that it can.
func (s sharedJobs) askAll(ctx context.Context, job string, q question) (answer, bool) {
	first := ""
	if j := s.Job(job); j != nil {
		first = s.holder(j)
	}
	if a, err := s.g.ask(ctx, first, q); err == nil && a.OK {
		return a, true
	}
	for _, m := range s.g.replica.Members() {
		if m.ID == first {
			continue
		}
		if a, err := s.g.ask(ctx, m.ID, q); err == nil && a.OK {
			return a, true
		}
	}
	return answer{}, false
}

// Cancel cancels a run of any replica.
func (s sharedJobs) Cancel(id string) bool {
	if s.Service.Cancel(id) {
		return true
	}
	if s.g.replica == nil {
		return false
	}
	ctx, done := context.WithTimeout(context.Background(), askWithin)
	defer done()
	record, err := s.Lookup(ctx, id)
	if err != nil || record.Status.Ended() {
		return false
	}
	_, ok := s.askAll(ctx, record.Job, question{Op: toCancel, Run: id})
	return ok
}

// Output is what a run of any replica has printed. If that one does not answer, there is none.
func (s sharedJobs) Output(ctx context.Context, id string, from int64, most int) (archive.Output, <-chan struct{}, error) {
	part, more, err := s.Service.Output(ctx, id, from, most)
	if s.g.replica == nil || err != nil || more != nil || part.Size > 0 {
		return part, more, err
	}
	record, err := s.Lookup(ctx, id)
	if err != nil {
		return part, nil, nil
	}
	if a, ok := s.askAll(ctx, record.Job, question{Op: toOutput, Run: id, From: from, Most: most}); ok && a.Output != nil {
		return *a.Output, nil, nil
	}
	return part, nil, nil
}

// Queue is all runs of a job that wait, on whichever replica.
func (s sharedJobs) Queue(job string) []wire.Waiting {
	j := s.Job(job)
	if s.g.replica == nil || j == nil || s.Holder(j.Job) == s.g.replica.ID() {
		return s.Service.Queue(job)
	}
	ctx, done := context.WithTimeout(context.Background(), holderWithin)
	defer done()
	if a, err := s.g.ask(ctx, s.holder(j), question{Op: toQueue, Job: job}); err == nil && a.Queue != nil {
		return a.Queue
	}
	return s.Service.Queue(job)
}

// sharedSources are the sources, whichever replica polls them.
type sharedSources struct {
	*sources.Service
	g *gateway
}

// Refresh has a source polled at once by the replica that polls it.
func (s sharedSources) Refresh(ctx context.Context, name string) (time.Duration, error) {
	wait, err := s.Service.Refresh(ctx, name)
	if s.g.replica == nil || !errors.Is(err, kind.ErrNotAsked) {
		return wait, err
	}
	if cfg := s.Definition(name); cfg != nil {
		if a, failed := s.g.ask(ctx, s.g.replica.Owner(sources.UnitOf(cfg)), question{Op: toRefresh, Source: name}); failed == nil && a.OK {
			return a.Wait, nil
		}
	}
	return wait, err
}

// sharedAlerts are the alerts of all replicas, each of which has those of what it does.
type sharedAlerts struct {
	*alert.Service
	g *gateway
}

// Alerts has the alerts of all replicas that answer, and how the receivers are as this one knows them.
func (s sharedAlerts) Alerts() wire.Alerts {
	all := s.Service.Alerts()
	if s.g.replica == nil {
		return all
	}
	ctx, done := context.WithTimeout(context.Background(), holderWithin)
	defer done()
	for _, a := range s.g.askEach(ctx, question{Op: toAlerts}) {
		if a.Alerts == nil {
			continue
		}
		for _, o := range a.Alerts.Alerts {
			if !slices.ContainsFunc(all.Alerts, func(p wire.AlertObject) bool { return p.Key == o.Key }) {
				all.Alerts = append(all.Alerts, o)
			}
		}
	}
	slices.SortFunc(all.Alerts, func(a, b wire.AlertObject) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Source, b.Source))
	})
	return all
}

// Acknowledge acknowledges an alert of any replica.
func (s sharedAlerts) Acknowledge(key, by, reason string) (wire.AlertObject, error) {
	object, err := s.Service.Acknowledge(key, by, reason)
	if s.g.replica == nil || !errors.Is(err, alert.ErrNotFiring) {
		return object, err
	}
	ctx, done := context.WithTimeout(context.Background(), holderWithin)
	defer done()
	for _, a := range s.g.askEach(ctx, question{Op: toAcknowledge, Alert: key, By: by, Reason: reason}) {
		if a.OK && a.Alert != nil {
			return *a.Alert, nil
		}
	}
	return object, err
}

// askEach asks all other replicas at once, and returns the answers of those that answer.
func (g *gateway) askEach(ctx context.Context, q question) (all []answer) {
	members := g.replica.Members()
	answers := make([]answer, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		asking.Go(func() { answers[i], _ = g.ask(ctx, m.ID, q) })
	}
	asking.Wait()
	return answers
}
