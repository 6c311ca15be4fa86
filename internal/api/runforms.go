package api

import (
	"errors"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// A formBody is what the template run-form shows.
type formBody struct {
	Job, Title string
	Fields     []views.ArgField
	Files      bool   // it has a field of a file
	Confirm    string // the question before a start; empty: none
	Like       string // the run whose arguments it begins with; empty: none
	Busy       string // what becomes of a start now; empty: it begins at once
	Problem    string // why the last attempt was refused; empty: it was none
	InTheWay   string // the run because of which; empty: none
}

// argPrefix is before the name of an argument in the names of fields. A form with wholeField has a field for each argument: what it
// does not send is a box that is not checked. One without it begins with the arguments of the run that it names.
const (
	argPrefix  = "arg."
	wholeField = "whole"
)

// runForm draws the form that starts a job: with the arguments of the run ?like, if that is one of the job.
func (a *API) runForm(w http.ResponseWriter, r *http.Request) {
	j, object, ok := a.jobOfPage(w, r)
	if !ok {
		return
	}
	like := r.URL.Query().Get("like")
	var given map[string]any
	if like != "" {
		if record, err := a.deps.Runs.Lookup(r.Context(), like); err == nil && record.Job == j.Name {
			given = argsOf(record)
		} else {
			like = ""
		}
	}
	a.drawRunForm(w, r, http.StatusOK, object, formBody{Like: like, Fields: views.ArgFields(object.Args, given, nil)})
}

func (a *API) drawRunForm(w http.ResponseWriter, r *http.Request, status int, j wire.JobObject, body formBody) {
	body.Job, body.Title, body.Confirm = j.Name, j.Title, j.Confirm
	body.Files = slices.ContainsFunc(body.Fields, func(f views.ArgField) bool { return f.Kind == "file" })
	if run := j.LastRun; run != nil && !run.Status.Ended() && body.Problem == "" {
		body.Busy = "It runs already: " + views.OnBusy(j.OnBusy) + "."
	}
	w.Header().Set("Cache-Control", "no-store")
	a.draw(w, r, status, "run-form", web.Page{Title: "Run " + j.Title, Tab: "jobs", Script: "run-page.js", Body: body})
}

// postRun starts a job by the form, and answers with where the run is seen. If the start is refused, the form is drawn again and
// says why.
func (a *API) postRun(w http.ResponseWriter, r *http.Request) {
	j, object, ok := a.jobOfPage(w, r)
	if !ok {
		return
	}
	done := a.boundStart(w, r, j.Job)
	files, err := parseRunForm(r)
	done()
	if err != nil {
		failForm(w, r, err)
		return
	}
	if !a.revalidate(w, r, operate, j.Job) { // the body may have taken its time
		return
	}
	like := r.PostForm.Get("like")
	given, ok := a.givenBy(w, r, j.Job, like, files)
	if !ok {
		return
	}
	args, wrong := bound(r.Context(), j, given)
	if wrong != nil {
		a.refuseArgs(w, r, j, object, given, like, wrong)
		return
	}
	key, err := negotiate.IdempotencyKey(r.Header)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	_, snap, err := a.deps.Jobs.Start(r.Context(), j, jobs.StartOptions{
		Trigger: wire.TriggerAPI, Args: args, Like: like, Caller: userOf(r).ID, By: userOf(r).Name, Key: key,
		Audit: func(action string, attrs ...slog.Attr) { a.record(r, action, attrs...) },
	})
	refusal, isRefused := errors.AsType[*jobs.Refusal](err)
	switch {
	case err == nil:
		a.seeOther(w, r, RunPage(a.deps.Config(), snap.ID))
	case !isRefused || wantsJSON(r):
		a.failStart(w, r, j, err)
	default:
		a.drawRunForm(w, r, refusals[refusal.Code].Status, object, formBody{
			Like: like, Fields: views.ArgFields(object.Args, shownGiven(j.Job, given), nil), Problem: sentenceOf(refusal.Detail), InTheWay: refusal.Run,
		})
	}
}

// parseRunForm reads a form into r.PostForm, and the files that it has.
func parseRunForm(r *http.Request) (files map[string]*config.File, err error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != fileType {
		return nil, r.ParseForm()
	}
	r.PostForm, files, err = readFiles(r)
	return files, err
}

// givenBy returns the arguments that a form gives: its fields, and if it has none of some, those of the run like. It reports false
// after an answer of its own.
func (a *API) givenBy(
	w http.ResponseWriter, r *http.Request, j *config.Job, like string, files map[string]*config.File,
) (map[string]any, bool) {
	start := wire.Start{Like: like, Args: map[string]any{}}
	for name, values := range r.PostForm {
		if name, ok := strings.CutPrefix(name, argPrefix); ok {
			start.Args[name] = values[0]
		}
	}
	for name, f := range files {
		start.Args[strings.TrimPrefix(name, argPrefix)] = f
	}
	if like != "" && !r.PostForm.Has(wholeField) {
		ok := a.addLike(w, r, j, &start)
		return start.Args, ok
	}
	if like != "" && j.MaxGiven() > 0 { // a form has no field that can be filled in with a file
		if record, err := a.deps.Runs.Lookup(r.Context(), like); err == nil && record.Job == j.Name {
			all := argsOf(record)
			if !a.addFiles(w, r, j, record.Run, start.Args, all) {
				return nil, false
			}
			for name, v := range all {
				if f, ok := v.(*config.File); ok {
					start.Args[name] = f
				}
			}
		}
	}
	for _, arg := range j.Args {
		if arg.Type == config.ArgBool {
			_, start.Args[arg.Name] = start.Args[arg.Name]
		}
	}
	return start.Args, true
}

// refuseArgs says what is wrong with the arguments of a form.
func (a *API) refuseArgs(
	w http.ResponseWriter, r *http.Request, j *jobs.Job, object wire.JobObject, given map[string]any, like string, wrong []*config.ArgError,
) {
	if wantsJSON(r) {
		failArgs(w, r, j.Job, wrong)
		return
	}
	problems, body := map[string]string{}, formBody{Like: like}
	for _, e := range wrong {
		text := sentenceOf(e.What + ", " + e.Want)
		if slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Name == e.Arg && a.Secret }) {
			text = "This value is not accepted: " + e.Want
		}
		if slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Name == e.Arg }) {
			problems[e.Arg] = text
		} else {
			body.Problem = text
		}
	}
	body.Fields = views.ArgFields(object.Args, shownGiven(j.Job, given), problems)
	a.drawRunForm(w, r, http.StatusUnprocessableEntity, object, body)
}

