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

// unbuffered has Python write its lines as they come, which it holds back where its output is no terminal.
const unbuffered = "PYTHONUNBUFFERED=1"

// An execAction runs the program of an exec job.
type execAction struct{ *config.Job }

// Do implements [Action].
func (j execAction) Do(ctx context.Context, r *Run) (Result, error) {
	okCodes := j.OKCodes
	if okCodes == nil {
		okCodes = []int{0}
	}
	result, err := (&command.Command{
		Argv:     j.Argv(r.args),
		Dir:      j.Dir,
		TTY:      j.TTY,
		OKCodes:  slices.Concat(okCodes, j.WarnCodes),
		Stdin:    j.Input(r.args),
		Env:      slices.Concat([]string{unbuffered}, j.Environment(r.args), []string{"TIDEWIRE_JOB=" + j.Name, "TIDEWIRE_RUN=" + r.id}),
		Stdout:   r.line,
		Stderr:   r.line,
		Printed:  r.printed,
		Progress: r.percent,
	}).Run(ctx)
	exit := new(command.ExitError)
	if err == nil {
		return Result{&result.ExitCode, slices.Contains(j.WarnCodes, result.ExitCode)}, nil
	}
	if errors.As(err, &exit) && exit.Signal == "" {
		return Result{ExitCode: &result.ExitCode}, err
	}
	return Result{}, err
}

// A saying is what a line of a command says to Tidewire.
type saying struct {
	result  json.RawMessage // nil: none
	percent *float64        // nil: none
	message string
	tells   bool // it is about progress
}

// said is what a line says, as it would look without colours: "::progress 42 text" and "::result JSON". ok is false if it is
// output like any other.
func (r *Run) said(line string) (s saying, ok bool) {
	if rest, found := strings.CutPrefix(text.Plain(line), "::result "); found {
		s.result, ok = r.resultOf(rest)
		return s, ok
	}
	rest, ok := strings.CutPrefix(r.plain(line), "::progress ")
	if !ok {
		return saying{}, false
	}
	percent, message, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return saying{percent: percentOf(percent), message: message, tells: true}, true
}

func percentOf(number string) *float64 {
	p, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(p) {
		return nil
	}
	return &p
}

// printed takes a line of the command's output that stays. What it says to Tidewire is no output.
func (r *Run) printed(line string) {
	if _, ok := r.said(line); !ok {
		r.print(line)
	}
}

// line takes one line of the command's output. The job's own pattern is understood beside what said knows; without a
// pattern any other line is the message, until the command has told one itself.
func (r *Run) line(line string) {
	s, ok := r.said(line)
	line = r.plain(line)
	switch pattern := r.job.Progress; {
	case ok && s.result != nil:
		r.report(func(p *progress.Progress) { p.Result = s.result })
		return
	case ok:
		r.told = r.told || shorten(s.message) != ""
	case pattern == nil:
		s = saying{message: line, tells: !r.told && shorten(line) != ""}
	default:
		if match := pattern.FindStringSubmatch(line); match != nil {
			s = saying{percent: percentOf(group(pattern, match, "percent")), message: group(pattern, match, "message"), tells: true}
		}
	}
	if !s.tells {
		return
	}
	r.report(func(p *progress.Progress) {
		if s.percent != nil {
			p.Percent = s.percent
		}
		if message := shorten(s.message); message != "" || !r.told {
			p.Message = message
		}
	})
}

// group is what a named group of a pattern has matched.
func group(pattern *regexp.Regexp, match []string, name string) string {
	if i := pattern.SubexpIndex(name); i >= 0 {
		return match[i]
	}
	return ""
}

// percent takes a report of progress as terminals understand it.
func (r *Run) percent(percent float64, known bool) {
	r.report(func(p *progress.Progress) {
		p.Percent = nil
		if known {
			p.Percent = &percent
		}
	})
}

// shorten makes of s what a card shows: the beginning of one line.
func shorten(s string) string { return text.Cut(text.Words(s), messageLimit) }
