package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// Bounds of what is drawn of a run.
const (
	mostResult = 20_000 // characters
	mostValue  = 400    // characters of an argument
	mostOf     = 120    // characters of all arguments, in a list
)

// A RunHead is what is said first of a run, on its page and on that of its job.
type RunHead struct {
	State, Word string
	Line        string     // why it did not succeed, or its message; empty: there is nothing to say
	Rest        string     // what else is to say: how long it will take, or how far it came
	At          *time.Time // when it ended, or if it waits, when it was asked for; nil: it is in progress
	When        string     // the same in words
	Took        string     // how long it took; empty: it did not begin, or is in progress
	Begun       *time.Time // of one in progress: since when it is; nil: it is not
	Elapsed     string     // the same in words
	Busy        bool       // it waits or is in progress
	Percent     *float64   // of one in progress; nil: unknown
	Stages      []Stage
}

// A Stage is a part of a run.
type Stage struct{ Name, State, Took string }

// A Fact is a thing that is known, by its name.
type Fact struct {
	Name, Text string
	At         *time.Time // a time that Text says; nil: it says none
	Run        string     // the run that Text names; empty: none
}

// RunHead returns what is said first of a run.
func (l Look) RunHead(r wire.Run) RunHead {
	badge := JudgeRun(r.Status, r.Warned)
	h := RunHead{State: badge.State, Word: badge.Word, Line: Shown(r.Message, mostValue), Stages: l.stages(r, badge.State)}
	switch {
	case r.Status == "queued":
		h.Busy, h.At, h.When = true, &r.CreatedAt, l.Clock(r.CreatedAt)
		if r.Position > 0 {
			h.Line = waitsFor(r)
		}
		return h
	case !r.Status.Ended():
		h.Busy, h.Percent, h.Begun = true, r.Percent, r.StartedAt
		if r.StartedAt != nil {
			h.Elapsed = Lasted(l.Now.Sub(*r.StartedAt))
		}
		if r.ETA != nil {
			left := time.Duration(*r.ETA*float64(time.Second)) - max(0, l.Now.Sub(r.UpdatedAt))
			h.Rest = "about " + Lasted(max(left, time.Second)) + " left"
		}
		return h
	}
	if text := runError(r); text != "" {
		h.Line = Sentence(Shown(text, mostValue))
		if r.Message != "" && r.Message == r.Said() && r.Output != "" { // it is what was printed last, and no progress
			h.Line = Shown(why(r), mostValue)
		} else if r.Message != "" && r.Message != text {
			h.Rest = "at: " + Shown(r.Message, mostValue)
		}
	}
	if r.FinishedAt != nil {
		h.At, h.When = r.FinishedAt, l.Clock(*r.FinishedAt)
		if r.StartedAt != nil {
			h.Took = Took(r.FinishedAt.Sub(*r.StartedAt).Seconds())
		}
	}
	return h
}

// stages returns the stages of a run. One in which the run did not succeed has its state.
func (l Look) stages(r wire.Run, state string) (list []Stage) {
	for i, s := range r.Stages {
		stage := Stage{Name: Shown(s.Name, 60), State: "ok"}
		switch last := i == len(r.Stages)-1; {
		case s.Took == nil:
			stage.State, stage.Took = "running", Lasted(l.Now.Sub(s.StartedAt))
		case last && r.Status.Ended() && state != "ok" && state != "warned":
			stage.State = state
		}
		if s.Took != nil {
			stage.Took = Took(*s.Took)
		}
		list = append(list, stage)
	}
	return list
}

