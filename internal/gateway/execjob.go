package gateway

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/text"
)

// command runs the program of an exec job.
func (j *job) command(ctx context.Context, r *run) (end, error) {
	result, err := (&command.Command{
		Argv:     j.Argv(r.args),
		Dir:      j.Dir,
		Env:      append(slices.Clone(j.Env), "TIDEWIRE_JOB="+j.Name, "TIDEWIRE_RUN="+r.id),
		Stdout:   r.line,
		Stderr:   r.line,
		Printed:  r.print,
		Progress: r.percent,
	}).Run(ctx)
	exit := new(command.ExitError)
	if err == nil || errors.As(err, &exit) && exit.Signal == "" {
		return end{&result.ExitCode}, err
	}
	return end{}, err
}

// line takes one line of the command's output, as it would look without colours. "::progress 42 text" and "::result JSON"
// are understood always, the job's own pattern beside them; without a pattern any other
// line is the message.
func (r *run) line(line string) {
	if rest, ok := strings.CutPrefix(text.Plain(line), "::result "); ok {
		if result, ok := r.resultOf(rest); ok {
			r.report(func(snap *runSnapshot) { snap.Result = result })
			return
		}
	}
	line = r.plain(line)
	percent, message, ok := "", "", false
	if rest, found := strings.CutPrefix(line, "::progress "); found {
		percent, message, _ = strings.Cut(strings.TrimSpace(rest), " ")
		ok = true
	} else if pattern := r.job.Progress; pattern == nil {
		message = line
		ok = shorten(message) != ""
	} else if match := pattern.FindStringSubmatch(line); match != nil {
		if i := pattern.SubexpIndex("percent"); i >= 0 {
			percent = match[i]
		}
		if i := pattern.SubexpIndex("message"); i >= 0 {
			message = match[i]
		}
		ok = true
	}
	if !ok {
		return
	}
	p, err := strconv.ParseFloat(percent, 64)
	r.report(func(snap *runSnapshot) {
		if err == nil && !math.IsNaN(p) {
			p = min(max(p, 0), 100)
			snap.Percent = &p
		}
		snap.Message = shorten(message)
	})
}

// percent takes a report of progress as terminals understand it.
func (r *run) percent(p float64, known bool) {
	r.report(func(snap *runSnapshot) {
		snap.Percent = nil
		if known {
			snap.Percent = &p
		}
	})
}

// shorten makes of s what a card shows: the beginning of one line.
func shorten(s string) string { return text.Cut(text.Line(s), messageLimit) }
