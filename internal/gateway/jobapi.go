package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// runPath is where a run can be looked at.
func (g *gateway) runPath(id string) string { return g.link("/api/v1/runs/" + id) }

// absolute is the address of a path of ours as whoever sent r can use it.
func (g *gateway) absolute(r *http.Request, path string) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if public := g.cfg.Load().PublicURL; public != nil {
		scheme, host = public.Scheme, public.Host
	}
	return scheme + "://" + host + path
}

func (g *gateway) listJobs(w http.ResponseWriter, r *http.Request) {
	g.serveState(w, r, func() (state, bool) {
		list := g.jobs.List()
		all := make([]wire.JobObject, 0, len(list))
		for _, j := range list {
			all = append(all, j.Object(userOf(r).Can(operate, j.Job)))
		}
		return stateOf(wire.Jobs{Jobs: all}), true
	}, append(g.jobs.Topics(), g.loader.topic)...)
}

// findJob finds the job that the path names, or answers 404.
func (g *gateway) findJob(w http.ResponseWriter, r *http.Request) *jobs.Job {
	name := r.PathValue("job")
	j := g.jobs.Job(name)
	if j == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no job %q", name))
	}
	return j
}

func (g *gateway) getJob(w http.ResponseWriter, r *http.Request) {
	if j := g.findJob(w, r); j != nil {
		g.serveState(w, r, func() (state, bool) { return stateOf(j.Object(g.guard.Again(userOf(r)).Can(operate, j.Job))), true }, j.Topic)
	}
}

// getQueue answers with all runs that wait, of which the job has the first ones.
func (g *gateway) getQueue(w http.ResponseWriter, r *http.Request) {
	if j := g.findJob(w, r); j != nil {
		g.serveState(w, r, func() (state, bool) { return stateOf(map[string]any{"queue": g.jobs.Queue(j.Name)}), true }, j.Topic)
	}
}

// triggerRun starts a run or joins one. The answer is 202 and says where the run can be
// followed (RFC 9110 §15.3.3), or 200 with its end if the client would rather wait and it
// came in time; for the form of a page it is the way to the run.
func (g *gateway) triggerRun(w http.ResponseWriter, r *http.Request) {
	j := g.findJob(w, r)
	if j == nil {
		return
	}
	given, isForm, ok := startArgs(w, r)
	if !ok {
		return
	}
	if !g.mayStill(w, r, operate, j.Job) { // the body may have taken its time
		return
	}
	args, problems := j.Bind(given)
	if problems == nil && j.HTTP != nil {
		if _, wrong := j.Request(args); wrong != nil {
			problems = append(problems, wrong)
		}
	}
	if problems != nil {
		failArgs(w, r, j.Job, problems)
		return
	}
	key, err := negotiate.IdempotencyKey(r.Header)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	run, snap, err := g.jobs.Start(r.Context(), j, jobs.StartOptions{
		Trigger: wire.TriggerAPI,
		Args:    args,
		Caller:  userOf(r).ID,
		Key:     key,
		Audit:   func(action string, attrs ...slog.Attr) { g.audit(r, action, attrs...) },
	})
	if err != nil {
		g.failStart(w, r, j, err)
		return
	}
	if isForm {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, g.runPath(snap.ID), http.StatusSeeOther)
		return
	}
	prefer := negotiate.Prefer(r.Header, maxWait)
	status := http.StatusAccepted
	if prefer.Waits {
		if run != nil {
			run.Wait(r.Context(), prefer.Duration)
			if !g.mayStill(w, r, view, nil) {
				return
			}
			coalesced := snap.Coalesced
			snap = run.Snapshot()
			snap.Coalesced = coalesced
		}
		if snap.Status.Ended() {
			status = http.StatusOK
		}
	}
	h := w.Header()
	h.Set("Location", g.runPath(snap.ID))
	h.Set("Operation-Location", g.absolute(r, g.runPath(snap.ID)))
	if !snap.Status.Ended() {
		h.Set("Retry-After", "1")
	}
	prefer.Apply(h)
	answer(w, status, snap)
}

// startArgs reads the arguments of a start: JSON, or the fields of a form. JSON must be
// called so: a page of another site can send a text without asking, but not that.
func startArgs(w http.ResponseWriter, r *http.Request) (args map[string]any, isForm, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == jsonType:
		args, ok = jsonArgs(w, r)
		return args, false, ok
	case err == nil && media == formType:
		args, ok = formArgs(w, r)
		return args, true, ok
	case r.ContentLength == 0:
		w.Header().Set("Accept", jsonType)
		fail(w, r, http.StatusUnsupportedMediaType, `there is no body: send {"args":{…}} with Content-Type: application/json, or {} to start with the defaults, as curl --json '{}' does`)
		return nil, false, false
	}
	failMedia(w, r)
	return nil, false, false
}

func jsonArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	var body struct {
		Args map[string]any `json:"args"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil && err != io.EOF {
		failBody(w, r, err)
		return nil, false
	}
	if _, err := decoder.Token(); err != io.EOF {
		fail(w, r, http.StatusBadRequest, "the body goes on after its JSON value")
		return nil, false
	}
	return body.Args, true
}

func formArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	if err := r.ParseForm(); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			failBody(w, r, err)
		} else {
			fail(w, r, http.StatusBadRequest, "the body is not a form: a field has a bad escape")
		}
		return nil, false
	}
	args := map[string]any{}
	for name, values := range r.PostForm {
		if strings.HasPrefix(name, "{") { // as curl -d sends it
			w.Header().Set("Accept", jsonType)
			fail(w, r, http.StatusUnsupportedMediaType, "the body is JSON that is called a form: send Content-Type: application/json, as curl --json does")
			return nil, false
		}
		args[name] = values[0]
		if len(values) > 1 {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("the form has the field %q twice", name))
			return nil, false
		}
	}
	return args, true
}

// refusals are the status and the type of problem by which a refused start is answered.
var refusals = map[jobs.Code]problem.Problem{
	jobs.Busy:      {Status: http.StatusConflict, Type: "job-busy"},
	jobs.QueueFull: {Status: http.StatusTooManyRequests, Type: "queue-full"},
	jobs.Limited:   {Status: http.StatusTooManyRequests, Type: "limit-reached"},
	jobs.Stopping:  {Status: http.StatusServiceUnavailable, Type: "stopping"},
	jobs.KeyReused: {Status: http.StatusUnprocessableEntity, Type: "idempotency-key-reused"},
	jobs.Expired:   {Status: http.StatusGone},
}

// failStart answers a start that came to nothing.
func (g *gateway) failStart(w http.ResponseWriter, r *http.Request, j *jobs.Job, err error) {
	var refusal *jobs.Refusal
	switch {
	case errors.As(err, &refusal):
		p := refusals[refusal.Code]
		p.Detail, p.Instance, p.Run, p.RetryAfter = refusal.Detail, instance(r), refusal.Run, seconds(refusal.After)
		problem.Write(w, p)
	case r.Context().Err() != nil: // nobody hears
	default:
		g.log.Error("a run was not started", "job", j.Name, "err", err)
		failForNow(w, r, http.StatusServiceUnavailable, "the run cannot be stored; the log says more", 5*time.Second)
	}
}

// findRun finds the run that the path names, or answers 404, or 410 if there was one.
func (g *gateway) findRun(w http.ResponseWriter, r *http.Request) (*sse.Topic, wire.Run, bool) {
	id := r.PathValue("id")
	topic, run, ok := g.jobs.Lookup(id)
	switch {
	case ok:
	case g.jobs.HasExpired(id):
		fail(w, r, http.StatusGone, fmt.Sprintf("run %q has expired: only the newest runs of a job are kept, and those for a time", id))
	default:
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no run %q: it never was, or it was before this gateway started", id))
	}
	return topic, run, ok
}

func (g *gateway) getRun(w http.ResponseWriter, r *http.Request) {
	topic, _, ok := g.findRun(w, r)
	if !ok {
		return
	}
	g.serveState(w, r, func() (state, bool) {
		_, run, ok := g.findRun(w, r) // the run may have been forgotten meanwhile
		if !ok {
			return state{}, false
		}
		w.Header().Del("Retry-After")
		if !run.Status.Ended() {
			w.Header().Set("Retry-After", "1")
		}
		return g.newestOf(topic), true
	}, topic)
}

// runEvents streams a run to its end, or answers as getRun to who asks for JSON. A reader
// that has seen the end of a run that is forgotten by now gets 204 and stops.
func (g *gateway) runEvents(w http.ResponseWriter, r *http.Request) {
	if negotiate.WantsJSON(r) {
		g.getRun(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	if _, _, ok := g.jobs.Lookup(r.PathValue("id")); !ok && sse.ServeGone(w, r) {
		return
	}
	for {
		topic, run, ok := g.findRun(w, r)
		if !ok {
			return
		}
		err := g.hub.With(sse.StreamOptions{HandOff: true}).ServeRun(w, r, topic, run.ID)
		if errors.Is(err, sse.ErrGone) {
			continue // it has been forgotten just now
		}
		if err != nil {
			failStream(w, r)
		}
		return
	}
}

// runOutput answers with what a run has printed from an offset on, and with
// `Prefer: wait=N` not before there is more, for N seconds at most.
func (g *gateway) runOutput(w http.ResponseWriter, r *http.Request) {
	_, run, ok := g.findRun(w, r)
	if !ok {
		return
	}
	offset := int64(0)
	if from := r.URL.Query().Get("from"); from != "" {
		var err error
		if offset, err = strconv.ParseInt(from, 10, 64); err != nil || offset < 0 {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("from=%q is not an offset: give the Tidewire-Next of the answer before", from))
			return
		}
	}
	var text []byte
	var begin int64
	over := run.Status.Ended()
	prefer := negotiate.PreferWait(r.Header, maxWait)
	if out := g.jobs.Output(run.ID); out != nil {
		var more <-chan struct{}
		text, begin, more = out.From(offset)
		if prefer.Waits && len(text) == 0 && more != nil {
			timer := time.NewTimer(prefer.Duration)
			defer timer.Stop()
			select {
			case <-more:
			case <-timer.C:
			case <-r.Context().Done():
			}
			if !g.mayStill(w, r, view, nil) {
				return
			}
			text, begin, more = out.From(offset)
		}
		over = more == nil
	} else {
		begin = min(max(offset, run.OutputBytes-int64(len(run.Output))), run.OutputBytes)
		text = []byte(run.Output[len(run.Output)-int(run.OutputBytes-begin):])
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Tidewire-Next", strconv.FormatInt(begin+int64(len(text)), 10))
	if begin > offset {
		h.Set("Tidewire-Truncated", "true")
	}
	if over {
		h.Set("Tidewire-End", "true")
	}
	prefer.Apply(h)
	_, _ = w.Write(text) // the client may be gone
}

// cancelRun asks a run to end, for everybody who joined it; asking twice, or too late,
// does no harm.
func (g *gateway) cancelRun(w http.ResponseWriter, r *http.Request) {
	_, run, ok := g.findRun(w, r)
	if !ok {
		return
	}
	status := http.StatusOK
	if g.jobs.Cancel(run.ID) {
		status = http.StatusAccepted
		g.audit(r, "cancel", slog.String("job", run.Job), slog.String("run", run.ID))
	}
	if _, now, ok := g.jobs.Lookup(run.ID); ok {
		run = now
	}
	answer(w, status, run)
}
