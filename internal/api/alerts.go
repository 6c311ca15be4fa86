package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// maxReason bounds the reason of a silence or an acknowledgement, in characters.
const maxReason = 500

// listAlerts answers with every alert that is not clear, every silence, and how the receivers are.
func (a *API) listAlerts(w http.ResponseWriter, r *http.Request) {
	a.serveState(
		w, r, func() (state, bool) { return stateOf(a.deps.Alerts.Alerts()), true }, a.deps.AlertsTopic,
	)
}

// acknowledge keeps receivers from being told again of the alert of a source or a job, until it is resolved.
func (a *API) acknowledge(w http.ResponseWriter, r *http.Request) {
	var body wire.Acknowledge
	if !readJSON(w, r, &body, `{"of":"source/tank"}`) || !a.mayActOn(w, r, body.Of) {
		return
	}
	reason, parts := reasonOf(body.Reason, nil)
	switch {
	case body.Of == "":
		parts = append(parts, problem.Part{Pointer: "#/of", Detail: "this is missing: write source/NAME or job/NAME"})
	case body.Of == wire.SilenceAll, strings.HasPrefix(body.Of, wire.UpstreamKey("")), strings.HasPrefix(body.Of, wire.SectionKey("")):
		parts = append(parts, problem.Part{
			Pointer: "#/of", Detail: "one alert is acknowledged at a time: write source/NAME or job/NAME",
		})
	}
	if parts != nil {
		failParts(w, r, "the acknowledgement is not valid", parts...)
		return
	}
	if !a.findSubject(w, r, body.Of) {
		return
	}
	now, err := a.deps.Alerts.Acknowledge(r.Context(), body.Of, userOf(r).Name, reason)
	switch {
	case errors.Is(err, alert.ErrNotFiring):
		fail(w, r, http.StatusConflict, fmt.Sprintf("the alert of %s does not fire: there is nothing to acknowledge", body.Of))
	case failReplica(w, r, err):
	case err != nil:
		a.failAlerts(w, r, err)
	default:
		a.record(r, "acknowledge", aboutSubject(body.Of, slog.String("reason", reason))...)
		answer(w, http.StatusOK, now)
	}
}

// mayActOn reports whether the caller may silence and acknowledge the alerts of a key, and refuses the request otherwise:
// those of a job need the permission to start it, all others that to operate.
func (a *API) mayActOn(w http.ResponseWriter, r *http.Request, of string) bool {
	return a.revalidate(w, r, operate, a.jobOfKey(of))
}

// mayAct reports the same, and answers nothing.
func (a *API) mayAct(r *http.Request, of string) bool {
	return a.deps.Guard.Revalidate(userOf(r)).Can(operate, a.jobOfKey(of))
}

// jobOfKey is the job of a key; nil: the key is of something else, or there is no such job.
func (a *API) jobOfKey(key string) *config.Job {
	if name, isJob := strings.CutPrefix(key, wire.JobKey("")); isJob {
		if j := a.deps.Jobs.Job(name); j != nil {
			return j.Job
		}
	}
	return nil
}

// findSubject reports whether a silence can be of a key, or answers 404.
func (a *API) findSubject(w http.ResponseWriter, r *http.Request, of string) bool {
	known := subjects(a.deps.Config())
	if slices.Contains(known, of) {
		return true
	}
	want := grammar.Suggest(of, "keys", known)
	for _, key := range known { // such as tank for source/tank
		if strings.HasSuffix(key, "/"+of) {
			want = grammar.DidYouMean(key)
			break
		}
	}
	fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no %s: %s", grammar.Quote(text.Cut(of, 200)), want))
	return false
}

// subjects returns the keys that a silence can be of.
func subjects(cfg *config.Config) []string {
	all := []string{wire.SilenceAll}
	var sections []string
	for _, u := range cfg.Upstreams {
		all = append(all, wire.UpstreamKey(u.Name))
	}
	for _, s := range cfg.Sources {
		all, sections = append(all, wire.SourceKey(s.Name)), append(sections, s.Section)
	}
	for _, j := range cfg.Jobs {
		all, sections = append(all, wire.JobKey(j.Name)), append(sections, j.Section)
	}
	for _, path := range config.AllSections(sections) {
		all = append(all, wire.SectionKey(path))
	}
	return all
}

// reasonOf returns a reason as one line, and adds what is wrong with it to parts.
func reasonOf(given string, parts []problem.Part) (string, []problem.Part) {
	reason := text.Words(given)
	if text.Cut(reason, maxReason) != reason {
		parts = append(parts, problem.Part{
			Pointer: "#/reason", Detail: fmt.Sprintf("this is longer than %d characters", maxReason),
		})
	}
	return reason, parts
}

// aboutSubject returns the attributes of a record about a key, and others.
func aboutSubject(of string, more ...slog.Attr) []slog.Attr {
	attrs := []slog.Attr{slog.String("of", of)}
	kind, name, _ := strings.Cut(of, "/")
	if kind == "source" || kind == "job" {
		attrs = append(attrs, slog.String(kind, name))
	}
	return append(attrs, more...)
}

// failAlerts answers with an error of the alerts that is not the client's.
func (a *API) failAlerts(w http.ResponseWriter, r *http.Request, err error) {
	a.deps.Log.Error("alerts cannot be changed", "err", err)
	fail(w, r, http.StatusInternalServerError, "the alerts cannot be changed; the log says more")
}
