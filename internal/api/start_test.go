package api_test

import (
	"html"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// Whoever pastes the example of an empty gateway gets what it promises.
func TestTheExampleOfAnEmptyGatewayLoads(t *testing.T) {
	s, h := newServices(t)
	s.empty = true
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	page, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("GET / = %d, %v", w.Code, err)
	}
	example := regexp.MustCompile(`(?s)<pre[^>]*>(.*)</pre>`).FindSubmatch(page)
	if example == nil {
		t.Fatalf("the page has no example:\n%s", page)
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte("version: 1\n"+html.UnescapeString(string(example[1]))), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Open(file)
	if err != nil {
		t.Fatalf("the example does not load: %v", err)
	}
	if len(cfg.Sources) != 1 || len(cfg.Jobs) != 1 {
		t.Errorf("the example has %d sources and %d jobs, want one of each", len(cfg.Sources), len(cfg.Jobs))
	}
}
