package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// A jobsBody is what the template jobs shows.
type jobsBody struct {
	Rows  []views.JobRow
	Show  string       // which of them: failed, busy, or all if it is empty
	Blank views.JobRow // of which modules make rows
}

// jobsPage draws the page of all jobs, or with ?show=failed or ?show=busy of those that need attention or are at work.
func (a *API) jobsPage(w http.ResponseWriter, r *http.Request) {
	all, err := a.jobObjects(r, a.deps.Jobs.List()...)
	if err != nil {
		a.failPast(w, r, err)
		return
	}
	body, look := jobsBody{Show: r.URL.Query().Get("show")}, a.look(r)
	for _, object := range all {
		row := look.JobRow(object)
		if body.Show == "" || body.Show == "failed" && row.Needs || body.Show == "busy" && (row.Busy || row.State == "queued") {
			body.Rows = append(body.Rows, row)
		}
	}
	a.draw(w, r, http.StatusOK, "jobs", web.Page{Title: "Jobs", Tab: "jobs", Script: "jobs-page.js", Body: body})
}

// A jobBody is what the template job-page shows.
type jobBody struct {
	Name, Title string
	Section     string
	Head        views.RunHead
	Never       bool       // it has not run yet
	Run         string     // the run that the head is about
	Strip       string     // how the newest runs ended, as JSON
	Summary     string     // the same in words
	NextAt      *time.Time // when it starts by itself; nil: it does not
	Next        string     // the same in words
	Start       startButton
	Cancel      string // the run in progress, if the user may cancel it
	Rows        []views.RunRow
	Only        string // which runs are listed: failed, which have not succeeded, warned, or all if it is empty
	Warns       bool   // its runs can succeed with a warning
	Older       string // the cursor of the runs after these; empty: there are none
	Newer       bool   // these are not the newest
	Facts, Args []views.Fact
	Queue       []queued
	Queued      int // how many wait that are not in Queue
	Beside      []beside
	Besides     int // how many are at work that are not in Beside
}

// A startButton starts a job.
type startButton struct {
	Job, Label string
	Form       bool       // it has questions to answer before
	Blocked    string     // why it cannot be started now; empty: it can
	Until      *time.Time // until when, if its limit is why; nil: that is not why
	When       string     // the same in words
}

// A queued is a run that waits.
type queued struct {
	ID     string
	N      int
	Args   []views.Fact
	Cancel bool // the user may cancel it
}

// A beside is a run at work beside the one that the head is about.
type beside struct {
	ID     string
	Begun  time.Time
	Since  string // the same in words
	Args   []views.Fact
	Cancel bool // the user may cancel it
}

// notSucceeded are the statuses of runs that have ended otherwise than by success.
var notSucceeded = []string{"failed", "timed_out", "lost", "cancelled"}

// pageRuns is how many runs the page of a job lists.
const pageRuns = 20

// jobPage draws the page of a job, with its runs: the newest ones, those after the cursor ?before, or with ?status=failed
// those that have not succeeded, with ?status=warned those that succeeded with a warning.
func (a *API) jobPage(w http.ResponseWriter, r *http.Request) {
	j, object, ok := a.jobOfPage(w, r)
	if !ok {
		return
	}
	query, look := r.URL.Query(), a.look(r)
	filter := archive.RunFilter{Job: j.Name, Limit: pageRuns}
	body := jobBody{
		Name: j.Name, Title: object.Title, Section: object.Section, Start: startOfJob(object, look), Warns: len(j.WarnCodes) > 0,
		Summary: views.Summary(object), Facts: look.JobFacts(object), Never: object.LastRun == nil,
	}
	switch only := query.Get("status"); only {
	case "failed":
		body.Only, filter.Statuses = only, notSucceeded
	case wire.StatusWarned:
		body.Only, filter.Statuses = only, []string{only}
	}
	if cursor := query.Get("before"); cursor != "" {
		filter.After, _ = keyOf(cursor) // of one that is not valid all are shown
		body.Newer = filter.After != nil
	}
	list, more, err := a.deps.Runs.Runs(r.Context(), filter)
	if err != nil {
		a.failPast(w, r, err)
		return
	}
	runs := make([]wire.Run, len(list))
	for i, run := range list {
		_ = json.Unmarshal(run.Data, &runs[i]) // it was published
	}
	if body.Rows = look.RunRows(runs, object.Args); more {
		body.Older = cursorOf(list[len(list)-1].Key())
	}
	strip, _ := json.Marshal(object.Strip) // texts and numbers encode
	body.Strip = string(strip)
	if last := object.LastRun; last != nil {
		body.Head, body.Run = look.RunHead(*last), last.ID
		if body.Head.Busy && object.Allowed {
			body.Cancel = last.ID
		}
	}
	if object.NextAt != nil {
		body.NextAt, body.Next = object.NextAt, look.Clock(*object.NextAt)
	}
	for _, arg := range object.Args {
		body.Args = append(body.Args, views.ArgFact(arg))
	}
	for _, q := range object.Queue {
		body.Queue = append(body.Queue, queued{q.ID, q.Position, views.ArgFacts(q.Args, object.Args), object.Allowed})
	}
	body.Queued = object.Queued - len(body.Queue)
	for _, b := range object.Beside {
		body.Beside = append(body.Beside, beside{b.ID, b.StartedAt, look.Clock(b.StartedAt), views.ArgFacts(b.Args, object.Args), object.Allowed})
	}
	body.Besides = object.Besides - len(body.Beside)
	a.draw(w, r, http.StatusOK, "job-page", web.Page{
		Title: object.Title, Tab: "jobs", Script: "run-page.js", Follow: []string{wire.JobKey(j.Name), wire.ConfigKey}, Body: body,
	})
}

