package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// What is printed for the configuration is valid there, and stands for the token.
func TestHashToken(t *testing.T) {
	code, out, stderr := tidewire(t, "hash-token", "ci", "--role", "viewer")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	token := regexp.MustCompile(`(?m)^  (tw_[\w-]{43})$`).FindStringSubmatch(out)
	_, entry, _ := strings.Cut(out, "For the configuration:\n")
	if token == nil || strings.Contains(entry, "tw_") {
		t.Fatalf("output:\n%s\nwant one token, and not in the entry", out)
	}
	cfg, problems := config.Load("t.yaml", []byte("version: 1\nsources: {a: {exec: ['true']}}\n"+entry))
	if len(problems) > 0 {
		t.Fatalf("the entry is not valid: %v\n%s", problems, entry)
	}
	if got := cfg.Access.Tokens[0]; got.Name != "ci" || got.Role != config.RoleViewer || got.SHA256 != sha256.Sum256([]byte(token[1])) {
		t.Errorf("the entry is %+v, want the sum of %s for the viewer ci", got, token[1])
	}
	if _, again, _ := tidewire(t, "hash-token", "ci"); strings.Contains(again, token[1]) {
		t.Error("the same token twice")
	}
}

func TestHashTokenOfOnesOwn(t *testing.T) {
	hash := func(stdin string, args ...string) (int, string) {
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"hash-token"}, args...), strings.NewReader(stdin), &out, &stderr)
		return code, out.String() + stderr.String()
	}
	const own = "a-canary-that-is-long-enough"
	code, out := hash(own+"\r\n", "ci", "-")
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(own))); code != 0 || !strings.Contains(out, want) || strings.Contains(out, "canary") {
		t.Errorf("exit %d:\n%s\nwant %s and not the token", code, out, want)
	}
	for name, c := range map[string]struct {
		stdin string
		args  []string
		code  int
	}{
		"nothing":             {"", []string{"ci", "-"}, exitFailure},
		"short":               {"canary", []string{"ci", "-"}, exitFailure},
		"long":                {strings.Repeat("canary", 1000), []string{"ci", "-"}, exitFailure},
		"two lines":           {own + "\n" + own, []string{"ci", "-"}, exitFailure},
		"on the command line": {"", []string{"ci", own}, exitUsage},
		"no name":             {"", nil, exitUsage},
		"no role":             {"", []string{"ci", "--role", "root"}, exitUsage},
	} {
		if code, out := hash(c.stdin, c.args...); code != c.code || strings.Contains(out, "canary") || out == "" {
			t.Errorf("%s: exit %d, %q, want %d and a reason without the token", name, code, out, c.code)
		}
	}
}
