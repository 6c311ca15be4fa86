package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
)

// However much is wrong, what is said of it can be read.
func TestTheFirstProblemsAreShownAndTheOthersCounted(t *testing.T) {
	yaml := "version: 1\nsources:\n  a: {exec: [echo, a]}\n"
	for i := range 900 {
		yaml += fmt.Sprintf("key%d: 1\n", i)
	}
	_, problems := config.Load("test.yaml", []byte(yaml))
	if len(problems) != 51 {
		t.Fatalf("%d problems are shown, want 50 and the number of the others", len(problems))
	}
	const want = "test.yaml:54:1: there are 850 further problems, correct those above first"
	if got := problems[50].String(); got != want {
		t.Errorf("the last one is %s, want %s", got, want)
	}
}

func TestAConfigurationIsBounded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	large := write("large.yaml", "version: 1\n"+strings.Repeat("# a comment\n", 800_000)) // 9.6 MB
	if _, _, err := config.Open(large); err == nil || !strings.HasSuffix(err.Error(), "large.yaml: it has more than 1048576 bytes") {
		t.Errorf("Open of 9.6 MB = %v, want it refused", err)
	}
	_, problems := config.Load("test.yaml", []byte(strings.Repeat("#\n", grammar.MaxBytes/2)+"#"))
	if want := "test.yaml:1:1: the file has 1048577 bytes, at most 1048576 are read, divide it by include, or shorten it"; problems.Error() != want {
		t.Errorf("Load of 1 MiB and a byte = %v, want %s", problems, want)
	}
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 201 {
		write(fmt.Sprintf("conf.d/%d.yaml", i), "version: 1\n")
	}
	many := write("many.yaml", "version: 1\ninclude: conf.d/*.yaml\nsources: {a: {exec: [echo, a]}}\n")
	if _, _, err := config.Open(many); err == nil || !strings.Contains(err.Error(), "include: there would be 201 included files, at most 200 can be") {
		t.Errorf("Open with 201 included files = %v, want it refused", err)
	}
	if err := os.Remove(filepath.Join(dir, "conf.d/0.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Open(many); err != nil {
		t.Errorf("Open with 200 included files = %v", err)
	}
}

// What it costs to read a configuration is in proportion to its length, whatever is in it: of four times the lines it is
// four times as much. Work is counted by what is allocated, which does not depend on how busy the machine is; to compare
// two names, to show a line and to look for a program all allocate.
func TestLargeConfigurationsAreReadInLinearTime(t *testing.T) {
	lines := func(line string) func(int) string {
		return func(n int) string {
			var b strings.Builder
			b.WriteString("version: 1\nsources:\n  a: {exec: [echo, a]}\n")
			for i := range n {
				fmt.Fprintf(&b, line, i)
			}
			return b.String()
		}
	}
	around := func(before, repeated, after string) func(int) string {
		return func(n int) string { return before + strings.Repeat(repeated, n) + after }
	}
	for what, of := range map[string]func(n int) string{
		"unknown keys":        lines("k%d: 1\n"),
		"unknown keys inside": lines("  s%d: {exek: [a]}\n"),
		"one line":            around("version: 1\nsources: {", "a: {exec: [a]}, ", "}\n"),
		"sources":             lines("  s%d: {exec: [echo, a]}\n"),
		"programs":            lines("  s%d: {exec: [no-such-program-%[1]d, a]}\n"),
		"computed":            lines("  s%d: {from: [a], combine: .a.value}\n"),
		"wrong from":          lines("  s%d: {from: [b, c], combine: .}\n"),
		"references":          lines("  s%d: {exec: [echo, \"${env:NO_SUCH_VARIABLE}\"]}\n"),
		"a text that is open": around("version: 1\nsources: {a: {exec: [\"", "x\n  ", ""),
		"brackets":            around("version: 1\nsources: ", "[", ""),
		"long credential":     around("version: 1\nupstreams: {a: {http: http://a, bearer: \"", "${env:X:-", "\", x: 1}}\n"),
		"a long key":          around("version: 1\n", "k", ": 1\n"),
	} {
		cost := func(n int) (bytes, allocations float64) {
			yaml := []byte(of(n))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, problems := config.Load("test.yaml", yaml)
			runtime.ReadMemStats(&after)
			if n := len(problems.Error()); n > 100_000 || len(problems) > 51 {
				t.Errorf("%s: %d problems in %d bytes", what, len(problems), n)
			}
			return float64(after.TotalAlloc - before.TotalAlloc), float64(after.Mallocs - before.Mallocs)
		}
		const few = 400
		bytes, allocations := cost(few)
		moreBytes, moreAllocations := cost(4 * few)
		t.Logf("%s: %.1f times the bytes (%.0f KB), %.1f times the allocations", what, moreBytes/bytes, moreBytes/1024, moreAllocations/allocations)
		if moreBytes > 5*bytes+128<<10 || moreAllocations > 5*allocations+1000 {
			t.Errorf("%s: four times the lines cost %.1f times the bytes and %.1f times the allocations", what, moreBytes/bytes, moreAllocations/allocations)
		}
	}
}
