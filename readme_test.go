package tidewire_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestReadmeShowsCompiledCode has every Go block of the README be part of the program
// named above it, and short enough to be read at a glance.
func TestReadmeShowsCompiledCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)<!-- (\\S+) -->\n```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if got, want := len(blocks), strings.Count(string(readme), "```go\n"); got != want || got < 3 {
		t.Errorf("%d Go blocks name their program, want all %d, and one a library at least", got, want)
	}
	for _, block := range blocks {
		program, err := os.ReadFile(block[1])
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(program), block[2]) {
			t.Errorf("the block of %s is not part of it:\n%s", block[1], block[2])
		}
		if n := strings.Count(block[2], "\n"); n == 0 || n >= 25 {
			t.Errorf("the block of %s has %d lines, want 1 to 24", block[1], n)
		}
	}
}

// TestReadmeConfigurationsAreValid has every configuration of the README be one.
func TestReadmeConfigurationsAreValid(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Error("the README shows no configuration")
	}
	for _, block := range blocks {
		if _, problems := config.Load("README.md", []byte(block[1])); problems != nil {
			t.Errorf("%v\nin\n%s", problems, block[1])
		}
	}
}

// TestLinksResolve has every relative link of the Markdown pages point to a file.
func TestLinksResolve(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, link[1], err)
			}
		}
	}
}
