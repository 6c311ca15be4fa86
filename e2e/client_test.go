package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	_ "github.com/oapi-codegen/runtime" // what is generated imports it
)

// TestAGeneratedClientWorks: oapi-codegen makes a client of what /openapi.json answers, and a program that has nothing else
// uses the API by it. The program is testdata/client/main.go; go run reads what is generated as a file beside it.
func TestAGeneratedClientWorks(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25, "pump": true}`)
	s := serve(t, fmt.Sprintf(`
listen: 127.0.0.1:0
upstreams: {plant: {http: %q}}
sources:
  tank: {http: {upstream: plant}, every: 1h, pick: {level: .level}, show: {value: level, max: 99.5, history: 1h}}
jobs:
  greet:
    exec: [echo, "hello {who} {times}", "{loud?}aloud"]
    args: {who: {default: ann}, times: {type: int, default: 2, max: 5}, loud: {type: bool, default: false}}
`, plant.url))
	dir := t.TempDir()
	generated, overlay := filepath.Join(dir, "client.gen.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(generated, []byte(generate(t, s.url)), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := filepath.Abs("testdata/client")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(program, "client.gen.go"): generated}})
	if err == nil {
		err = os.WriteFile(overlay, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "go", "run", "-overlay", overlay, "./testdata/client", strings.TrimSuffix(s.url, "/"))
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("the generated client: %v\n%s", err, out)
	}
}

// generate is the Go source of a client of the gateway at a URL.
func generate(t *testing.T, base string) string {
	t.Helper()
	c := newContract(t, base)
	_, text := c.do(200, "GET", "/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	source, err := codegen.Generate(doc, codegen.Configuration{
		PackageName:   "main",
		Generate:      codegen.GenerateOptions{Models: true, Client: true},
		Compatibility: codegen.CompatibilityOptions{AlwaysPrefixEnumValues: true}, // else a new enum may rename the words of others
	})
	if err != nil {
		t.Fatalf("oapi-codegen cannot generate a client: %v", err)
	}
	return source
}
