package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/sse"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// listSources answers with every source's newest snapshot.
func (g *gateway) listSources(w http.ResponseWriter, r *http.Request) {
	g.serveState(w, r, func() (state, bool) {
		return stateOf(map[string]any{"sources": newest(g.plan.Load().sourceTopics())}), true
	}, append(g.plan.Load().sourceTopics(), g.loader.topic)...)
}

func (g *gateway) getSource(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	find := func() *poller {
		s := g.plan.Load().source(name)
		if s == nil {
			fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
		}
		return s
	}
	s := find()
	if s == nil {
		return
	}
	g.serveState(w, r, func() (state, bool) {
		if find() == nil { // removed meanwhile
			return state{}, false
		}
		return newestOf(s.topic), true
	}, s.topic)
}

// jobObject is a job as the API answers it.
type jobObject struct {
	Name    string       `json:"name"`
	Title   string       `json:"title"`
	Args    argsObject   `json:"args"`
	Allowed bool         `json:"allowed"` // whoever asks may start and cancel it
	LastRun *runSnapshot `json:"last_run"`
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
		value, err := json.Marshal(struct {
			config.Arg
			Required bool `json:"required"`
		}{arg, arg.Default == nil})
		if err != nil {
			return nil, err
		}
		object = append(append(append(object, name...), ':'), value...)
	}
	return append(object, '}'), nil
}

func (g *gateway) listJobs(w http.ResponseWriter, r *http.Request) {
	g.serveState(w, r, func() (state, bool) {
		p := g.plan.Load()
		all := make([]jobObject, 0, len(p.jobs))
		for _, j := range p.jobs {
			object := jobObject{Name: j.Name, Title: j.Title, Args: j.Args, Allowed: userOf(r).Can(operate, j.Job)}
			if last, ok := latestRun(j.topic); ok {
				object.LastRun = &last
			}
			all = append(all, object)
		}
		return stateOf(map[string]any{"jobs": all}), true
	}, append(g.plan.Load().jobTopics(), g.loader.topic)...)
}

// triggerRun starts a run or joins the one in progress; either way the answer is 202
// and says where the run can be followed.
func (g *gateway) triggerRun(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("job")
	j := g.plan.Load().job(name)
	if j == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no job %q", name))
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		fail(w, r, http.StatusUnsupportedMediaType, "the body must be JSON, with Content-Type: application/json")
		return
	}
	var body struct {
		Args map[string]any `json:"args"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil && err != io.EOF {
		failBody(w, r, err)
		return
	}
	if _, err := decoder.Token(); err != io.EOF {
		fail(w, r, http.StatusBadRequest, "the body goes on after its JSON value")
		return
	}
	args, problems := j.Bind(body.Args)
	if problems != nil {
		failArgs(w, r, problems)
		return
	}
	run, err := j.trigger(args)
	switch {
	case errors.Is(err, errBusy):
		writeProblem(w, problem{Status: http.StatusConflict, Detail: err.Error() + ": wait for its end or cancel it", Instance: r.URL.Path, Run: run.ID})
	case errors.Is(err, errStopping):
		w.Header().Set("Retry-After", "5")
		fail(w, r, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		g.log.Error("run not started", "job", name, "err", err)
		fail(w, r, http.StatusInternalServerError, "the run could not be started; the log says why")
	default:
		g.audit(r, "trigger", slog.String("job", name), slog.String("run", run.ID), maskedArgs(j.Job, args), slog.Bool("coalesced", run.Coalesced))
		w.Header().Set("Location", g.runPath(run.ID))
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusAccepted, run)
	}
}

// runPath is where a run can be looked at.
func (g *gateway) runPath(id string) string { return g.link("/api/v1/runs/" + id) }

// findRun finds the run that the path names, or answers 404.
func (g *gateway) findRun(w http.ResponseWriter, r *http.Request) (*runner, *sse.Topic, runSnapshot, bool) {
	id := r.PathValue("id")
	j, topic, run, ok := g.run(id)
	if !ok {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no run %q: it never was, or it ended so long ago that it was forgotten", id))
	}
	return j, topic, run, ok
}

func (g *gateway) getRun(w http.ResponseWriter, r *http.Request) {
	_, topic, _, ok := g.findRun(w, r)
	if !ok {
		return
	}
	g.serveState(w, r, func() (state, bool) {
		_, topic, run, ok := g.findRun(w, r) // the run may have got its record, or been forgotten, meanwhile
		if !ok {
			return state{}, false
		}
		w.Header().Del("Retry-After")
		if !run.ended() {
			w.Header().Set("Retry-After", "1")
		}
		return newestOf(topic), true
	}, topic)
}

// runEvents streams a run to its end, or answers as getRun to who asks for JSON. A reader
// that has seen the end of a run that is forgotten by now gets 204 and stops.
func (g *gateway) runEvents(w http.ResponseWriter, r *http.Request) {
	if wantsState(r) {
		g.getRun(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	if _, _, _, ok := g.run(r.PathValue("id")); !ok && sse.ServeGone(w, r) {
		return
	}
	for {
		_, topic, run, ok := g.findRun(w, r)
		if !ok {
			return
		}
		err := g.hub.ServeRun(sse.HandOff(w), r, topic, run.ID)
		if errors.Is(err, sse.ErrGone) {
			continue // the next run has begun just now: this one has its record
		}
		if err != nil {
			failStream(w, r)
		}
		return
	}
}

// cancelRun asks a run to end; asking twice, or too late, does no harm.
func (g *gateway) cancelRun(w http.ResponseWriter, r *http.Request) {
	j, _, run, ok := g.findRun(w, r)
	if !ok {
		return
	}
	status := http.StatusOK
	if !run.ended() && j.cancel(run.ID, errCancelled) {
		status = http.StatusAccepted
		g.audit(r, "cancel", slog.String("job", run.Job), slog.String("run", run.ID))
	}
	if _, _, now, ok := g.run(run.ID); ok {
		run = now
	}
	answer(w, status, run)
}

// healthy answers a health check.
func healthy(w http.ResponseWriter, ok bool) {
	if !ok {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // everything here encodes
	answerJSON(w, status, body)
}

// answerJSON writes a value that is JSON already.
func answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

// An argError says what is wrong with a part of a body, or of the configuration.
type argError struct {
	Pointer string `json:"pointer,omitempty"` // JSON pointer (RFC 6901), as a URI fragment
	Detail  string `json:"detail"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1, like Column
	Column  int    `json:"column,omitempty"`
}

