package wire

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// What started a run.
const (
	TriggerAPI      = "api"
	TriggerSchedule = "schedule"
	TriggerJob      = "job" // the end of a run of another job
	TriggerHook     = "hook"
)

// A Run is the snapshot of a run of a job. Its key is that of the job.
type Run struct {
	Key         string          `json:"key"`
	ID          string          `json:"id"`
	Job         string          `json:"job"`
	Status      progress.Status `json:"status"`
	Trigger     string          `json:"trigger"`            // one of the triggers
	By          string          `json:"by,omitempty"`       // who asked for it, as people know them; empty: its timetable
	Coalesced   bool            `json:"coalesced"`          // of the answer to a start: it joined a run that was there
	Requests    int             `json:"requests"`           // how many starts share the run
	Position    int             `json:"position,omitempty"` // while queued: how many runs are to end before it begins
	Percent     *float64        `json:"percent"`            // 0 to 100; null while unknown
	Stage       string          `json:"stage,omitempty"`
	Stages      []Stage         `json:"stages,omitempty"` // those that it has come to, in order; none: it names none
	Message     string          `json:"message"`
	ETA         *float64        `json:"eta,omitempty"` // seconds from UpdatedAt to the end; nil while unknown
	UpdatedAt   time.Time       `json:"updated_at"`
	Args        map[string]any  `json:"args"`            // what is secret is ***
	Like        string          `json:"like,omitempty"`  // the run whose arguments it was started with; empty: none
	After       *RunRef         `json:"after,omitempty"` // the run whose end has started it; nil: none
	Then        []RunRef        `json:"then,omitempty"`  // once it has ended: the runs that start because of that
	CreatedAt   time.Time       `json:"created_at"`
	StartedAt   *time.Time      `json:"started_at"`        // null while queued
	FinishedAt  *time.Time      `json:"finished_at"`       // null until it has ended
	ExpiresAt   *time.Time      `json:"expires_at"`        // until when it is kept, if newer ones leave room; null until it has ended
	Events      string          `json:"events"`            // the path of its stream
	Result      json.RawMessage `json:"result"`            // null: there is none
	Error       *string         `json:"error"`             // why it did not succeed
	Warned      bool            `json:"warned"`            // it has succeeded, and the command's exit code is a warning
	ExitCode    *int            `json:"exit_code"`         // of the command; null before it has exited, and if a signal ended it
	Output      string          `json:"output"`            // the end of what it printed, once it is over
	OutputBytes int64           `json:"output_bytes"`      // how much that was in all, once it is over
	Files       []File          `json:"files,omitempty"`   // that are kept with it: those of arguments, then those that it has left
	Replica     string          `json:"replica,omitempty"` // the name of the one that runs it, or did; empty: no others share the store
}

// A RunRef names a run.
type RunRef struct {
	Job string `json:"job"`
	ID  string `json:"id"`
}

// StatusWarned is how a run that has succeeded with a warning is counted, listed and told. Its Status is that of any success.
const StatusWarned = "warned"

// Outcome is Status, or StatusWarned.
func (r *Run) Outcome() string {
	if r.Warned {
		return StatusWarned
	}
	return string(r.Status)
}

// Said is the last line that the run has printed, or else what it reported last; empty: nothing is known.
func (r Run) Said() string {
	printed := strings.TrimSpace(r.Output)
	if line := strings.TrimSpace(printed[strings.LastIndexByte(printed, '\n')+1:]); line != "" {
		return line
	}
	return r.Message
}

// A File is one that is kept with a run.
type File struct {
	Name string `json:"name"`          // no other file of the run has it
	Type string `json:"type"`          // its media type
	Size int64  `json:"size"`          // in bytes
	Arg  string `json:"arg,omitempty"` // the argument that it was given for; empty: the run has left it
}

// A Stage is a part of a run.
type Stage struct {
	Name      string    `json:"name"`
	StartedAt time.Time `json:"started_at"`
	Took      *float64  `json:"took"` // seconds; null: the run is in it
}

// A Job is the snapshot of a job: the run in progress or next, or else the newest one, and the runs that wait behind
// it.
type Job struct {
	Run
	Queue       []Waiting  `json:"queue"`        // the first runs that wait, in order
	Queued      int        `json:"queued"`       // how many wait
	AvailableAt *time.Time `json:"available_at"` // when the job's limit lets it start again; null if it does now

	Beside  []Beside `json:"beside,omitempty"`  // of a job with parallel_by: the first runs at work beside this one
	Besides int      `json:"besides,omitempty"` // how many there are
}

// A Beside is a run at work that is not the one that its job shows.
type Beside struct {
	ID        string         `json:"id"`
	StartedAt time.Time      `json:"started_at"`
	Args      map[string]any `json:"args"` // what is secret is ***
}

