package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestEmptyArgumentsLeaveNoElement: an element that has no text left is none, and one behind {arg?} is there with
// its argument only.
func TestEmptyArgumentsLeaveNoElement(t *testing.T) {
	c := load(t, `{version: 1, jobs: {j: {exec: [x, "{v?}--verbose", "{label?}--label", "{label}", "{label?}--l={label}", "--n={note}", "", --, "{note}{label}"],
		args: {v: {type: bool, default: false}, label: {default: ""}, note: {allow_dash: true, default: ""}}}}}`)
	for _, test := range []struct {
		given map[string]any
		want  string
	}{
		{nil, `["x" "--n=" "" "--"]`},
		{map[string]any{"v": true}, `["x" "--verbose" "--n=" "" "--"]`},
		{map[string]any{"v": "false", "label": "a b"}, `["x" "--label" "a b" "--l=a b" "--n=" "" "--" "a b"]`},
		{map[string]any{"note": "-x"}, `["x" "--n=-x" "" "--" "-x"]`},
		{map[string]any{"label": "{v?}x"}, `["x" "--label" "{v?}x" "--l={v?}x" "--n=" "" "--" "{v?}x"]`},
	} {
		values, errs := c.Jobs[0].Bind(test.given)
		if got := fmt.Sprintf("%q", c.Jobs[0].Argv(values)); errs != nil || got != test.want {
			t.Errorf("Argv of %v = %s, %v, want %s", test.given, got, errs, test.want)
		}
	}
}

// TestArgumentsReachAProgramBesideItsArgv: a secret needs no place in argv, which everybody can read.
func TestArgumentsReachAProgramBesideItsArgv(t *testing.T) {
	c := load(t, `{version: 1, jobs: {j: {exec: [x], env: {PIN: "{pin}", JSON: '{"a": "{B}"}', X: "1"}, stdin: "{text}\n{pin}", args: {pin: {secret: true}, text: {}}}}}`)
	values, errs := c.Jobs[0].Bind(map[string]any{"pin": "p=w {text}", "text": "T"})
	if errs != nil {
		t.Fatal(errs)
	}
	if got, want := c.Jobs[0].Environment(values), []string{"PIN=p=w {text}", `JSON={"a": "{B}"}`, "X=1"}; !slices.Equal(got, want) {
		t.Errorf("Environment = %q, want %q", got, want)
	}
	if got, want := c.Jobs[0].Input(values), "T\np=w {text}"; got != want {
		t.Errorf("Input = %q, want %q", got, want)
	}
}

// TestWhatIsEmptyCanVanish: a variable, a line of the input, a parameter or a header is there only if its condition holds.
func TestWhatIsEmptyCanVanish(t *testing.T) {
	c := load(t, `
version: 1
upstreams: {u: {http: "http://h", headers: {X-Team: ops}}}
jobs:
  program: {exec: [x], env: {ON: "{on?}1", TEXT: "{text?}<{text}>", SET: "{text}"}, stdin: "a\n{text?}b {text}\n{on?}c\nd", args: {on: {type: bool, default: false}, text: {default: ""}}}
  request: {http: {upstream: u, method: GET, query: {on: "{on?}yes", text: ["{text?}{text}", x]}, headers: {X-Team: "{text?}{text}", X-On: "{on?}1"}}, args: {on: {type: bool, default: false}, text: {default: ""}}}
`)
	for _, test := range []struct {
		given                     map[string]any
		env, input, query, header string
	}{
		{nil, `["SET="]`, "a\nd", "text=x", "map[X-Team:[ops]]"},
		{map[string]any{"on": true}, `["ON=1" "SET="]`, "a\nc\nd", "on=yes&text=x", "map[X-On:[1] X-Team:[ops]]"},
		{map[string]any{"text": "{on?}é"}, `["TEXT=<{on?}é>" "SET={on?}é"]`, "a\nb {on?}é\nd", "text=%7Bon%3F%7D%C3%A9&text=x", "map[X-Team:[{on?}é]]"},
	} {
		values, errs := c.Jobs[0].Bind(test.given)
		if errs != nil {
			t.Fatal(errs)
		}
		r, err := c.Jobs[1].Request(t.Context(), values)
		if err != nil {
			t.Fatal(err)
		}
		if env, input := fmt.Sprintf("%q", c.Jobs[0].Environment(values)), c.Jobs[0].Input(values); env != test.env || input != test.input {
			t.Errorf("with %v the program gets %s and %q, want %s and %q", test.given, env, input, test.env, test.input)
		}
		if query, header := r.URL.RawQuery, fmt.Sprint(r.Header); query != test.query || header != test.header {
			t.Errorf("with %v the request has %s and %s, want %s and %s", test.given, query, header, test.query, test.header)
		}
	}
}

// TestWhatAProgramCannotBeToldIsReported goes through the keys of programs.
func TestWhatAProgramCannotBeToldIsReported(t *testing.T) {
	for part, want := range map[string]string{
		`jobs: {j: {exec: [a], env: {PIN: "{pni}{pin}"}, args: {pin: {}}}}`:             `{pni} is not an argument of job "j", did you mean "pin"?`,
		`jobs: {j: {exec: [a], stdin: "{x}"}}`:                                          `{x} is not an argument of job "j", add it as args: {x: {type: string}}`,
		`jobs: {j: {exec: [a, "{x?}-x"]}}`:                                              `{x?} is not an argument of job "j"`,
		`jobs: {j: {exec: [a], args: {x: {}}}}`:                                         `argument "x" is not used by job "j", write {x} into exec, env or stdin, or remove it`,
		`jobs: {j: {exec: [a, "{y?}{x}"], args: {x: {allow_dash: true}, y: {}}}}`:       `{x} may begin with a dash and be taken for an option`,
		`jobs: {j: {exec: [a], ok_codes: [0, 1], warn_codes: 1}}`:                       `the exit code 1 is in ok_codes and in warn_codes, remove it from one of them`,
		`jobs: {j: {exec: [a], ok_codes: [0, 0]}}`:                                      `ok_codes has 0 twice, remove one of them`,
		`jobs: {j: {exec: [a], warn_codes: 256}}`:                                       `a code in warn_codes is 256, write a whole number from 0 to 255`,
		`jobs: {j: {exec: [a], ok_codes: []}}`:                                          `ok_codes is an empty list`,
		`upstreams: {u: {http: http://h}}, jobs: {j: {http: {upstream: u}, tty: true}}`: `tty in a job that makes a request, remove it; it is for jobs with exec`,
		`upstreams: {u: {http: http://h}}, sources: {s: {http: {upstream: u}, dir: .}}`: `dir without exec, remove it; it is for sources with exec`,
		`sources: {a: {exec: [a]}, s: {from: [a], ok_codes: 0}}`:                        `ok_codes without exec`,
		`sources: {a: {exec: [a], warn_codes: 0}}`:                                      `unknown key "warn_codes" in source "a"`,
	} {
		_, problems := config.Load("t.yaml", []byte("{version: 1, "+part+"}"))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s:\n%v\nwant %s", part, problems, want)
		}
	}
}
