package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPushCommand(t *testing.T) {
	var asked []string
	gw := fake(t, map[string]http.HandlerFunc{
		"POST /api/v1/sources/{name}": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, r.PathValue("name")+" "+r.Header.Get("Authorization")+" "+string(body))
			switch r.PathValue("name") {
			case "full":
				w.WriteHeader(429)
				io.WriteString(w, `{"detail":"\"full\" was sent too much: it takes at most 2/h: the next one in 1 s"}`)
			case "later":
				w.WriteHeader(202)
			default:
				w.WriteHeader(204)
			}
		},
		"GET /api/v1/sources": answers(`{"sources":[{"name":"door","title":"Door","kind":"push"},{"name":"disk","title":"Disk","kind":"exec"}]}`),
	})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args, stdin, sent string
		code              int
		says              string
	}{
		{`door {"open":true}`, "", `door Bearer s3cret {"open":true}`, 0, ""},
		{"later 1", "", "later Bearer s3cret 1", 0, ""},
		{"door -", "21.5\n", "door Bearer s3cret 21.5\n", 0, ""},
		{"full 1", "", "full Bearer s3cret 1", 1, "it takes at most 2/h"},
		{"door -", "", "", 1, "the value is empty"},
		{"door -", strings.Repeat("x", 256<<10+1), "", 1, "more than 262144 bytes"},
		{"door", "", "", 2, "push"},
	} {
		asked = nil
		args := append([]string{"push", "--url", gw, "--token-file", token}, strings.Fields(tt.args)...)
		var stdout, stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader(tt.stdin), &stdout, &stderr)
		if code != tt.code || strings.Join(asked, "|") != tt.sent || !strings.Contains(stderr.String(), tt.says) || stdout.Len() > 0 {
			t.Errorf("push %s = %d, sent %q, says %q %q, want %d, %q, %q", tt.args, code, asked, stdout.String(), stderr.String(), tt.code, tt.sent, tt.says)
		}
	}
	words, directive := completions(t, "push", "--url", gw, "")
	if want := []string{"door\tDoor"}; !slices.Equal(words, want) || directive != noFiles {
		t.Errorf("completions are %q with %s, want %q", words, directive, want)
	}
}
