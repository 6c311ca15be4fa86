package gateway_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// Every route is described, and nothing else is: a new route fails here until openapi.json has it.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	_, _, body := s.do("GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Servers) != 1 || doc.Servers[0].URL != "/" {
		t.Errorf("openapi %q of the servers %v, want 3.1.0 of /", doc.OpenAPI, doc.Servers)
	}
	described := map[string]bool{}
	ids := map[string]string{}
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			route := strings.ToUpper(method) + " " + path
			if path == "/" {
				route += "{$}"
			}
			described[route] = true
			if other := ids[operation.OperationID]; other != "" || operation.OperationID == "" {
				t.Errorf("%s has the operationId %q, like %q", route, operation.OperationID, other)
			}
			ids[operation.OperationID] = route
		}
	}
	for pattern := range gateway.Routes() {
		if !described[pattern] {
			t.Errorf("the route %q is not in openapi.json", pattern)
		}
		delete(described, pattern)
	}
	for route := range described {
		t.Errorf("openapi.json has %q, which is no route", route)
	}
}

// The page about the API names every route and every type of problem.
func TestTheDocumentationHasEveryRoute(t *testing.T) {
	page, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for pattern := range gateway.Routes() {
		if pattern = strings.TrimSuffix(pattern, "{$}"); !strings.Contains(string(page), "`"+pattern+"`") && !strings.Contains(string(page), "`"+pattern+"?") {
			t.Errorf("docs/http-api.md does not name %s", pattern)
		}
	}
	for kind := range gateway.ProblemTypes {
		if !strings.Contains(string(page), "`…/problems/"+kind+"`") {
			t.Errorf("docs/http-api.md does not name the problem %s", kind)
		}
	}
}

func TestOpenAPINamesThePublicAddress(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	var err error
	if cfg.PublicURL, err = url.Parse("https://tidewire.example.com/ops/"); err != nil {
		t.Fatal(err)
	}
	s := startConfig(t, cfg)
	doc := s.json(200, "GET", "/openapi.json", "")
	server := doc["servers"].([]any)[0].(object)["url"]
	if want := "https://tidewire.example.com/ops"; server != want {
		t.Errorf("the server is %q, want %q", server, want)
	}
}

func TestSchemaIsServed(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	if _, _, body := s.do("GET", "/schema.json", ""); strings.TrimSpace(body) != strings.TrimSpace(string(config.Schema())) {
		t.Errorf("the schema begins %.80q, want that of the configuration", body)
	}
}
