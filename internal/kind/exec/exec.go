package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// execGrace is short: a poll has nothing to save, and its timeout should hold.
const execGrace = time.Second

// A Command is a program that is run for its standard output.
type Command struct {
	Argv  []string     // see [command.Command]
	Parse value.Format // of what it prints; zero: text

	Secrets *secret.Redactor // hides secrets in errors
	Env     []string         // see [command.Command], also for the next two
	Dir     string
	TTY     bool
	OKCodes []int // exit codes with which the output counts; nil: 0
}

// Fetch runs the program once. An exit code that is not one of OKCodes is an error with the
// last line of standard error, or of standard output if there is none. When ctx ends, the
// program and its children have a second to end. It implements [kind.Fetcher].
func (e Command) Fetch(ctx context.Context) (kind.Result, error) {
	start := time.Now()
	last, said := "", "" // lines of standard error and standard output
	keep := func(to *string) func(string) {
		return func(line string) {
			if line = strings.TrimSpace(line); line != "" {
				*to = line
			}
		}
	}
	c := command.Command{
		Argv:      e.Argv,
		Env:       e.Env,
		Dir:       e.Dir,
		TTY:       e.TTY,
		OKCodes:   e.OKCodes,
		Stdout:    keep(&said),
		Stderr:    keep(&last),
		MaxOutput: value.MaxBody,
		Grace:     execGrace,
	}
	r, err := c.Run(ctx)
	if t := kind.TraceOf(ctx); t != nil {
		traceExit(t, r, last)
	}
	got := kind.Result{Status: kind.Status{Code: r.ExitCode, Known: r.ExitCode >= 0}, Size: len(r.Stdout)}
	if err == nil {
		if got.Value, err = e.value(ctx, r); err == nil {
			return got, nil
		}
	}
	var exit *command.ExitError
	text := strings.TrimPrefix(err.Error(), "command: ")
	switch {
	case errors.As(err, &exit):
		text = e.name() + ": " + text
		if last = cmp.Or(last, said); last != "" {
			text += ": " + last
		}
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		text = e.name() + ": " + kind.Interrupted(ctx, start)
	case r.ExitCode >= 0:
		text = e.name() + ": " + text
	}
	return got, &kind.Failure{Text: kind.Brief(text, e.Secrets), Err: err}
}

// traceExit shows how a program has ended, and what it has printed.
func traceExit(t *kind.Trace, r command.Result, stderr string) {
	if r.ExitCode < 0 {
		t.Section("no exit status after %s", t.Took())
	} else {
		t.Section("exit status %d after %s", r.ExitCode, t.Took())
	}
	if stderr != "" {
		t.Line("last line of standard error: %s", stderr)
	}
	t.Output(r.Stdout, 0)
}

func (e Command) value(ctx context.Context, r command.Result) (any, error) {
	if r.Truncated {
		return nil, fmt.Errorf("the output is larger than %d MiB", value.MaxBody>>20)
	}
	how := e.Parse
	if how.Name == "" {
		how.Name = "text"
	}
	return value.Parse(ctx, how, r.Stdout)
}

func (e Command) name() string {
	if len(e.Argv) == 0 {
		return "exec"
	}
	return filepath.Base(e.Argv[0])
}
