package deptest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

// recorder is a test that keeps what it is told.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	r := &recorder{TB: t}
	deptest.Check(r, deptest.Forbidden{"os/exec": "it starts processes", "net": "it talks", "ne": "no such package"})
	got := strings.Join(r.errors, "\n")
	if !strings.Contains(got, "depends on os/exec: it starts processes") || strings.Contains(got, "no such package") {
		t.Errorf("Check = %q, want os/exec with its reason, and no package that only begins like a forbidden one", got)
	}
}

func TestStandardOnly(t *testing.T) {
	r := &recorder{TB: t}
	deptest.StandardOnly(r, "why")
	if len(r.errors) != 0 {
		t.Errorf("StandardOnly = %q, want nothing", r.errors)
	}
	t.Chdir("../secret") // which uses package text
	deptest.StandardOnly(r, "why")
	if want := []string{"depends on github.com/tidewire/tidewire/internal/text: why"}; fmt.Sprint(r.errors) != fmt.Sprint(want) {
		t.Errorf("StandardOnly = %q, want %q", r.errors, want)
	}
	r.errors = nil
	deptest.StandardOnly(r, "why", "github.com/tidewire/tidewire/internal/text")
	if len(r.errors) != 0 {
		t.Errorf("StandardOnly = %q, want nothing, since it is allowed", r.errors)
	}
}

func TestCheckImports(t *testing.T) {
	r := &recorder{TB: t}
	deptest.CheckImports(r, deptest.Forbidden{"os/exec": "it starts processes", "os": "only what it imports uses that"})
	if want := []string{"imports os/exec: it starts processes"}; fmt.Sprint(r.errors) != fmt.Sprint(want) {
		t.Errorf("CheckImports = %q, want %q", r.errors, want)
	}
}
