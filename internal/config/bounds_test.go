package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
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
	_, problems := config.Load("test.yaml", make([]byte, config.MaxBytes+1))
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

// A quarter of the largest file that is read takes a moment, whatever is in it.
func TestLargeConfigurationsAreReadInLinearTime(t *testing.T) {
	repeat := func(line string) string {
		var b strings.Builder
		b.WriteString("version: 1\nsources:\n  a: {exec: [echo, a]}\n")
		for i := 0; b.Len()+len(line)+10 < config.MaxBytes/4; i++ {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	for what, yaml := range map[string]string{
		"unknown keys":        repeat("k%d: 1\n"),
		"unknown keys inside": repeat("  s%d: {exek: [a]}\n"),
		"one line":            "version: 1\nsources: {" + strings.Repeat("a: {exec: [a]}, ", 15_000) + "}\n",
		"sources":             repeat("  s%d: {exec: [echo, a]}\n"),
		"wrong from":          repeat("  s%d: {from: [b, c], combine: .}\n"),
		"references":          repeat("  s%d: {exec: [echo, \"${env:NO_SUCH_VARIABLE}\"]}\n"),
		"a text that is open": "version: 1\nsources: {a: {exec: [\"" + strings.Repeat("x\n  ", 60_000),
		"brackets":            "version: 1\nsources: " + strings.Repeat("[", 125_000),
		"long credential":     "version: 1\nupstreams: {a: {http: http://a, bearer: \"" + strings.Repeat("${env:X:-", 25_000) + "\", x: 1}}\n",
		"a long key":          "version: 1\n" + strings.Repeat("k", 250_000) + ": 1\n",
	} {
		begin := busy(t)
		_, problems := config.Load("test.yaml", []byte(yaml))
		took := busy(t) - begin
		t.Logf("%s: %v, %d problems", what, took.Round(time.Millisecond), len(problems))
		if took > 8*time.Second { // half a second, and what the race detector adds
			t.Errorf("%s: read in %v", what, took)
		}
		if n := len(problems.Error()); n > 100_000 || len(problems) > 51 {
			t.Errorf("%s: %d problems in %d bytes", what, len(problems), n)
		}
	}
}
