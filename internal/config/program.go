package config

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// programKeys are those that a source and a job with exec have beside it.
func programKeys(p *Program, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("env",
			"of `exec`: added to the program's environment, which otherwise contains only `PATH`, `HOME`, "+
				"`LANG`, `TZ` and a few like them. In a job, `{arg}` stands for the value of an argument. Names "+
				"must not begin with `TIDEWIRE_`",
			grammar.Variables, func(v *grammar.Node) { p.Env = readEnv(v, where) }).
			Also("environment").With("exec").Secret(),
		grammar.Path("dir",
			"of `exec`: the program's working directory; relative to this file",
			&p.Dir, grammar.Directory).Also("cwd workdir working_directory").With("exec"),
		grammar.Func("tty",
			"of `exec`: standard output and standard error are a terminal, so that the program does not buffer "+
				"its lines; not on Windows",
			grammar.TrueOrFalse, func(v *grammar.Node) { p.TTY = readTTY(v) }).Also("pty terminal").With("exec"),
		grammar.Func("ok_codes",
			"of `exec`: the exit codes that mean success, instead of only 0: a number from 0 to 255, or a list "+
				"of them",
			codesShape, func(v *grammar.Node) { p.OKCodes = readCodes(v, "ok_codes") }).
			Also("exit_codes success_codes").With("exec"),
	}
}

// programWords are the names of programKeys.
var programWords = []string{"env", "dir", "tty", "ok_codes"}

var codesShape = grammar.Either(
	grammar.Shape{"type": "integer", "minimum": 0, "maximum": 255},
	grammar.Shape{"type": "array", "minItems": 1, "uniqueItems": true, "items": grammar.WholeNumber(0, 255)},
)

func readTTY(n *grammar.Node) bool {
	tty := n.Boolean("tty")
	if tty && runtime.GOOS == "windows" {
		n.Problem("tty: there are no such terminals on Windows", "remove it")
	}
	return tty
}

// readCodes reads one exit code or a list of them.
func readCodes(n *grammar.Node, what string) []int {
	elements := []*grammar.Node{n}
	if !n.IsScalar() {
		elements = n.List(what, "write a number from 0 to 255, or a list of them such as [0, 1, 2]")
	}
	var codes []int
	for _, e := range elements {
		code, ok := e.Integer("a code in "+what, 0, 255)
		switch {
		case !ok:
		case slices.Contains(codes, code):
			e.Problem(fmt.Sprintf("%s has %d twice", what, code), "remove one of them")
		default:
			codes = append(codes, code)
		}
	}
	return codes
}

// readEnv reads the environment of a program. Values may be credentials: they are never quoted.
func readEnv(n *grammar.Node, where string) []string {
	var env []string
	for k, v := range n.Entries("env of " + where) {
		s, ok := v.Text("environment variable "+grammar.Quote(k.Value()), grammar.AText)
		switch {
		case !grammar.IsVariable(k.Value()) || strings.HasPrefix(k.Value(), "TIDEWIRE_"):
			k.Problem(fmt.Sprintf("%s is not a name for an environment variable here", grammar.Quote(k.Value())),
				"use letters, digits and underscores, with no digit and no TIDEWIRE_ at the beginning")
		case ok && strings.ContainsRune(s, 0):
			v.Problem("the value of "+k.Value()+" contains a NUL character", "remove it; no program can be given one")
		case ok:
			env = append(env, k.Value()+"="+s)
		}
	}
	return env
}