// jobOfPage returns the job that the path of a page names, for its user. It reports false after an answer of its own.
func (a *API) jobOfPage(w http.ResponseWriter, r *http.Request) (*jobs.Job, wire.JobObject, bool) {
	name := r.PathValue("job")
	j := a.deps.Jobs.Job(name)
	if j == nil {
		a.goneJob(w, r, name)
		return nil, wire.JobObject{}, false
	}
	all, err := a.jobObjects(r, j)
	if err != nil {
		a.failPast(w, r, err)
		return nil, wire.JobObject{}, false
	}
	object := all[0]
	object.Title = titleOf(j.Job)
	return j, object, true
}

func titleOf(j *config.Job) string {
	if j.Title != "" {
		return j.Title
	}
	return j.Name
}

// titleOfJob is what people call the job of a name.
func (a *API) titleOfJob(name string) string {
	if j := a.deps.Jobs.Job(name); j != nil {
		return titleOf(j.Job)
	}
	return name
}

// goneJob answers a request for a page of a job that is not configured. Its last run may be kept all the same.
func (a *API) goneJob(w http.ResponseWriter, r *http.Request, name string) {
	notice := web.Notice{Title: "There is no job “" + name + "”", Text: "It was removed from the configuration, or never was in it."}
	list, _, err := a.deps.Runs.Runs(r.Context(), archive.RunFilter{Job: name, Limit: 1})
	if err == nil && len(list) > 0 {
		var run wire.Run
		_ = json.Unmarshal(list[0].Data, &run) // it was published
		notice.Text = "It was removed from the configuration. Its last run is kept."
		if run.ExpiresAt != nil {
			notice.Text = "It was removed from the configuration. Its last run is kept until " + a.look(r).Clock(*run.ExpiresAt) + "."
		}
		notice.Link = &web.Link{Text: "Open its last run", To: "runs/" + list[0].ID}
	}
	web.Message(w, r, http.StatusNotFound, notice)
}

// startOfJob returns what starts a job, for the user that the object is for.
func startOfJob(j wire.JobObject, look views.Look) startButton {
	b := startButton{Job: j.Name, Label: "Run", Form: len(j.Args) > 0 || j.Confirm != ""}
	if run := j.LastRun; run != nil && !run.Status.Ended() {
		switch j.OnBusy {
		case "queue":
			b.Label = "Queue"
		case "replace":
			b.Label = "Replace"
		case "reject":
			b.Blocked = "It runs already, and a second start is refused"
		}
	}
	switch {
	case !j.Allowed:
		b.Blocked = "You may view this job, but not start it"
	case j.AvailableAt != nil && j.AvailableAt.After(look.Now):
		b.Until, b.When = j.AvailableAt, look.Clock(*j.AvailableAt)
		b.Blocked = "Its limit allows the next start at " + b.When
	}
	return b
}

