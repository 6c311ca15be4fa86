package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/template"
)

// A found placeholder, and where it is in a text.
type found struct {
	text, name string // {arg} and arg
	at         int    // characters before it
	foreign    bool   // it is not in the file: it came with the value of a reference
}

// argsIn returns the placeholders in the value of n whose names are valid for arguments; other braces are text.
func argsIn(n *grammar.Node) []found {
	return slices.DeleteFunc(placeholders(n), func(p found) bool { return !grammar.IsName(p.name) })
}

// placeholders returns the placeholders in the value of n, without expressions.
func placeholders(n *grammar.Node) []found {
	var all []found
	computed := n.Expressions()
	for _, p := range template.Find(n.Value(), slices.Collect(maps.Keys(computed))...) {
		if computed[p.Name] != nil {
			continue
		}
		f := found{text: n.Value()[p.Begin:p.End], name: p.Name, at: utf8.RuneCountInString(n.Value()[:p.Begin])}
		f.foreign = !n.IsWritten(f.text)
		all = append(all, f)
	}
	return all
}

// condition returns the condition at the beginning of n's value, as a placeholder.
func condition(n *grammar.Node) []found {
	name, rest, ok := template.Condition(n.Value())
	if !ok {
		return nil
	}
	text := strings.TrimSuffix(n.Value(), rest)
	return []found{{text: text, name: name, foreign: !n.IsWritten(text)}}
}

// lineConditions returns the conditions at the beginnings of the lines of n's value.
func lineConditions(n *grammar.Node) (all []found) {
	at := 0
	for line := range strings.Lines(n.Value()) {
		if name, rest, ok := template.Condition(line); ok {
			text := strings.TrimSuffix(line, rest)
			all = append(all, found{text: text, name: name, at: utf8.RuneCountInString(n.Value()[:at]), foreign: !n.IsWritten(text)})
		}
		at += len(line)
	}
	return all
}

// checkMisplaced reports conditions in n's value that would be text: all but those that are known to be ones.
func checkMisplaced(n *grammar.Node, known []found, keys map[string]*grammar.Node) {
	for name := range keys {
		text, from := "{"+name+"?}", 0
		for {
			i := strings.Index(n.Value()[from:], text)
			if i < 0 {
				break
			}
			at := utf8.RuneCountInString(n.Value()[:from+i])
			from += i + len(text)
			if slices.ContainsFunc(known, func(p found) bool { return p.at == at }) {
				continue
			}
			n.ProblemAt(at, text+" stands where it is no condition",
				"write it at the beginning of an element of exec, a variable, a line of stdin, a parameter or a header, "+
					"which is then there only if "+grammar.Quote(name)+" is neither empty nor false")
			break
		}
	}
}

var shellText = regexp.MustCompile(`^-[a-zA-Z]*c$`) // -c, and -lc or -ec of a shell

// checkArgvPlaceholders checks that arguments match the placeholders in the argv, the environment and the input of a
// program; env and stdin may be nil. Keys holds the key of each argument.
func checkArgvPlaceholders(exec, env, stdin *grammar.Node, where string, args []Arg, keys map[string]*grammar.Node) {
	used := map[string]bool{RunDir: true} // a program also finds it in its environment
	var argv []string
	for _, e := range exec.Elements() {
		argv = append(argv, e.Value())
	}
	shell, ended := false, false // shell: a command follows; ended: no options follow
	for i, e := range exec.Elements() {
		only := condition(e)
		first := 0 // the character after the condition
		if only != nil {
			first = len(only[0].text)
		}
		checkMisplaced(e, only, keys)
		for _, p := range append(only, argsIn(e)...) {
			a := slices.IndexFunc(args, func(a Arg) bool { return a.Name == p.name })
			switch {
			case keys[p.name] == nil && (shell || p.foreign): // ${x} is the shell's, or came with a reference
			case keys[p.name] == nil:
				e.ProblemAt(p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
			case shell:
				e.ProblemAt(p.at, p.text+" after -c would become part of a command",
					"put the command into a script and give it "+p.text+" as an argument")
			case i == 0:
				e.ProblemAt(p.at, "the program to run is given by "+p.text,
					"write its name or path alone, and each argument as an element of its own such as "+
						"[./scan.sh, \"{subnet}\"]")
			case strings.HasSuffix(p.text, "?}"): // a condition puts no value there
			case interpreted(argv, i) != "":
				warnInterpreted(argv, i, e, p)
			case a >= 0 && args[a].AllowDash && p.at == first && !ended:
				e.ProblemAt(p.at, p.text+" may begin with a dash and be taken for an option",
					`write "--" before it if the program ends its options there, or "--name=`+p.text+`"`)
			}
			used[p.name] = true
		}
		shell = shell || shellText.MatchString(e.Value())
		ended = ended || e.Value() == "--"
	}
	for k, v := range env.Pairs() {
		checkFed(argv, k.Value(), v, condition, where, keys, used)
	}
	checkFed(argv, "", stdin, lineConditions, where, keys, used)
	checkUnused(used, where, "exec, env or stdin", keys)
}

// checkFed checks the placeholders in the value of a variable of the program in argv or, if variable is empty, in its
// input, and adds them to used. Conditions finds those that stand where they are some.
func checkFed(
	argv []string, variable string, n *grammar.Node, conditions func(*grammar.Node) []found, where string, keys map[string]*grammar.Node,
	used map[string]bool,
) {
	if n == nil || !n.IsScalar() || n.IsSpoiled() {
		return
	}
	only := conditions(n)
	checkMisplaced(n, only, keys)
	for _, p := range append(only, argsIn(n)...) {
		switch {
		case keys[p.name] != nil && strings.HasSuffix(p.text, "?}"): // a condition puts no value there
		case keys[p.name] != nil:
			warnFed(argv, variable, n, p)
		case !p.foreign:
			n.ProblemAt(p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
		}
		used[p.name] = true
	}
}

// checkRequestPlaceholders checks that arguments match the placeholders in the texts of the request n.
func checkRequestPlaceholders(n *grammar.Node, h *JobHTTP, where string, keys map[string]*grammar.Node) {
	used := map[string]bool{}
	for n, canVanish := range argumentTexts(n) {
		var only []found
		if canVanish {
			only = condition(n)
		}
		checkMisplaced(n, only, keys)
		for _, p := range append(only, argsIn(n)...) {
			used[p.name] = true
			if keys[p.name] == nil && !p.foreign {
				n.ProblemAt(p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
			}
		}
	}
	if !sendsAll(n, h) && len(h.Computed) == 0 { // an expression may use any of them
		checkUnused(used, where, "path, query, headers or body", keys)
	}
}

// checkUnused reports arguments without a placeholder.
func checkUnused(used map[string]bool, where, place string, keys map[string]*grammar.Node) {
	for name, key := range keys {
		if !used[name] && grammar.IsName(name) {
			key.Problem(fmt.Sprintf("argument %s is not used by %s", grammar.Quote(name), where),
				fmt.Sprintf("write {%s} into %s, or remove it", name, place))
		}
	}
}

func unknownArg(name string, args map[string]*grammar.Node) string {
	if name == RunDir {
		return "add the files that the program leaves there such as results: [report.pdf]"
	}
	if len(args) == 0 {
		return fmt.Sprintf("add it as args: {%s: {type: string}}", name)
	}
	return grammar.Suggest(name, "arguments", slices.Sorted(maps.Keys(args)))
}
