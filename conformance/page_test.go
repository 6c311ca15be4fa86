package conformance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPage has docs/conformance.md list the peers, in the versions that are tested, and what they do otherwise. The
// versions of proxies are those of Debian 12: elsewhere only their names are compared.
func TestPage(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(file)
	for title, want := range map[string]string{
		"Clients":                "| Client | Version | What it does otherwise |\n|---|---|---|\n" + clientRows(t),
		"Servers":                "| Server | Version | What differs |\n|---|---|---|\n" + serverRows(t),
		"Middleware and proxies": "| Middleware | Version | Streams |\n|---|---|---|\n" + middlewareRows(t),
	} {
		_, section, _ := strings.Cut(page, "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !strings.Contains(section+"\n", "\n\n"+want+"\n") {
			t.Errorf("docs/conformance.md has another table under %q, want\n%s", title, want)
		}
	}
	release, _ := os.ReadFile("/etc/os-release")
	debian := strings.Contains(string(release), "\nID=debian\n") && strings.Contains(string(release), "\nVERSION_ID=\"12\"\n")
	for _, p := range proxies {
		row := regexp.MustCompile(`(?m)^\| ` + p.name + ` \| (\d+\.\d+) \|`).FindStringSubmatch(page)
		switch {
		case row == nil:
			t.Errorf("docs/conformance.md has no row for %s with a version such as 1.2", p.name)
		case debian && row[1] != p.installed(t):
			t.Errorf("docs/conformance.md says that %s is tested in the version %s, want %s", p.name, row[1], p.installed(t))
		}
	}
}

var number = regexp.MustCompile(`\d+\.\d+`)

// installed returns the version of the proxy on this machine, without its patch level.
func (p proxy) installed(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(p.program, p.version...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", p.program, err, out)
	}
	return number.FindString(string(out))
}

// versionOf returns the version of a peer, by go.mod or by the lock file of npm.
func versionOf(t *testing.T, peer string) string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if match := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(peer) + ` v(\S+)$`).FindSubmatch(mod); match != nil {
		return string(match[1])
	}
	text, err := os.ReadFile("clients/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	version := lock.Packages["node_modules/"+peer].Version
	if version == "" {
		t.Fatalf("neither go.mod nor clients/package-lock.json has %s", peer)
	}
	return version
}

// differences returns what a peer does by its own rules.
func differences(format string, wrongs map[behaviour]wrong) (all []string) {
	for b, w := range wrongs {
		all = append(all, fmt.Sprintf(format, b, w.because))
	}
	slices.Sort(all)
	return all
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func clientRows(t *testing.T) string {
	var rows strings.Builder
	for _, c := range clients {
		rows.WriteString(row(c.name, versionOf(t, c.peer), strings.Join(differences("does not %s: %s", c.wrongs), "; ")))
	}
	return rows.String()
}

func serverRows(t *testing.T) string {
	var rows strings.Builder
	for _, s := range servers {
		all := differences("%s %s", s.wrongs)
		if s.retry == 0 {
			all = append(all, "names no time to wait")
		}
		if !s.ids {
			all = append(all, "numbers events itself")
		}
		if s.again {
			all = append(all, "sends the last event once more to a client that comes back")
		}
		if s.json {
			all = append(all, "sends data as JSON")
		}
		rows.WriteString(row(s.name, versionOf(t, s.peer), strings.Join(all, "; ")))
	}
	return rows.String()
}

func middlewareRows(t *testing.T) string {
	var rows strings.Builder
	for _, m := range middlewares {
		streams := "compressed, each event at once"
		if m.hides != "" {
			streams = "refused with 500: its writer hides " + m.hides
		}
		rows.WriteString(row(m.name, versionOf(t, m.peer), streams))
	}
	return rows.String()
}