// A Waiting is a run that waits in the queue of its job.
type Waiting struct {
	ID       string         `json:"id"`
	Position int            `json:"position"` // how many runs are to end before it begins
	Args     map[string]any `json:"args"`     // what is secret is ***
}

// Queue is the answer with every run of a job that waits, in order.
type Queue struct {
	Queue []Waiting `json:"queue"`
}

// A JobObject is a job in an answer of the API to one user.
type JobObject struct {
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Section     string     `json:"section,omitempty"` // where it stands, such as Plant/Line 1; empty: in no section
	Args        Args       `json:"args"`
	Allowed     bool       `json:"allowed"`               // the user may start and cancel it
	Confirm     string     `json:"confirm"`               // what people are asked before a start; empty: nothing
	OnBusy      string     `json:"on_busy"`               // what a start does while the job is busy: join, queue, reject or replace
	Group       string     `json:"group"`                 // of jobs that do not run at the same time; empty: none
	AvailableAt *time.Time `json:"available_at"`          // when its limit lets it start again; null if it does now
	At          string     `json:"at"`                    // its timetable in words, such as "every day at 03:00"; empty: none
	Zone        string     `json:"zone,omitempty"`        // the time zone of that, if the configuration names one
	Timeout     float64    `json:"timeout"`               // seconds that a run may take
	NextAt      *time.Time `json:"next_at"`               // when it starts by itself; null if it does not
	LastRun     *Run       `json:"last_run"`              // in progress, or else the newest; null: there was none
	Alert       *Alert     `json:"alert"`                 // null: there is none, or it is clear; package jobs leaves it to who answers
	Strip       []Outcome  `json:"strip"`                 // the newest 20 runs that have ended, the oldest of them first
	Queue       []Waiting  `json:"queue"`                 // the first that wait, in order
	Queued      int        `json:"queued"`                // how many wait
	ParallelBy  []string   `json:"parallel_by,omitempty"` // the arguments by whose values runs are side by side; none: they never are
	Beside      []Beside   `json:"beside,omitempty"`      // the first runs at work beside LastRun
	Besides     int        `json:"besides,omitempty"`     // how many there are
	Replica     string     `json:"replica,omitempty"`     // the name of the one that starts its runs; empty: none does now, or no others share the store
}

// An Outcome is how a run has ended, for a list of many.
type Outcome struct {
	ID        string          `json:"id"`
	Status    progress.Status `json:"status"`
	Warned    bool            `json:"warned,omitempty"`
	StartedAt time.Time       `json:"started_at"` // of one that never began: when it was asked for
	Took      float64         `json:"took"`       // seconds from then to its end
}

// Jobs is the answer with every job.
type Jobs struct {
	Jobs []JobObject `json:"jobs"`
}

// A Line is one of what a run has printed.
type Line struct {
	N     int64      `json:"n,omitempty"`  // its number, from 1; 0: it is not known
	At    *time.Time `json:"at,omitempty"` // when it was printed; nil: it is not known
	Text  string     `json:"text"`
	Error bool       `json:"error,omitempty"` // to standard error
	// Styles are the parts of Text that stood out, in order and apart from each other.
	Styles []Style `json:"styles,omitempty"`
}

// A Style is a part of a line that stood out.
type Style struct {
	Begin int      `json:"begin"` // its first character, from 0
	End   int      `json:"end"`   // the character behind it
	Style []string `json:"style"` // a colour, and attributes
}

// A LinePart is a part of a line that looks alike.
type LinePart struct {
	Text  string
	Style []string // nil: it does not stand out
}

// Parts divides the line by its styles.
func (l Line) Parts() []LinePart {
	if len(l.Styles) == 0 {
		return []LinePart{{Text: l.Text}}
	}
	var parts []LinePart
	rest, at := []rune(l.Text), 0
	add := func(end int, style []string) {
		if end = min(end, at+len(rest)); end > at {
			parts = append(parts, LinePart{string(rest[:end-at]), style})
			rest, at = rest[end-at:], end
		}
	}
	for _, s := range l.Styles {
		add(s.Begin, nil)
		add(s.End, s.Style)
	}
	add(at+len(rest), nil)
	return parts
}

// Runs is the answer with some runs, newest first.
type Runs struct {
	Runs []Run   `json:"runs"`
	Next *string `json:"next"` // the cursor of those after them; null: there are none
}

// A Start is the body that starts a run.
type Start struct {
	Args map[string]any `json:"args"`           // by name; null is none
	Like string         `json:"like,omitempty"` // a run of the job, whose arguments those beside it are added to; empty: none
}