// A runBody is what the template run shows.
type runBody struct {
	ID, Job, Title string
	Known          bool // the job is configured
	Head           views.RunHead
	Facts, Args    []views.Fact
	Files          []views.FileRow
	Result         string
	Log            logBody
	Cancel         bool // it can be cancelled, by the user
	Again          bool // it can be started again, by the user
	Strip, Summary string
}

// A logBody is the end of what a run has printed.
type logBody struct {
	Lines []views.LogLine
	Next  int64  // the offset behind them
	Over  bool   // nothing follows
	Whole bool   // nothing before them is kept
	Cut   string // what is said of what is before them; empty: nothing is
	Size  string // of all that was printed
}

// Bounds of what is drawn of an output: the rest is read by the script.
const (
	drawnOutput = 64 << 10 // bytes
	drawnLines  = 400
)

// runPage draws the page of a run.
func (a *API) runPage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	record, err := a.deps.Runs.Lookup(r.Context(), id)
	switch {
	case errors.Is(err, jobs.ErrExpired):
		a.gone(w, r, "This run is not kept any more", "Only the newest runs of a job are kept, and those for a time.")
		return
	case errors.Is(err, jobs.ErrNoRun):
		a.gone(w, r, "There is no run “"+id+"”", "It never was, or nothing is kept of it any more.")
		return
	case err != nil:
		a.failPast(w, r, err)
		return
	}
	run, look := record.Run, a.look(r)
	body := runBody{ID: run.ID, Job: run.Job, Title: run.Job, Head: look.RunHead(run), Result: views.Result(run.Result), Strip: "[]"}
	var object wire.JobObject
	if j := a.deps.Jobs.Job(run.Job); j != nil {
		allowed := userOf(r).Can(operate, j.Job)
		if object, err = j.Object(r.Context(), allowed); err != nil {
			a.failPast(w, r, err)
			return
		}
		strip, _ := json.Marshal(object.Strip) // texts and numbers encode
		body.Known, body.Title, body.Strip, body.Summary = true, titleOf(j.Job), string(strip), views.Summary(object)
		body.Cancel, body.Again = allowed && body.Head.Busy && run.Status != "cancelling", allowed && !body.Head.Busy
	}
	run.Then = a.keptOf(r.Context(), run.Then)
	body.Facts, body.Args = look.RunFacts(run, object.At, a.titleOfJob), views.ArgFacts(run.Args, object.Args)
	body.Files = views.FileRows(run.Files, object.Args)
	body.Log = a.logOf(r, run, look)
	a.draw(w, r, http.StatusOK, "run", web.Page{
		Title: body.Title + ", " + body.Head.Word, Tab: "jobs", Script: "run-page.js", Follow: []string{wire.JobKey(run.Job)}, Body: body,
	})
}

// keptOf returns the runs that follow another one, without the ids of those that are not known: they did not start, have joined
// others, or are not kept.
func (a *API) keptOf(ctx context.Context, then []wire.RunRef) []wire.RunRef {
	then = slices.Clone(then)
	for i, ref := range then {
		if _, err := a.deps.Runs.Lookup(ctx, ref.ID); err != nil {
			then[i].ID = ""
		}
	}
	return then
}

// logOf returns the end of what a run has printed. If it cannot be read, there are no lines, and the script asks for them.
func (a *API) logOf(r *http.Request, run wire.Run, look views.Look) logBody {
	ctx, cancel := context.WithTimeout(r.Context(), logWithin)
	defer cancel()
	r = r.WithContext(ctx)
	part, _, err := a.outputOf(r, run, 0, 0)
	if err != nil {
		return logBody{Cut: "The output cannot be read now."}
	}
	from := max(part.Begin, part.Size-drawnOutput)
	log := logBody{
		Next: part.Size, Over: run.Status.Ended() && part.Size >= run.OutputBytes, Whole: from == part.Begin, Size: views.Size(part.Size),
	}
	a.eachLine(r, run, from, part.Size, func(lines []wire.Line) bool {
		for _, line := range lines {
			log.Lines = append(log.Lines, look.LogLine(line))
		}
		return true
	})
	if n := len(log.Lines); n > drawnLines {
		log.Lines, log.Whole = log.Lines[n-drawnLines:], false
	}
	switch {
	case !log.Whole:
		log.Cut = "Earlier lines are in the download."
	case part.Begin > 0:
		log.Cut = "The first " + views.Size(part.Begin) + " are not kept."
	}
	return log
}

// logWithin bounds how long a page waits for the output of a run of another replica.
const logWithin = 2 * time.Second