// shownGiven is what was given for the arguments of a job, without what is secret.
func shownGiven(j *config.Job, given map[string]any) map[string]any {
	shown := maps.Clone(given)
	for _, arg := range j.Args {
		if arg.Secret {
			shown[arg.Name] = secret.Mask
		}
		if arg.Type == config.ArgFile {
			delete(shown, arg.Name) // no field can be filled in with it
		}
	}
	return shown
}

// sentenceOf makes a sentence of a text that begins with a small letter.
func sentenceOf(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// postCancel cancels a run by a form, and answers with where it is seen.
func (a *API) postCancel(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, err := a.deps.Runs.Lookup(r.Context(), id); err != nil && !wantsJSON(r) {
		a.runPage(w, r) // it says what has become of the run
		return
	}
	run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	was, err := a.deps.Runs.Cancel(r.Context(), id)
	switch {
	case err != nil:
		a.failPast(w, r, err)
		return
	case was:
		a.record(r, "cancel", slog.String("job", run.Job), slog.String("run", id))
	}
	a.seeOther(w, r, RunPage(a.deps.Config(), id))
}

// RunPage is the path at which people see a run, below the path of the public address if there is one.
func RunPage(cfg *config.Config, id string) string {
	return access.Base(cfg.PublicURL) + "/runs/" + id
}

// wantsJSON reports whether a form was sent by a script.
func wantsJSON(r *http.Request) bool {
	return negotiate.Accept(r.Header, "text/html", jsonType) == jsonType
}

// seeOther answers a form with where its result is seen: a browser goes there, a script is told.
func (a *API) seeOther(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Cache-Control", "no-store")
	if wantsJSON(r) {
		answer(w, http.StatusOK, map[string]string{"location": path})
		return
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
}
