package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/api"
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
	if doc.OpenAPI != "3.1.0" || len(doc.Servers) != 1 {
		t.Errorf("openapi %q of the servers %v, want 3.1.0 of one", doc.OpenAPI, doc.Servers)
	}
	described := map[string]bool{}
	ids := map[string]string{}
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			route := strings.ToUpper(method) + " " + path
			described[route] = true
			if other := ids[operation.OperationID]; other != "" || operation.OperationID == "" {
				t.Errorf("%s has the operationId %q, like %q", route, operation.OperationID, other)
			}
			ids[operation.OperationID] = route
		}
	}
	for pattern := range api.Routes() {
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
	for pattern := range api.Routes() {
		if !strings.Contains(string(page), "`"+pattern+"`") && !strings.Contains(string(page), "`"+pattern+"?") {
			t.Errorf("docs/http-api.md does not name %s", pattern)
		}
	}
	for kind := range gateway.ProblemTypes {
		if !strings.Contains(string(page), "`…/problems/"+kind+"`") {
			t.Errorf("docs/http-api.md does not name the problem %s", kind)
		}
	}
}

// A reader of the description resolves its server against the address that it has the description from (OpenAPI 3.1, Server
// Object): that is the gateway, whatever stands in front of it.
func TestTheServerOfTheDescriptionIsWhereItIsRead(t *testing.T) {
	for _, below := range []string{"", "/ops"} {
		cfg := guardedConfig(t, config.RoleNone)
		var err error
		if cfg.PublicURL, err = url.Parse("https://tidewire.example.com" + below); err != nil {
			t.Fatal(err)
		}
		s := startConfig(t, cfg)
		doc := s.json(200, "GET", below+"/openapi.json", "")
		read := cfg.PublicURL.JoinPath("openapi.json")
		server, err := read.Parse(str(doc["servers"].([]any)[0].(object)["url"]))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimSuffix(server.String(), "/"), cfg.PublicURL.String(); got != want {
			t.Errorf("the server is %q for a reader of %s, want %q", got, read, want)
		}
	}
}

// Generators take a number without a format for one of 32 bits, which cannot hold milliseconds since 1970 or the bytes of an
// output, and cannot make a type of several but null.
func TestTheDescriptionHasTypesThatGeneratorsKnow(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	formats := map[string]string{"number": "double", "integer": "int64"}
	var walk func(where string, v any)
	walk = func(where string, v any) {
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s/%d", where, i), e)
			}
		case object:
			for name, e := range v {
				walk(where+"/"+name, e)
			}
			types, several := v["type"].([]any)
			if kind, ok := v["type"].(string); ok {
				types = []any{kind}
			}
			for _, kind := range types {
				if want := formats[str(kind)]; want != "" && v["format"] != want {
					t.Errorf("%s is a %v of the format %v, want %s", where, kind, v["format"], want)
				}
			}
			if several && (len(types) != 2 || types[1] != "null") {
				t.Errorf("%s has the types %v, want one, or one and null", where, types)
			}
			if _, ok := v["const"]; ok && v["type"] == nil {
				t.Errorf("%s is a constant without a type", where)
			}
			if named := path.Dir(where) == "/components/schemas"; !named && v["type"] == "object" && v["properties"] != nil {
				t.Errorf("%s is an object without a name of its own", where)
			}
		}
	}
	walk("", s.json(200, "GET", "/openapi.json", ""))
}

func TestSchemaIsServed(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	if _, _, body := s.do("GET", "/schema.json", ""); strings.TrimSpace(body) != strings.TrimSpace(string(config.Schema())) {
		t.Errorf("the schema begins %.80q, want that of the configuration", body)
	}
}
