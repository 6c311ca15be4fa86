package config_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// A row stands in the expressions of its entry, too.
func TestAnExpressionOfARow(t *testing.T) {
	const file = `
version: 1
upstreams: {u: {http: "http://h"}}
sources: {pump: {for: [{name: a, key: a}, {name: b, key: 'b"]'}], http: {upstream: u, query: {since: '${jq: .["{each.key}"]}'}}}}
`
	_, problems := config.Load("f", []byte(file))
	if problems == nil || !strings.Contains(problems.Error(), "${jq:} is not valid jq: ") {
		t.Errorf("Load with a row that breaks the expression = %v", problems)
	}
	c := load(t, strings.Replace(file, `'b"]'`, "b", 1))
	for i, name := range []string{"a", "b"} {
		asked := requestOf(c.Sources[i])
		filled, err := asked.Fill(t.Context(), map[string]any{"a": "1", "b": "2"}, func(string) (any, bool) { return nil, false })
		if want := map[string]string{"a": "http://h?since=1", "b": "http://h?since=2"}[name]; err != nil || filled.URL.String() != want {
			t.Errorf("pump/%s asks %v, %v, want %s", name, filled, err, want)
		}
	}
}
