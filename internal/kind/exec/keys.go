package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/template"
)

// Kind is the kind of sources that run a program.
var Kind = kind.Kind{Name: "exec", Section: section}

func section(r kind.Reading) kind.Section {
	s := &Source{}
	keys := grammar.Keys{
		grammar.Func("exec",
			"run a program and read its output. The first element is the program; there is no shell",
			ArgvShape, func(v *grammar.Node) { s.Argv = ReadArgv(v, r.Once) }).
			Also("command cmd run script shell").OneOf(),
	}
	stray := map[string]string{}
	for _, k := range ProgramKeys(&s.Program, r.Where) {
		keys = append(keys, k)
		stray[k.Name()] = "remove it; it is for sources with exec"
	}
	return kind.Section{
		Keys:  keys,
		Stray: stray,
		Source: func(entry *grammar.Node) kind.Source {
			s.Given = entry.Given("exec", "env")
			return s
		},
	}
}

// ProgramWords are the names of [ProgramKeys].
var ProgramWords = []string{"env", "dir", "tty", "ok_codes"}

// ArgvShape is that of a program and its arguments.
var ArgvShape = grammar.Shape{
	"type": "array", "minItems": 1, "prefixItems": []grammar.Shape{grammar.ALine}, "items": grammar.AnyText,
}

// ProgramKeys are those that a source and a job with exec have beside it.
func ProgramKeys(p *Program, where string) grammar.Keys {
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
			CodesShape, func(v *grammar.Node) { p.OKCodes = ReadCodes(v, "ok_codes") }).
			Also("exit_codes success_codes").With("exec"),
	}
}

// CodesShape is that of one exit code or a list of them.
var CodesShape = grammar.Either(
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

// ReadCodes reads one exit code or a list of them.
func ReadCodes(n *grammar.Node, what string) []int {
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
			e.Twice(what, strconv.Itoa(code))
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

const anArgv = "write the program and its arguments as a list such as [df, -h]; there is no shell"

// ReadArgv reads the list of a program and its arguments. Once is as in [kind.Reading].
func ReadArgv(n *grammar.Node, once func(string) bool) []string {
	var argv []string
	for i, e := range n.List("exec", anArgv) {
		s, ok := e.Text(fmt.Sprintf("element %d of exec", i+1), grammar.AText)
		switch {
		case !ok:
		case strings.ContainsRune(s, 0):
			e.Problem(fmt.Sprintf("element %d of exec contains a NUL character", i+1),
				"remove it; no program can be given one")
		case i == 0 && s == "":
			e.Problem("the program in exec is empty", "write its name or path")
		case i == 0 && !hasArgument(s):
			s = program(e, s, once)
		}
		argv = append(argv, s)
	}
	n.ConcealArguments()
	return argv
}

// program reads the first element of argv. A path is relative to its file, like every other.
// The machine that reads the file need not be the one that runs the program, so what is not there is no problem.
func program(n *grammar.Node, name string, once func(string) bool) string {
	if strings.ContainsRune(name, filepath.Separator) {
		whole, err := filepath.Abs(n.Beside(name))
		if err != nil {
			return name
		}
		name = whole
	}
	if n.HasReferences() || !once(name) { // what comes from elsewhere is not shown; each program is looked for once
		return name
	}
	switch where := strconv.Quote(name); {
	case !strings.ContainsRune(name, filepath.Separator):
		inPath := slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
			return executable(filepath.Join(dir, name))
		})
		if runtime.GOOS != "windows" && !inPath {
			n.Warn(0, where+" is not found in PATH", "install it, or write its whole path")
		}
	case executable(name):
	default:
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			n.Warn(0, "there is no program "+where, "create it or correct its path, which is relative to this file")
		case err == nil && info.IsDir():
			n.Warn(0, where+" is a directory", "name a program in it")
		default:
			n.Warn(0, where+" is not executable", "chmod +x, or name the program that reads it, as in [sh, script.sh]")
		}
	}
	return name
}

// executable reports whether a file can be run. Windows goes by the end of its name.
func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}

// hasArgument reports whether the value of an argument of a job stands in s.
func hasArgument(s string) bool {
	return slices.ContainsFunc(template.Find(s), func(p template.Placeholder) bool { return grammar.IsName(p.Name) })
}
