package debug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// patience is how long a request waits for the loop.
	patience = 100 * time.Millisecond
	// lateness is how overdue a task must be to count as late.
	lateness = time.Second
)

// status is the state of a scheduler at one moment: the JSON of the handler.
type status struct {
	At    time.Time `json:"at"`
	Loop  loop      `json:"loop"`
	Tasks []task    `json:"tasks"`
}

type loop struct {
	State string `json:"state"` // running, stopped or busy
	Hook  *hook  `json:"hook"`  // the hook that keeps it busy, if it belongs to a task
}

type hook struct {
	ID    string    `json:"id"`
	Key   string    `json:"key"`
	Since time.Time `json:"since"` // no earlier
}

type task struct {
	ID       string    `json:"id"`
	Key      string    `json:"key"`
	Type     string    `json:"type"`
	State    string    `json:"state"`
	Paused   bool      `json:"paused"`
	Pauses   []pause   `json:"pauses"`
	Next     time.Time `json:"next,omitzero"`
	Overdue  millis    `json:"overdue_ms"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Took     millis    `json:"took_ms"`
	Late     millis    `json:"late_ms"`
	Held     millis    `json:"held_ms"`
	Runs     uint64    `json:"runs"`
	Skipped  uint64    `json:"skipped"`
	Failures int       `json:"failures"`
	Error    string    `json:"error"`
	ErrorAt  time.Time `json:"error_at,omitzero"`
}

// pause is one that holds a task.
type pause struct {
	Of     string `json:"of"` // task, group or all
	Reason string `json:"reason"`
}

func pausesOf(info smartpoll.TaskInfo) []pause {
	all := []pause{}
	for _, p := range info.Pauses {
		of := "task"
		switch {
		case p.All:
			of = "all"
		case p.Group != nil:
			of = "group"
		}
		all = append(all, pause{of, shortened(p.Reason)})
	}
	return all
}

// why returns pauses in words.
func why(pauses []pause) string {
	var words []string
	for _, p := range pauses {
		reason := cmp.Or(p.Reason, "without a reason")
		switch p.Of {
		case "group":
			reason += " (its group)"
		case "all":
			reason += " (all tasks)"
		}
		words = append(words, reason)
	}
	return strings.Join(words, ", ")
}

// PausedBy returns why the task is paused, in words.
func (t task) PausedBy() string { return why(t.Pauses) }

// PausedByHand reports whether there is a pause that was made here.
func (t task) PausedByHand() bool { return slices.Contains(t.Pauses, pause{"task", byHand}) }

// Running reports whether the task is running, its hook included.
func (t task) Running() bool { return t.State == "running" || t.State == "hook" }

// IsLate reports whether the task is overdue.
func (t task) IsLate() bool { return time.Duration(t.Overdue) >= lateness }

// millis are a duration, in JSON a number of milliseconds.
type millis time.Duration

func (m millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.6g", float64(m)/float64(time.Millisecond)), nil
}

// now returns the time, without a monotonic reading: the wall clock of TaskInfo.
func now() time.Time { return time.Now().Round(0) }

// status returns the state of the scheduler. It waits at most patience for hooks and tasks that do not return.
func (h *handler) status(ctx context.Context) status {
	s := status{Loop: loop{State: h.loopState(ctx)}, Tasks: []task{}}
	rows := slices.SortedFunc(func(yield func(row) bool) {
		for info := range h.scheduler.Tasks() {
			if !yield(newRow(info)) {
				return
			}
		}
	}, row.compare)
	keys := make([]any, len(rows))
	for i, row := range rows {
		keys[i] = row.info.Key
	}
	names := h.ids.name(keys, func(key any) bool {
		_, ok := h.scheduler.Info(key)
		return !ok
	})
	at := now()
	s.At = at.UTC()
	for i, row := range rows {
		t := newTask(names[i], row.text, row.info, at)
		s.Tasks = append(s.Tasks, t)
		if s.Loop.State == "busy" && row.info.State == smartpoll.Hooking {
			s.Loop.Hook = &hook{t.ID, t.Key, t.Started.Add(row.info.Took)} // without an Observer, Took is zero
		}
	}
	return s
}

// row is a task with its sort key.
type row struct {
	info    smartpoll.TaskInfo
	text    string
	value   float64
	numeric bool
}

func newRow(info smartpoll.TaskInfo) row {
	value, numeric := number(info.Key)
	return row{info, keyText(info.Key), value, numeric}
}

// compare orders numbers by value and before everything else, the rest by text.
func (a row) compare(b row) int {
	switch {
	case a.numeric && b.numeric:
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.text, b.text))
	case a.numeric:
		return -1
	case b.numeric:
		return 1
	}
	return cmp.Compare(a.text, b.text)
}

// loopState runs an empty hook to find out the state of the loop.
func (h *handler) loopState(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := h.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error { return nil })
	switch {
	case err == nil:
		return "running"
	case errors.Is(err, smartpoll.ErrNotRunning):
		return "stopped"
	}
	return "busy"
}

func newTask(id, key string, info smartpoll.TaskInfo, at time.Time) task {
	t := task{
		ID:       id,
		Key:      key,
		Type:     fmt.Sprintf("%T", info.Key),
		State:    info.State.String(),
		Paused:   info.Paused,
		Pauses:   pausesOf(info),
		Next:     info.Next.Round(0).UTC(),
		Started:  info.Started.Round(0).UTC(),
		Ended:    info.Ended.Round(0).UTC(),
		Took:     millis(info.Took),
		Late:     millis(info.Late),
		Held:     millis(info.Held),
		Runs:     info.Runs,
		Skipped:  info.Skipped,
		Failures: info.Failures,
	}
	if info.Err != nil {
		t.Error = shortened(fmt.Sprint(info.Err)) // fmt survives an Error method that panics
		t.ErrorAt = info.ErrAt.Round(0).UTC()
	}
	if wait := at.Sub(t.Next); !info.Next.IsZero() && wait > 0 && !info.Paused && !t.Running() {
		t.Overdue = millis(wait)
	}
	return t
}

// filter selects the tasks that a client wants to see.
type filter struct {
	Text string // in their keys
	Show string // one of views, or all
}

// views are the values of Show.
var views = []struct {
	Name string
	Has  func(task) bool
}{
	{"", func(task) bool { return true }},
	{"running", task.Running},
	{"failing", func(t task) bool { return t.Failures > 0 }},
	{"late", task.IsLate},
	{"paused", func(t task) bool { return t.Paused }},
}

func filterOf(r *http.Request) filter {
	query := r.URL.Query()
	return filter{Text: shortened(query.Get("q")), Show: query.Get("show")}
}

// known reports whether the view exists.
func (f filter) known() bool { return f.index() >= 0 }

func (f filter) index() int {
	for i, view := range views {
		if view.Name == f.Show {
			return i
		}
	}
	return -1
}

// apply returns the tasks that f lets through.
func (f filter) apply(tasks []task) []task {
	passed := []task{}
	for _, t := range tasks {
		if f.matches(t) && views[f.index()].Has(t) {
			passed = append(passed, t)
		}
	}
	return passed
}

// matches reports whether the task's key contains the text of f, ignoring case.
func (f filter) matches(t task) bool {
	return strings.Contains(strings.ToLower(t.Key), strings.ToLower(f.Text))
}
