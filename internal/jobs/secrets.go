package jobs

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/value"
)

// secretsOf hides what nobody is shown of a job, whatever its arguments are. A text with a placeholder was written for
// people, except for the values of references in it.
func secretsOf(j *config.Job) *secret.Redactor {
	all := slices.Clone(j.Given)
	all = append(all, secret.OfProgram(j.Exec, unconditional(j.Env))...)
	if h := j.HTTP; h != nil {
		all = append(all, h.Upstream.Secrets().Said...)
		all = append(all, h.Secrets().Said...)
	}
	return secret.New(all...)
}

// unconditional returns variables of a program without the conditions of their values.
func unconditional(env []string) []string {
	env = slices.Clone(env)
	for i, e := range env {
		name, value, _ := strings.Cut(e, "=")
		_, value, _ = template.Condition(value)
		env[i] = name + "=" + value
	}
	return env
}

// hasSecrets reports whether a job has arguments that are secret.
func hasSecrets(j *config.Job) bool {
	return slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Secret })
}

// secretArgs returns the values of a job's secret arguments.
func secretArgs(j *config.Job, args map[string]any) (all []string) {
	for _, arg := range j.Args {
		if value, ok := args[arg.Name].(string); ok && arg.Secret && value != "" {
			all = append(all, value)
		}
	}
	return all
}

// shownArgs returns args as people may see them.
func shownArgs(j *config.Job, args map[string]any) map[string]any {
	shown := maps.Clone(args)
	for _, arg := range j.Args {
		switch v := shown[arg.Name].(type) {
		case nil:
			continue
		case *config.File: // without its content, which the run has for as long as it is in progress
			shown[arg.Name] = map[string]any{"name": v.Name, "type": v.Type, "size": v.Size, "sha256": v.SHA256}
		}
		if arg.Secret {
			shown[arg.Name] = secret.Mask
		}
	}
	return shown
}

// plain returns a line of output as people may see it, also in a terminal: without escape sequences, without secrets,
// whose characters such sequences may have separated, and without the first half of a secret where the line was cut.
func (r *Run) plain(line string) string {
	shown, _ := r.styled(line)
	return shown
}

// styled returns a line as [Run.plain] does, and what stands out in it: nothing if a secret was hidden.
func (r *Run) styled(line string) (shown string, spans []text.Span) {
	head, isCut := strings.CutSuffix(line, command.CutMark)
	plain, spans := text.Styled(head)
	if isCut {
		shown = r.secrets.Cut(plain)
	} else {
		shown = r.secrets.Text(plain)
	}
	if shown != plain {
		spans = nil // they are places in plain
	}
	if isCut {
		shown += command.CutMark
	}
	return shown, spans
}

// surrogates matches the escapes of JSON for a character above U+FFFF, which are a pair, and one of them alone, which is no character.
// It matches an escaped backslash too, so that none of these begins at its second half.
var surrogates = regexp.MustCompile(`\\\\|(?i:\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2})`)

// resultOf returns a text as the result of the run: JSON without secrets that every decoder can read, also inside the
// answers that contain it. It reports false for anything else.
func (r *Run) resultOf(data string) (result json.RawMessage, ok bool) {
	whole := surrogates.ReplaceAllStringFunc(strings.TrimSpace(strings.ToValidUTF8(data, "\uFFFD")), func(escape string) string {
		if len(escape) == len(`\ud800`) {
			return `\ufffd`
		}
		return escape
	})
	result = json.RawMessage(whole)
	if !json.Valid(result) || value.TooDeep(result) {
		return nil, false
	}
	return r.secrets.JSON(result), true
}

// print adds a line to the output, as [Run.styled] returns it: it may be read in a terminal.
func (r *Run) print(line string, isError bool) {
	shown, spans := r.styled(line)
	r.output.line(shown, spans, isError)
}