// RunFacts returns what is known of how a run came about and ended. timetable is that of its job, in words; title is what people call a
// job.
func (l Look) RunFacts(r wire.Run, timetable string, title func(job string) string) []Fact {
	by := Fact{Name: "Started by", Text: r.By}
	switch {
	case r.Trigger == wire.TriggerSchedule && timetable != "":
		by.Text = "its timetable, " + timetable
	case r.Trigger == wire.TriggerSchedule:
		by.Text = "its timetable"
	case r.After != nil:
		by.Text, by.Run = "a run of "+title(r.After.Job), r.After.ID
	default:
		by.Text = cmp.Or(who(by.Text), "somebody")
	}
	if r.Requests > 1 {
		by.Text += " and " + Plural(r.Requests-1, "other", "others")
	}
	facts := []Fact{by}
	at := func(name string, t *time.Time, more string) {
		if t != nil {
			facts = append(facts, Fact{Name: name, Text: l.Clock(*t) + more, At: t})
		}
	}
	if r.StartedAt == nil || r.StartedAt.Sub(r.CreatedAt) > 2*time.Second {
		at("Asked for", &r.CreatedAt, "")
	}
	at("Started", r.StartedAt, "")
	at("Ended", r.FinishedAt, "")
	if r.FinishedAt != nil && r.StartedAt != nil {
		facts = append(facts, Fact{Name: "Took", Text: Took(r.FinishedAt.Sub(*r.StartedAt).Seconds())})
	}
	if r.ExitCode != nil {
		facts = append(facts, Fact{Name: "Exit status", Text: strconv.Itoa(*r.ExitCode)})
	}
	if r.Replica != "" {
		facts = append(facts, Fact{Name: "Replica", Text: r.Replica})
	}
	if r.Like != "" {
		facts = append(facts, Fact{Name: "As", Text: "an earlier run", Run: r.Like})
	}
	for _, next := range r.Then {
		fact := Fact{Name: "Then", Text: title(next.Job), Run: next.ID}
		if fact.Run == "" {
			fact.Text += ", which did not start or is not kept"
		}
		facts = append(facts, fact)
	}
	at("Kept until", r.ExpiresAt, "")
	return facts
}

// ArgFacts returns the arguments of a run, in the order of its job as far as that has them.
func ArgFacts(given map[string]any, args wire.Args) (list []Fact) {
	isListed := map[string]bool{}
	for _, arg := range args {
		if value, ok := given[arg.Name]; ok {
			isListed[arg.Name] = true
			list = append(list, Fact{Name: ArgLabel(arg), Text: argText(value)})
		}
	}
	var rest []Fact
	for name, value := range given {
		if !isListed[name] {
			rest = append(rest, Fact{Name: name, Text: argText(value)})
		}
	}
	slices.SortFunc(rest, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	return append(list, rest...)
}

// ArgLabel names an argument for people.
func ArgLabel(arg wire.Arg) string {
	if arg.Title != "" {
		return arg.Title
	}
	return Sentence(strings.ReplaceAll(arg.Name, "_", " "))
}

// argText is the value of an argument in words.
func argText(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		if v == "" {
			return "–"
		}
		return Shown(v, mostValue)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		if name := fileName(v); name != "" {
			return name
		}
	}
	return Shown(fmt.Sprint(value), mostValue)
}

// Result returns the result of a run in lines; empty: there is none.
func Result(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return Shown(string(raw), mostResult)
	}
	return Shown(plainJSON.ReplaceAllStringFunc(b.String(), func(escape string) string {
		if plain, ok := plainOf[escape]; ok {
			return plain
		}
		return escape
	}), mostResult)
}

// What encoding/json escapes for the sake of HTML is read by people, and escaped by the template. A backslash that is escaped
// itself begins no other escape.
var (
	plainJSON = regexp.MustCompile(`\\\\|\\u00(3c|3e|26)`)
	plainOf   = map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"}
)

// A RunRow is a run in a list.
type RunRow struct {
	ID          string
	State, Word string
	At          time.Time // when it began, or was asked for
	When        string    // the same in words
	Took        string    // empty: it has not begun
	Width       int       // of its bar, of 120
	By, Text    string
	Of          string // the arguments that it has been given, except those that are as usual
}

// RunRows returns the rows of runs of a job that has these arguments.
func (l Look) RunRows(runs []wire.Run, args wire.Args) []RunRow {
	longest := time.Second
	lengths := make([]time.Duration, len(runs))
	for i, r := range runs {
		if r.StartedAt != nil {
			end := l.Now
			if r.FinishedAt != nil {
				end = *r.FinishedAt
			}
			lengths[i] = max(0, end.Sub(*r.StartedAt))
			longest = max(longest, lengths[i])
		}
	}
	rows := make([]RunRow, len(runs))
	for i, r := range runs {
		badge := JudgeRun(r.Status, r.Warned)
		row := RunRow{ID: r.ID, State: badge.State, Word: badge.Word, At: r.CreatedAt, Of: unusual(r.Args, args)}
		if r.StartedAt != nil {
			row.At, row.Took = *r.StartedAt, Took(lengths[i].Seconds())
			row.Width = max(2, int(120*lengths[i]/longest))
		}
		row.When = l.Clock(row.At)
		if row.By = cmp.Or(who(r.By), "somebody"); r.Trigger == wire.TriggerSchedule {
			row.By = "timetable"
		}
		if text := why(r); text != "" {
			row.Text = Shown(text, mostValue)
		} else if !r.Status.Ended() || r.Warned {
			row.Text = Shown(r.Message, mostValue)
		}
		rows[i] = row
	}
	return rows
}

