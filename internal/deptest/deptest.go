// Package deptest keeps packages from importing what they must not, directly or through others.
package deptest

import (
	"os/exec"
	"strings"
	"testing"
)

// Forbidden maps import paths to the reason why the package under test must not depend on them. A path stands for
// itself and for every package below it.
type Forbidden map[string]string

// Check fails t for each forbidden package that the package under test (the one in the current directory) depends on.
func Check(t testing.TB, forbidden Forbidden) {
	t.Helper()
	for _, dep := range list(t, "{{.ImportPath}}") {
		for path, reason := range forbidden {
			if dep == path || strings.HasPrefix(dep, path+"/") {
				t.Errorf("depends on %s: %s", dep, reason)
			}
		}
	}
}

// StandardOnly fails t for each package outside the standard library, and outside allowed (import paths of this
// module), that the package under test depends on.
func StandardOnly(t testing.TB, reason string, allowed ...string) {
	t.Helper()
	deps := list(t, "{{if not .Standard}}{{.ImportPath}}{{end}}")
	deps = deps[:max(0, len(deps)-1)] // dependencies come first, so the last one is the package itself
next:
	for _, dep := range deps {
		for _, a := range allowed {
			if dep == a {
				continue next
			}
		}
		t.Errorf("depends on %s: %s", dep, reason)
	}
}

// CheckImports fails t for each forbidden package that the package under test imports itself: for what only others
// below it may use.
func CheckImports(t testing.TB, forbidden Forbidden) {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{range .Imports}}{{.}} {{end}}`, ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, path := range strings.Fields(string(out)) {
		if reason, found := forbidden[path]; found {
			t.Errorf("imports %s: %s", path, reason)
		}
	}
}

// list returns one line a dependency of the package in the current directory, itself last; empty lines are left out.
func list(t testing.TB, format string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", format, ".")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	return strings.Fields(string(out))
}
