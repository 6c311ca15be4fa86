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

// StandardOnly fails t for each package outside the standard library, and outside allowed (import paths of this module),
// that the package under test depends on.
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

// OnlyHere fails t for each other package of the main module that imports a package of the given module, tests aside:
// a third-party module enters in one package.
func OnlyHere(t testing.TB, module string) {
	t.Helper()
	here := list(t, "{{.ImportPath}}")
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "github.com/tidewire/tidewire/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		for _, path := range imports[1:] {
			if imports[0] != here[len(here)-1] && (path == module || strings.HasPrefix(path, module+"/")) {
				t.Errorf("%s imports %s, which enters in this package alone", imports[0], path)
			}
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
