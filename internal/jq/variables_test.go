package jq_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/jq"
)

var variables = []string{"$status", "$headers"}

func TestVariables(t *testing.T) {
	given := map[string]any{"$status": 200, "$headers": map[string]any{"a": "b"}}
	for src, want := range map[string]struct {
		uses   []jq.Use
		result any
	}{
		".a":                            {nil, 1.0},
		"$status":                       {[]jq.Use{{"$status", 0}}, 200},
		`."ä" // [$status, $headers.a]`: {[]jq.Use{{"$status", 9}, {"$headers", 18}}, []any{200, "b"}},
		`"of $status"`:                  {nil, "of $status"},
		"5 as $status | $status":        {nil, 5},
		"$status as $x | 5 as $status | $status + $x": {[]jq.Use{{"$status", 0}}, 205},
		"$headers | del(.a) | . == {}":                {[]jq.Use{{"$headers", 0}}, true},
	} {
		p, err := jq.Compile(src, variables...)
		if err != nil {
			t.Errorf("Compile(%s) = %v", src, err)
			continue
		}
		if !slices.Equal(p.Uses(), want.uses) {
			t.Errorf("%s uses %v, want %v", src, p.Uses(), want.uses)
		}
		if got, err := p.RunWith(t.Context(), map[string]any{"a": 1.0}, given); err != nil || !reflect.DeepEqual(got, want.result) {
			t.Errorf("%s = %v, %v, want %v", src, got, err, want.result)
		}
	}
	if given["$headers"].(map[string]any)["a"] != "b" {
		t.Error("a run has changed the value of a variable")
	}
	p, err := jq.Compile("$status", variables...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Run(t.Context(), nil); got != nil || err != nil {
		t.Errorf("without a value a variable is %v, %v, want null", got, err)
	}
}

func TestAnUnknownVariable(t *testing.T) {
	for src, want := range map[string]jq.SyntaxError{
		"1 + $state":       {4, "unknown variable `$state`, want one that `as` binds before, or one of $status, $headers"},
		"$status + $state": {10, "unknown variable `$state`, want one that `as` binds before, or one of $status, $headers"},
	} {
		_, err := jq.Compile(src, variables...)
		e, ok := errors.AsType[*jq.SyntaxError](err)
		if !ok || *e != want {
			t.Errorf("Compile(%s) = %v, want %v", src, err, want)
		}
	}
	if _, err := jq.Compile("$status"); err == nil || err.Error() != "unknown variable `$status`, want one that `as` binds before" {
		t.Errorf("Compile of a variable that nobody named = %v", err)
	}
}

func TestEnd(t *testing.T) {
	for s, want := range map[string]int{
		"": -1, "}": 0, " .a }": 4, "{a: 1}}": 6, `"}"}x}`: 3, `"\"}"}`: 5, `"\(.a | {b: "}"})"}`: 18, "(}": 1, ".a # {\n}": 7, "(1))}": 4,
		`"\((1))"}`: 8, `"`: -1, "{": -1, `"\`: -1, ".a # }": 5,
	} {
		if got := jq.End(s); got != want {
			t.Errorf("End(%q) = %d, want %d", s, got, want)
		}
	}
}

// What compiles ends where it ends, whatever follows the brace.
func FuzzEnd(f *testing.F) {
	for _, src := range ordinary {
		f.Add(src, "x")
	}
	f.Add(`{a: "}"} | .a`, "}")
	f.Add(`"\({a: "\(1)"})"`, `"`)
	f.Fuzz(func(t *testing.T, src, rest string) {
		end := jq.End(src + "}" + rest)
		if end > len(src) {
			end = len(src) + 1
		}
		if _, err := jq.Compile(src); err == nil && !strings.Contains(src, "#") && end != len(src) {
			t.Errorf("End(%q) = %d, want %d", src+"}"+rest, jq.End(src+"}"+rest), len(src))
		}
	})
}
