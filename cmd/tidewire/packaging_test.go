package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The unit and the image have a place for state that the user of the gateway can write.
func TestPlaceForState(t *testing.T) {
	for file, lines := range map[string][]string{
		"tidewire.service": {"StateDirectory=tidewire", "DynamicUser=yes"},
		"Dockerfile":       {"COPY --from=build --chown=65532:65532 /state /var/lib/tidewire", "USER 65532:65532", "VOLUME /var/lib/tidewire"},
	} {
		data, err := os.ReadFile(filepath.Join("../../packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(string(data), "\n"+line+"\n") {
				t.Errorf("packaging/%s does not have the line %q", file, line)
			}
		}
	}
}

// The unit is one that systemd takes without a word, and that names commands and flags that there are.
func TestUnit(t *testing.T) {
	data, err := os.ReadFile("../../packaging/tidewire.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^Exec(?:StartPre|Start|Reload)=/usr/local/bin/tidewire (.*) /etc/tidewire/tidewire.yaml$`).FindAllStringSubmatch(string(data), -1) {
		code, _, stderr := tidewire(t, append(strings.Fields(m[1]), "/no/such/file.yaml")...)
		if code != exitFailure || !strings.Contains(stderr, "/no/such/file.yaml") {
			t.Errorf("%s = %d, %s, want that it looks for the file", m[1], code, stderr)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze, which would check the unit, is not installed")
	}
	// Neither the binary nor the manual is installed where this test runs.
	text := strings.ReplaceAll(string(data), "/usr/local/bin/tidewire", "/bin/true")
	text = strings.ReplaceAll(text, "man:tidewire(1) ", "")
	unit := filepath.Join(t.TempDir(), "tidewire.service")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
