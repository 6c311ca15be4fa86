package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// unbuffered makes Python write each line at once, which it delays where its output is not a terminal.
	unbuffered = "PYTHONUNBUFFERED=1"
	// colourful is for programs with a terminal: most of them print in colours only if they know which one it is.
	colourful = "TERM=xterm-256color"
	// messageLimit bounds a progress message, in characters.
	messageLimit = 200
)

// An execAction runs the program of an exec job.
type execAction struct{ *config.Job }

// Do implements [Action].
func (j execAction) Do(ctx context.Context, r *Run) (Result, error) {
	args, ids := r.args, []string{"TIDEWIRE_JOB=" + j.Name, "TIDEWIRE_RUN=" + r.id}
	if j.HasFiles() {
		dir, err := newRunDir(r)
		if err != nil {
			return Result{}, err
		}
		defer dir.remove()
		defer dir.keepResults()
		args, ids = dir.args, append(ids, "TIDEWIRE_RUN_DIR="+dir.results)
	}
	okCodes := j.OKCodes
	if okCodes == nil {
		okCodes = []int{0}
	}
	env := []string{unbuffered}
	if j.TTY {
		env = append(env, colourful)
	}
	lines := &lines{r: r, pattern: j.Progress}
	result, err := (&command.Command{
		Argv:     j.Argv(args),
		Dir:      j.Dir,
		TTY:      j.TTY,
		OKCodes:  slices.Concat(okCodes, j.WarnCodes),
		Stdin:    j.Input(args),
		Env:      slices.Concat(env, j.Environment(args), ids),
		Stdout:   lines.report,
		Stderr:   lines.report,
		Printed:  lines.print,
		Progress: lines.percent,
	}).Run(ctx)
	if err == nil {
		return Result{&result.ExitCode, slices.Contains(j.WarnCodes, result.ExitCode)}, nil
	}
	if exit := new(command.ExitError); errors.As(err, &exit) && exit.Signal == "" {
		return Result{ExitCode: &result.ExitCode}, err
	}
	return Result{}, err
}

// lines takes what a command prints. Its methods are called by one goroutine at a time.
type lines struct {
	r        *Run
	pattern  *regexp.Regexp // of the job's progress; nil: none
	reported bool           // the command has reported a message itself
}

// A directive is a line by which a command reports to Tidewire: "::progress 42 text", "::stage NAME" or "::result JSON".
type directive struct {
	result  json.RawMessage // nil: it is about progress
	stage   *string         // nil: unchanged
	percent *float64        // nil: unchanged
	message string
}

// directive reads a line as it looks without colours. It reports false for a line that is output like any other.
func (l *lines) directive(line string) (d directive, ok bool) {
	if rest, found := strings.CutPrefix(text.Plain(line), "::result "); found {
		d.result, ok = l.r.resultOf(rest)
		return d, ok
	}
	line = l.r.plain(line)
	if rest, found := strings.CutPrefix(line, "::stage "); found {
		return directive{stage: new(shorten(rest))}, true
	}
	rest, ok := strings.CutPrefix(line, "::progress ")
	if !ok {
		return directive{}, false
	}
	percent, message, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return directive{percent: percentOf(percent), message: message}, true
}

// print adds a line that stays to the output, unless it is a directive.
func (l *lines) print(line string, stderr bool) {
	if _, ok := l.directive(line); !ok {
		l.r.print(line, stderr)
	}
}

// report takes the progress out of a line. The job's own pattern is understood beside directives; without a pattern,
// any other line is the message, until the command has reported one itself.
func (l *lines) report(line string) {
	d, ok := l.directive(line)
	switch {
	case ok && d.result != nil:
		l.r.report(func(p *progress.Progress) { p.Result = d.result })
		return
	case ok && d.stage != nil:
		l.r.report(func(p *progress.Progress) { p.Stage = *d.stage })
		return
	case ok:
		l.reported = l.reported || shorten(d.message) != ""
	case l.pattern != nil:
		d, ok = l.match(l.r.plain(line))
	default:
		d.message = l.r.plain(line)
		ok = !l.reported && shorten(d.message) != ""
	}
	if !ok {
		return
	}
	l.r.report(func(p *progress.Progress) {
		if d.percent != nil {
			p.Percent = d.percent
		}
		if message := shorten(d.message); message != "" || !l.reported {
			p.Message = message
		}
	})
}

// match reads a line by the job's pattern.
func (l *lines) match(line string) (directive, bool) {
	match := l.pattern.FindStringSubmatch(line)
	if match == nil {
		return directive{}, false
	}
	group := func(name string) string {
		if i := l.pattern.SubexpIndex(name); i >= 0 {
			return match[i]
		}
		return ""
	}
	return directive{percent: percentOf(group("percent")), message: group("message")}, true
}

// percent takes a report of progress as terminals understand it.
func (l *lines) percent(percent float64, known bool) {
	l.r.report(func(p *progress.Progress) {
		p.Percent = nil
		if known {
			p.Percent = &percent
		}
	})
}

// percentOf reads a percentage. It returns nil for anything else.
func percentOf(number string) *float64 {
	p, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(p) {
		return nil
	}
	return &p
}

// shorten makes of s what a card shows: the beginning of one line.
func shorten(s string) string { return text.Cut(text.Words(s), messageLimit) }