// unusual tells a run from others of its job: its arguments that are not the defaults.
func unusual(given map[string]any, args wire.Args) string {
	var words []string
	for _, arg := range args {
		value, ok := given[arg.Name]
		if !ok || arg.Secret || value == "" || fmt.Sprint(value) == fmt.Sprint(arg.Default) {
			continue
		}
		words = append(words, ArgLabel(arg)+" "+argText(value))
	}
	return Shown(strings.Join(words, ", "), mostOf)
}

// OnBusy says what a start does while a job is busy.
func OnBusy(policy string) string {
	switch policy {
	case "queue":
		return "a new start waits in the queue"
	case "reject":
		return "a new start is refused"
	case "replace":
		return "a new start replaces the run"
	}
	return "a new start joins the run, if its arguments are equal"
}

// JobFacts returns what is known of a job.
func (l Look) JobFacts(j wire.JobObject) []Fact {
	starts := Fact{Name: "Starts", Text: "when somebody starts it"}
	if j.At != "" {
		if starts.Text = j.At; j.Zone != "" {
			starts.Text += " (" + j.Zone + ")"
		}
	}
	facts := []Fact{starts}
	if j.NextAt != nil {
		facts = append(facts, Fact{Name: "Next", Text: l.Clock(*j.NextAt), At: j.NextAt})
	}
	facts = append(facts, Fact{Name: "While it runs", Text: OnBusy(j.OnBusy)})
	if len(j.ParallelBy) > 0 {
		facts = append(facts, Fact{Name: "Side by side", Text: "runs with different values of " + Shown(strings.Join(j.ParallelBy, ", "), mostValue)})
	}
	if j.Group != "" {
		facts = append(facts, Fact{Name: "Group", Text: j.Group + ": its jobs do not run at the same time"})
	}
	facts = append(facts, Fact{Name: "Time limit", Text: Took(j.Timeout)})
	if j.Replica != "" {
		facts = append(facts, Fact{Name: "Replica", Text: j.Replica})
	}
	return facts
}

// ArgFact says of an argument what may be given for it.
func ArgFact(arg wire.Arg) Fact {
	text := map[string]string{
		"int": "whole number", "bool": "yes or no", "cidr": "network", "host": "host", "url": "address", "enum": oneOf(arg.Values), "string": "text", "file": "file, " + fileHint(arg),
	}[arg.Type]
	if text == "" {
		text = arg.Type
	}
	if arg.From != "" {
		text = "one of what source " + arg.From + " gives"
	}
	switch {
	case arg.Secret && arg.Required:
		text = "secret, required"
	case arg.Secret:
		text = "secret"
	case arg.Default != nil && arg.Default != "":
		text += "; " + argText(arg.Default) + " if none is given"
	case arg.Required:
		text += ", required"
	}
	return Fact{Name: ArgLabel(arg), Text: text}
}

// oneOf lists values of which one is to be chosen.
func oneOf(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	return Shown(strings.Join(values[:len(values)-1], ", ")+" or "+values[len(values)-1], mostValue)
}

// Size is a number of bytes in words.
func Size(bytes int64) string {
	switch n := float64(bytes); {
	case bytes < 1000:
		return Plural(int(bytes), "byte", "bytes")
	case bytes < 1e6:
		return strconv.FormatFloat(n/1e3, 'f', 0, 64) + " kB"
	case bytes < 1e9:
		return tenths(n/1e6) + " MB"
	default:
		return tenths(n/1e9) + " GB"
	}
}

// tenths returns x with a digit behind the point, unless that is 0.
func tenths(x float64) string { return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") }
