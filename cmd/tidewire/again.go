package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// An again is the earlier run whose arguments a run is started with.
type again struct {
	last bool   // it is the newest one of the job
	like string // its id; empty: none, unless last is set

	in    io.Reader // asks people for secrets, if it is a terminal
	notes io.Writer
}

// check returns an error if the flags do not name one run, of which --like may have been given.
func (a again) check(like bool) error {
	switch {
	case a.last && like:
		return usageError("--again and --like exclude each other")
	case like && a.like == "": // as from a script that has found none: the defaults are not meant
		return usageError("--like is empty: write the id of a run, see 'tidewire runs'")
	}
	return nil
}

// prepare returns the id of the run, empty if there is to be none. It asks for the secret arguments that the run had, which
// are not kept, and adds them to values.
func (a again) prepare(ctx context.Context, gw *remote, job string, values map[string]string) (id string, err error) {
	if !a.last && a.like == "" {
		return "", nil
	}
	var run wire.Run
	if a.last {
		var list wire.Runs
		if err := gw.runs(ctx, &list, runsQuery{job: job}, 1, ""); err != nil {
			return "", err
		}
		if len(list.Runs) == 0 {
			return "", fmt.Errorf("%s has no earlier run: start it without --again", job)
		}
		run = list.Runs[0]
	} else if _, err := gw.get(ctx, &run, "runs", a.like); err != nil {
		return "", errors.New(gw.explained(err).Error()) // startError takes a 404 for one of the job
	}
	var definition wire.JobObject
	if _, err := gw.get(ctx, &definition, "jobs", job); err != nil {
		return "", err
	}
	for _, arg := range definition.Args {
		_, had := run.Args[arg.Name]
		if _, given := values[arg.Name]; given || !had || !arg.Secret {
			continue
		}
		value, err := terminal.AskSecret(a.in, a.notes, text.Line(arg.Title)+": ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return "", usageError(fmt.Sprintf("the argument %s is secret, so that of the earlier run was not kept: add %s=VALUE",
				text.Line(arg.Name), text.Line(arg.Name)))
		}
		if errors.Is(err, io.EOF) {
			return "", exitStatus(exitInterrupted)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", text.Line(arg.Name), err)
		}
		values[arg.Name] = value
	}
	return run.ID, nil
}
