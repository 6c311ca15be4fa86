package tidewire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// TestSizes holds every file and every function, those of tests aside, to a size that is read in a
// few screens. A longer function gives its reason in its comment: "It is long because".
func TestSizes(t *testing.T) {
	set := token.NewFileSet()
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(code), "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, want at most %d: divide it by its ideas", path, n, maxFileLines)
		}
		file, err := parser.ParseFile(set, path, code, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := set.Position(f.End()).Line - set.Position(f.Name.Pos()).Line + 1
			because := strings.Contains(strings.Join(strings.Fields(f.Doc.Text()), " "), "is long because")
			if lines > maxFunctionLines && !because {
				t.Errorf("%s: %s has %d lines, want at most %d, or a reason in its comment", path, f.Name.Name, lines, maxFunctionLines)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files were read: %v", files, err)
	}
}

// packages returns the packages of the module that programs are made of, with what they import.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	const module = "github.com/tidewire/tidewire/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(strings.ReplaceAll(line, module, ""))
		if paths[0] != strings.TrimSuffix(module, "/") && !strings.HasPrefix(paths[0], "examples/") {
			all[paths[0]] = paths[1:]
		}
	}
	return all
}

// TestImportsPointDown has docs/architecture.md list all packages, each above those that it imports. DIR/* in the list
// stands for the packages of that folder which are not listed themselves.
func TestImportsPointDown(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "\n## Packages\n")
	_, list, _ = strings.Cut(list, "```\n")
	list, _, _ = strings.Cut(list, "```\n")
	rows := map[string]int{}
	for i, line := range strings.Split(list, "\n") {
		names, _, _ := strings.Cut(line, "  ") // two spaces end the names
		for name := range strings.SplitSeq(names, " | ") {
			if name != "" {
				rows[name] = i
			}
		}
	}
	all := packages(t)
	for name, imports := range all {
		row, listed := rows[name]
		if !listed { // such as a kind of sources, of which there will be many
			row, listed = rows[filepath.ToSlash(filepath.Dir(name))+"/*"]
		}
		if !listed {
			t.Errorf("docs/architecture.md does not list the package %s", name)
			continue
		}
		for _, of := range imports {
			if below, ours := rows[of]; ours && below <= row {
				t.Errorf("%s imports %s, which docs/architecture.md does not list below it", name, of)
			}
		}
	}
	for name := range rows {
		if all[name] == nil && !strings.HasSuffix(name, "/*") && !strings.HasSuffix(name, "test") {
			if _, err := os.Stat(name); err != nil {
				t.Errorf("docs/architecture.md lists %s, which is no package", name)
			}
		}
	}
}

// TestModulesEnterOnce has each module of others imported by one package. Those of the Go project count as the
// standard library.
func TestModulesEnterOnce(t *testing.T) {
	enters := map[string][]string{}
	for name, imports := range packages(t) {
		seen := map[string]bool{}
		for _, path := range imports {
			parts := strings.SplitN(path, "/", 4)
			if !strings.Contains(parts[0], ".") || strings.HasPrefix(path, "golang.org/x/") || strings.Contains(path, "tidewire") {
				continue
			}
			module := strings.Join(parts[:min(3, len(parts))], "/")
			if !seen[module] {
				seen[module] = true
				enters[module] = append(enters[module], name)
			}
		}
	}
	if len(enters) == 0 {
		t.Error("no package imports any module")
	}
	for module, names := range enters {
		slices.Sort(names)
		if module == "github.com/nats-io/nats.go" && strings.Join(names, " ") == "internal/kind/nats natsstore" {
			continue // a library for others, and the kind that speaks NATS: neither can be below the other
		}
		if len(names) > 1 {
			t.Errorf("%s is imported by %s: want one package that everybody else uses", module, strings.Join(names, " and "))
		}
	}
}
