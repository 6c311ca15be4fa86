package config_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

func feedOf(t testing.TB, jq string) *config.Feed {
	t.Helper()
	text, _ := json.Marshal(jq)
	c, problems := config.Load("t.yaml", []byte(`{version: 1, sources: {s: {exec: [a]}}, jobs: {j: {exec: [a, "{x}"], args: {x: {type: enum, values: {from: s, jq: `+string(text)+`}}}}}}`))
	if problems != nil {
		t.Fatal(problems)
	}
	return c.Jobs[0].Args[0].Feed
}

// TestChoices: results and lists of them are choices, each once; what no argument may be is none.
func TestChoices(t *testing.T) {
	for _, test := range []struct{ jq, value, want string }{
		{".[].id", `[{"id":"b"},{"id":"a"},{"id":"b"}]`, "[b a]"},
		{"map(.id)", `[{"id":"b"},{"id":7},{"id":1.5},{"id":true},{"id":null},{"id":""}]`, "[b 7 1.5 true]"},
		{".", `["x y","-rf","a\u0007b","\u202eevil"]`, "[x y]"},
		{".", `"one"`, "[one]"},
		{".a, .b # both", `{"a":"x","b":"y"}`, "[x y]"},
		{"def f: .[]; f", `["x"]`, "[x]"},
		{"empty", `1`, "[]"},
		{".", `[["x"]]`, "number 1 is no text"},
		{".", `["x",{}]`, "number 2 is no text"},
		{".x", `[]`, "jq:"},
		{"range(1001)", `1`, "there are 1001"},
		{"range(1000) | 5", `1`, "[5]"},
		{`"a" * 1025`, `1`, "[]"},
	} {
		var value any
		if err := json.Unmarshal([]byte(test.value), &value); err != nil {
			t.Fatal(err)
		}
		choices, err := feedOf(t, test.jq).Choices(t.Context(), value)
		got := fmt.Sprint(choices)
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s of %s gives %s, want %s", test.jq, test.value, got, test.want)
		}
	}
}

// FuzzChoices: whatever a source says, each choice is one that a start accepts, and none is there twice.
func FuzzChoices(f *testing.F) {
	for _, value := range []string{`["a",1,null]`, `[{"id":"x"}]`, `"-"`, `[[1],[2]]`, `["\u202e","\n"]`} {
		f.Add(value)
	}
	feed := feedOf(f, ".")
	f.Fuzz(func(t *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return
		}
		choices, err := feed.Choices(t.Context(), value)
		if err != nil {
			return
		}
		arg := config.Arg{Name: "x", Type: config.ArgEnum, Feed: feed}
		j := &config.Job{Args: []config.Arg{arg}}
		of := func(*config.Arg) ([]string, *config.ArgError) { return choices, nil }
		for _, choice := range choices {
			values, wrong := j.BindFed(map[string]any{"x": choice}, of)
			if wrong != nil || values["x"] != choice || choice == "" || choice[0] == '-' {
				t.Errorf("the choice %q of %s is not accepted: %v, %v", choice, text, values, wrong)
			}
		}
		if len(choices) > 1000 || len(slices.Compact(slices.Sorted(slices.Values(choices)))) != len(choices) {
			t.Errorf("the choices %q of %s are too many, or not distinct", choices, text)
		}
	})
}
