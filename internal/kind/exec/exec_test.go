package exec_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/exec"
	"github.com/tidewire/tidewire/internal/value"
)

func ExampleCommand_Fetch() {
	got, err := exec.Command{
		Argv:  []string{"printf", "Use%%\n 42%%\n"},
		Parse: value.Lines,
	}.Fetch(context.Background())
	fmt.Printf("%q %v\n", got.Value, err)
	// Output: ["Use%" "42%"] <nil>
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func TestExec(t *testing.T) {
	tests := []struct {
		script, how string
		want        any
	}{
		{"echo ' 42 '; echo noise >&2", "", "42"},
		{`echo '{"a":1}'`, "json", map[string]any{"a": 1.0}},
		{"printf 'a\n\nb\n'", "lines", []any{"a", "", "b"}},
		{"true", "text", ""},
	}
	for _, tt := range tests {
		got, err := exec.Command{Argv: sh(tt.script), Parse: value.Format{Name: tt.how}}.Fetch(t.Context())
		if err != nil || !reflect.DeepEqual(got.Value, tt.want) {
			t.Errorf("%s as %q = %#v, %v, want %#v", tt.script, tt.how, got, err, tt.want)
		}
	}
}

func TestExecErrors(t *testing.T) {
	tests := []struct {
		argv []string
		how  string
		want string
	}{
		{sh("echo partial; echo first >&2; echo '  no such disk ' >&2; echo >&2; exit 2"), "", "sh: exit status 2: no such disk"},
		{sh("exit 1"), "", "sh: exit status 1"},
		{sh("kill -KILL $$"), "", "sh: ended by a signal (killed)"},
		{sh("echo hello"), "json", `sh: not JSON (invalid character 'h' looking for beginning of value), starts with "hello"`},
		{sh("true"), "json", "sh: empty, want JSON"},
		{sh("head -c 4194305 /dev/zero"), "", "sh: the output is larger than 4 MiB"},
		{[]string{"no-such-program"}, "", "no-such-program is not found in PATH: install it, or write its whole path"},
		{nil, "", "the argv is empty, want a program and its arguments"},
	}
	for _, tt := range tests {
		got, err := exec.Command{Argv: tt.argv, Parse: value.Format{Name: tt.how}}.Fetch(t.Context())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q = %.50v, %v, want the error %s", tt.argv, got.Value, err, tt.want)
		}
	}
}

func TestExecExitErrorIsKept(t *testing.T) {
	got, err := exec.Command{Argv: sh("exit 9")}.Fetch(t.Context())
	var exit *command.ExitError
	if !errors.As(err, &exit) || exit.Code != 9 || got.Status.Code != 9 {
		t.Errorf("Fetch = %v, want an ExitError with code 9", err)
	}
}

func TestExecErrorIsShort(t *testing.T) {
	_, err := exec.Command{Argv: sh("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1")}.Fetch(t.Context())
	if err == nil || len(err.Error()) > 200 || !strings.HasPrefix(err.Error(), "sh: exit status 1: xxx") {
		t.Errorf("Fetch = %v, want a short line", err)
	}
}

func TestExecTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := exec.Command{Argv: []string{"sleep", "60"}}.Fetch(ctx)
	if want := "sleep: timed out after "; err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
	cancel()
	_, err = exec.Command{Argv: []string{"sleep", "60"}}.Fetch(ctx)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Fetch with an ended context = %v, want %v", err, context.DeadlineExceeded)
	}
}

// A Nagios plugin says with its exit code how it is, and on standard output what there is to say.
func TestChecksThatExitWithAState(t *testing.T) {
	const check = `echo "DISK $1 - free space: / 3 GB"; exit $2`
	plugin := func(args ...string) []string { return append([]string{"/bin/sh", "-c", check, "check_disk"}, args...) }
	for _, tt := range []struct {
		argv []string
		ok   []int
		want string // a value, or what an error ends with
	}{
		{plugin("OK", "0"), []int{0, 1, 2}, "DISK OK - free space: / 3 GB"},
		{plugin("CRITICAL", "2"), []int{0, 1, 2}, "DISK CRITICAL - free space: / 3 GB"},
		{plugin("UNKNOWN", "3"), []int{0, 1, 2}, "sh: exit status 3: DISK UNKNOWN - free space: / 3 GB"},
		{plugin("WARNING", "1"), nil, "sh: exit status 1: DISK WARNING - free space: / 3 GB"},
		{sh("echo out; echo err >&2; exit 1"), nil, "sh: exit status 1: err"},
	} {
		got, err := exec.Command{Argv: tt.argv, OKCodes: tt.ok}.Fetch(t.Context())
		if err != nil {
			got.Value = err.Error()
		}
		if got.Value != tt.want {
			t.Errorf("%q with %v = %v, want %s", tt.argv, tt.ok, got.Value, tt.want)
		}
	}
	got, err := exec.Command{Argv: sh(`echo '{"state": 2}'; exit 1`), Parse: value.JSON, OKCodes: []int{1}}.Fetch(t.Context())
	if err != nil || fmt.Sprint(got.Value) != "map[state:2]" || got.Status != (kind.Status{Code: 1, Known: true}) || got.Size != 13 {
		t.Errorf("JSON with an exit code that is fine = %v, %v", got, err)
	}
	if _, err := (exec.Command{Argv: sh(`echo no; exit 1`), Parse: value.JSON, OKCodes: []int{1}}).Fetch(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "sh: not JSON") {
		t.Errorf("no JSON with an exit code that is fine = %v, want that it is none", err)
	}
}

// A source's program has a directory and an environment as that of a job has.
func TestSurroundingsOfAProgram(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command{Argv: sh(`pwd -P; echo $LEVEL; test -t 1 && echo terminal`), Dir: dir, Env: []string{"LEVEL=5"}, TTY: true, Parse: value.Lines}.Fetch(t.Context())
	if want := []any{dir, "5", "terminal"}; err != nil || !reflect.DeepEqual(got.Value, want) {
		t.Errorf("Fetch = %v, %v, want %v", got, err, want)
	}
}
