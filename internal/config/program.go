package config

import (
	"fmt"
	"runtime"
	"slices"

	"go.yaml.in/yaml/v4"
)

// programKeys are those that a source and a job with exec have beside it.
var programKeys = []key{
	{name: "env", also: "environment", doc: "of `exec`: added to the program's environment, which otherwise contains only `PATH`, `HOME`, `LANG`, `TZ` and a few like them. In a job, `{arg}` stands for the value of an argument. Names must not begin with `TIDEWIRE_`", is: envSchema, with: "exec", secret: true},
	{name: "dir", also: "cwd workdir working_directory", doc: "of `exec`: the program's working directory; relative to this file", is: lineSchema, with: "exec"},
	{name: "tty", also: "pty terminal", doc: "of `exec`: standard output and standard error are a terminal, so that the program does not buffer its lines; not on Windows", is: booleanSchema, with: "exec"},
	{name: "ok_codes", also: "exit_codes success_codes", doc: "of `exec`: the exit codes that mean success, instead of only 0: a number from 0 to 255, or a list of them", is: codesSchema, with: "exec"},
}

var codesSchema = either(schema{"type": "integer", "minimum": 0, "maximum": 255},
	schema{"type": "array", "minItems": 1, "uniqueItems": true, "items": integer(0, 255)})

// programReads reads programKeys into p. Had gets the values that are there.
func (r *reader) programReads(p *Program, where string, had map[string]*yaml.Node) reads {
	read := reads{
		"env": func(v *yaml.Node) { p.Env = r.env(v, where) },
		"dir": func(v *yaml.Node) { p.Dir = r.dir(v, "dir") },
		"tty": func(v *yaml.Node) {
			if p.TTY = r.boolean(v, "tty"); p.TTY && runtime.GOOS == "windows" {
				r.problem(v, "tty: there are no such terminals on Windows", "remove it")
			}
		},
		"ok_codes": func(v *yaml.Node) { p.OKCodes = r.codes(v, "ok_codes") },
	}
	for name, f := range read {
		read[name] = func(v *yaml.Node) { had[name] = v; f(v) }
	}
	return read
}

// codes reads one exit code or a list of them.
func (r *reader) codes(n *yaml.Node, what string) []int {
	elements := []*yaml.Node{n}
	if n.Kind != yaml.ScalarNode {
		elements = r.list(n, what, "write a number from 0 to 255, or a list of them such as [0, 1, 2]")
	}
	var codes []int
	for _, e := range elements {
		code, ok := r.integer(e, "a code in "+what, 0, 255)
		switch {
		case !ok:
		case slices.Contains(codes, code):
			r.problem(e, fmt.Sprintf("%s has %d twice", what, code), "remove one of them")
		default:
			codes = append(codes, code)
		}
	}
	return codes
}
