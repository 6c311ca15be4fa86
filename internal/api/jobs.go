package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// RunPath is the path at which a run is served, below the path of the public address if there is one.
func RunPath(cfg *config.Config, id string) string {
	return access.Base(cfg.PublicURL) + "/api/v1/runs/" + id
}

// absolute returns the URL of a path as the client of r can use it.
func (a *API) absolute(r *http.Request, path string) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if public := a.deps.Config().PublicURL; public != nil {
		scheme, host = public.Scheme, public.Host
	}
	return scheme + "://" + host + path
}

func (a *API) listJobs(w http.ResponseWriter, r *http.Request) {
	a.serveState(w, r, func() (state, bool) {
		all, err := a.jobObjects(r, a.deps.Jobs.List()...)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		return stateOf(wire.Jobs{Jobs: all}), true
	}, slices.Concat(
		a.deps.Jobs.Topics(), a.feedsOf(a.deps.Jobs.List()...), []*sse.Topic{a.deps.ConfigTopic, a.deps.AlertsTopic, a.deps.Runs.Changed()},
	)...)
}

// jobObjects returns jobs as the user of a request is shown them. The error is the archive's.
func (a *API) jobObjects(r *http.Request, list ...*jobs.Job) ([]wire.JobObject, error) {
	alerts := map[string]*wire.Alert{}
	for _, one := range a.deps.Alerts.Alerts().Alerts {
		if one.Job != "" {
			alerts[one.Job] = &one.Alert
		}
	}
	user := a.deps.Guard.Revalidate(userOf(r))
	all := make([]wire.JobObject, 0, len(list))
	for _, j := range list {
		object, err := j.Object(r.Context(), user.Can(operate, j.Job))
		if err != nil {
			return nil, err
		}
		object.Alert = alerts[j.Name]
		all = append(all, object)
	}
	return all, nil
}

// findJob finds the job that the path names, or answers 404.
func (a *API) findJob(w http.ResponseWriter, r *http.Request) *jobs.Job {
	name := r.PathValue("job")
	j := a.deps.Jobs.Job(name)
	if j == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no job %q", name))
	}
	return j
}

func (a *API) getJob(w http.ResponseWriter, r *http.Request) {
	j := a.findJob(w, r)
	if j == nil {
		return
	}
	a.serveState(w, r, func() (state, bool) {
		j := a.findJob(w, r) // it may have been changed or removed meanwhile
		if j == nil {
			return state{}, false
		}
		all, err := a.jobObjects(r, j)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		return stateOf(all[0]), true
	}, append(a.feedsOf(j), j.Topic, a.deps.ConfigTopic, a.deps.AlertsTopic, a.deps.Runs.Changed())...)
}

// feedsOf returns the topics of the sources that give arguments of jobs their choices.
func (a *API) feedsOf(list ...*jobs.Job) (topics []*sse.Topic) {
	for _, j := range list {
		for _, name := range j.Feeds() {
			if topic := a.deps.Sources.Topic(name); topic != nil && !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	return topics
}

// getQueue answers with all runs that wait; a job object has the first of them.
func (a *API) getQueue(w http.ResponseWriter, r *http.Request) {
	j := a.findJob(w, r)
	if j == nil {
		return
	}
	a.serveState(w, r, func() (state, bool) {
		queue, err := a.deps.Jobs.Queue(r.Context(), j.Name)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		return stateOf(wire.Queue{Queue: queue}), true
	}, j.Topic)
}

// triggerRun starts a run or joins one.
func (a *API) triggerRun(w http.ResponseWriter, r *http.Request) {
	j := a.findJob(w, r)
	if j == nil {
		return
	}
	start, isForm, ok := a.startOf(w, r, j.Job)
	if !ok {
		return
	}
	if !a.revalidate(w, r, operate, j.Job) { // the body may have taken its time
		return
	}
	if start.Like != "" && !a.addLike(w, r, j.Job, &start) {
		return
	}
	args, problems := bound(r.Context(), j, start.Args)
	if problems != nil {
		failArgs(w, r, j.Job, problems)
		return
	}
	key, err := negotiate.IdempotencyKey(r.Header)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	run, snap, err := a.deps.Jobs.Start(r.Context(), j, jobs.StartOptions{
		Trigger: wire.TriggerAPI,
		Args:    args,
		Like:    start.Like,
		Caller:  userOf(r).ID,
		By:      userOf(r).Name,
		Key:     key,
		Audit:   func(action string, attrs ...slog.Attr) { a.record(r, action, attrs...) },
	})
	switch {
	case err != nil:
		a.failStart(w, r, j, err)
	case isForm && negotiate.Accept(r.Header, jsonType, "text/html") == "text/html": // of a page: a browser goes there
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, RunPath(a.deps.Config(), snap.ID), http.StatusSeeOther)
	default:
		a.answerStart(w, r, run, snap)
	}
}

// bound is the given arguments as the job takes them, or what is wrong with them.
func bound(ctx context.Context, j *jobs.Job, given map[string]any) (map[string]any, []*config.ArgError) {
	args, problems := j.Bind(given)
	if problems == nil && j.HTTP != nil {
		_, err := j.Request(ctx, args)
		if wrong, ok := errors.AsType[*config.ArgError](err); ok { // any other error is that of the run
			problems = append(problems, wrong)
		}
	}
	return args, problems
}

// answerStart answers with 202 and where the run can be followed (RFC 9110 §15.3.3); or with 200 and its end, if the
// client prefers to wait and it came in time. run is nil if it is over.
func (a *API) answerStart(w http.ResponseWriter, r *http.Request, run *jobs.Run, snap wire.Run) {
	prefer := negotiate.Prefer(r.Header, maxWait)
	status := http.StatusAccepted
	if prefer.Waits {
		if run != nil {
			run.Wait(r.Context(), prefer.Duration)
			if !a.revalidate(w, r, view, nil) {
				return
			}
			coalesced := snap.Coalesced
			snap = run.Snapshot()
			snap.Coalesced = coalesced
		} else if !snap.Status.Ended() { // it is a run of another replica
			if snap = a.awaitEnd(r.Context(), snap, prefer.Duration); !a.revalidate(w, r, view, nil) {
				return
			}
		}
		if snap.Status.Ended() {
			status = http.StatusOK
		}
	}
	path := RunPath(a.deps.Config(), snap.ID)
	h := w.Header()
	h.Set("Location", path)
	h.Set("Operation-Location", a.absolute(r, path))
	if !snap.Status.Ended() {
		h.Set("Retry-After", "1")
	}
	prefer.Apply(h)
	answer(w, status, snap)
}