// A problem is an error answer as of RFC 9457.
type problem struct {
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Status     int        `json:"status"`
	Detail     string     `json:"detail,omitempty"`
	Instance   string     `json:"instance,omitempty"`
	Errors     []argError `json:"errors,omitempty"`      // with 422
	Run        string     `json:"run,omitempty"`         // with 409: the run in progress
	RetryAfter int        `json:"retry_after,omitempty"` // with 429 and 503: seconds
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// fail answers with an error.
func fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	writeProblem(w, problem{Status: status, Detail: detail, Instance: r.URL.Path})
}

// failArgs says what is wrong with the arguments of a trigger.
func failArgs(w http.ResponseWriter, r *http.Request, problems []*config.ArgError) {
	p := problem{Status: http.StatusUnprocessableEntity, Detail: "the arguments are not valid", Instance: r.URL.Path}
	for _, e := range problems {
		name := strings.NewReplacer("~", "~0", "/", "~1").Replace(e.Arg)
		p.Errors = append(p.Errors, argError{Pointer: "#/args/" + name, Detail: e.What + ", " + e.Want})
	}
	writeProblem(w, p)
}

// failBody says what is wrong with a body that did not decode.
func failBody(w http.ResponseWriter, r *http.Request, err error) {
	var (
		tooLarge *http.MaxBytesError
		syntax   *json.SyntaxError
		wrong    *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &tooLarge):
		fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.As(err, &syntax):
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not JSON: %v at byte %d", err, syntax.Offset))
	case errors.As(err, &wrong):
		where := "#"
		if wrong.Field != "" {
			where = "#/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		writeProblem(w, problem{Status: http.StatusUnprocessableEntity, Detail: "the body has the wrong shape", Instance: r.URL.Path,
			Errors: []argError{{Pointer: where, Detail: fmt.Sprintf("is a %s: an object such as {\"args\":{}} is wanted", wrong.Value)}}})
	default:
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not {\"args\":{…}}: %s", strings.TrimPrefix(err.Error(), "json: ")))
	}
}
