package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

// Exec runs a program, which gets the message as JSON on its standard input. Each {field} of [Fields] in the arguments
// stands for that of the message.
type Exec struct {
	Argv  []string // the program, without placeholders, and its arguments
	Given []string // the values of references in Argv: secrets
}

// Kind is "exec".
func (e *Exec) Kind() string { return "exec" }

func (e *Exec) secrets() *secret.Redactor {
	return secret.New(append(secret.OfProgram(e.Argv, nil), e.Given...)...)
}

// Send runs the program once. Exit status 0 means that it was told. What has not ended after [CallTimeout] is killed, with
// its children.
func (e *Exec) Send(ctx context.Context, _ *http.Client, m Message) error {
	ctx, cancel := within(ctx)
	defer cancel()
	start := time.Now()
	said, last := "", "" // lines of standard output and standard error
	keep := func(to *string) func(string) {
		return func(line string) { *to = cmp.Or(strings.TrimSpace(line), *to) }
	}
	input, err := json.Marshal(m)
	if err != nil {
		return permanent(err)
	}
	c := command.Command{
		Argv: e.argv(&m), Stdin: string(input) + "\n", Stdout: keep(&said), Stderr: keep(&last), MaxOutput: 1, Grace: time.Second,
	}
	_, err = c.Run(ctx)
	if err == nil {
		kind.TraceOf(ctx).Line("exit status 0")
		return nil
	}
	reason := strings.TrimPrefix(err.Error(), "command: ")
	_, exited := errors.AsType[*command.ExitError](err)
	if last = cmp.Or(last, said); exited && last != "" {
		reason += ": " + last
	}
	ended := ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
	if !ended {
		ctx = context.WithoutCancel(ctx) // it failed by itself
	}
	return &Error{Err: kind.Fail(ctx, start, filepath.Base(e.Argv[0]), reason, err, e.secrets())}
}

// argv is the command line for m. A value cannot become an option: if one with a dash would begin an argument, a space
// does. Nor can it begin another line, which may be a header to the program.
func (e *Exec) argv(m *Message) []string {
	argv := []string{e.Argv[0]}
	for _, written := range e.Argv[1:] {
		filled := written
		if parsed, wrong := template.Parse(written, template.Text, IsField); wrong == nil {
			if s, err := parsed.Render(m.line); err == nil { // always: a text has no structure
				filled = s
			}
		}
		if strings.HasPrefix(filled, "-") && !strings.HasPrefix(written, "-") {
			filled = " " + filled
		}
		argv = append(argv, filled)
	}
	return argv
}

// Show returns the command line for m and what the program reads.
func (e *Exec) Show(m Message) (string, error) {
	input, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	line, err := json.Marshal(e.argv(&m))
	if err != nil {
		return "", err
	}
	return e.secrets().Text("exec "+string(line)) + "\n\n" + e.secrets().Text(string(input)), nil
}
