package view

import (
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A JobRow is all that a row says of a job.
type JobRow struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	Href    string `json:"href"` // of its page, below the root of the gateway
	Title   string `json:"title"`
	Section string `json:"section"`
	Badge
	Line    string   `json:"line"`
	Bad     bool     `json:"bad"`  // Line is a cause
	When    string   `json:"when"` // when the newest run ended, and how long it took
	Busy    bool     `json:"busy"`
	Percent *float64 `json:"percent"`
	Elapsed string   `json:"elapsed"` // of the run in progress
	Next    string   `json:"next"`
	Summary string   `json:"summary"` // of the strip
	Act
}

// JobRow lays out a job.
func (l Look) JobRow(j wire.JobObject) JobRow {
	r := JobRow{
		Key: "job/" + j.Name, Name: j.Name, Href: JobHref(j.Name), Title: Shown(j.Title, 120), Section: j.Section,
		Badge: JudgeJob(j), Line: jobCause(j), Summary: Summary(j), Act: l.start(j),
	}
	if r.Title == "" {
		r.Title = j.Name
	}
	r.Bad = r.Line != ""
	if j.NextAt != nil {
		r.Next = "next " + l.Clock(*j.NextAt)
	}
	run := j.LastRun
	if run == nil {
		return r
	}
	if r.Line == "" {
		r.Line = Shown(run.Message, 200)
	}
	switch run.Status {
	case progress.StatusRunning, progress.StatusCancelling:
		r.Busy, r.Percent = true, run.Percent
		if run.Message != "" && (j.Alert == nil || j.Alert.Reason != wire.ReasonSlow) { // the alert is about an earlier run
			r.Line, r.Bad = Shown(run.Message, 200), false
		}
		r.Act = cancel(j)
		if run.StartedAt != nil {
			r.Elapsed = l.Since(*run.StartedAt)
		}
		if j.Besides > 0 {
			r.Elapsed += ", and " + Plural(j.Besides, "other", "others")
		}
		if run.ETA != nil {
			r.Elapsed += ", about " + Lasted(time.Duration(*run.ETA*float64(time.Second))) + " left"
		}
	case progress.StatusQueued:
		r.Act = cancel(j)
		if run.Position > 0 {
			r.Line = waitsFor(*run)
		}
	default:
		r.When = l.ended(j)
	}
	return r
}

// start is the button that starts a run of a job.
func (l Look) start(j wire.JobObject) Act {
	if !j.Allowed {
		return Act{}
	}
	a := Act{Act: "Run", Do: JobHref(j.Name) + "/run", Method: "post"}
	if len(j.Args) > 0 || j.Confirm != "" {
		a.Method = "get"
	}
	if j.AvailableAt != nil && j.AvailableAt.After(l.Now) {
		wait := l.Until(*j.AvailableAt)
		a.Act, a.Blocked = "in "+wait, "its limit allows a start in "+wait
	}
	return a
}

// cancel is the button that ends the newest run of a job.
func cancel(j wire.JobObject) Act {
	if !j.Allowed {
		return Act{}
	}
	return Act{Act: "Cancel", Do: "runs/" + j.LastRun.ID + "/cancel", Method: "post"}
}

// waitsFor says what a queued run waits for.
func waitsFor(r wire.Run) string { return "Waits for the end of " + Plural(r.Position, "run", "runs") }

// ended says when the newest run of a job ended, and how long it took.
func (l Look) ended(j wire.JobObject) string {
	run := j.LastRun
	if run.FinishedAt == nil {
		return ""
	}
	text := l.Clock(*run.FinishedAt)
	if run.StartedAt != nil {
		text += ", took " + Lasted(run.FinishedAt.Sub(*run.StartedAt))
	}
	return text
}

// Summary says how the newest runs of a job ended.
func Summary(j wire.JobObject) string {
	bad, warned := 0, 0
	for _, o := range j.Strip {
		if JudgeRun(o.Status, o.Warned).Needs {
			bad++
		} else if o.Warned {
			warned++
		}
	}
	also := ""
	if warned > 0 {
		also = fmt.Sprintf(", %d warned", warned)
	}
	text := "Last " + Plural(len(j.Strip), "run", "runs")
	switch {
	case len(j.Strip) == 0:
		return "No run has ended yet"
	case bad == 0:
		return text + ": none failed" + also
	}
	return fmt.Sprintf("%s: %d failed%s", text, bad, also)
}
