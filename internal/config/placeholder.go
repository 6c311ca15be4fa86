package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/template"
	"go.yaml.in/yaml/v4"
)

// A found placeholder is one of those in a text.
type found struct {
	text, name string // {arg} and arg
	at         int    // characters before it
	foreign    bool   // it is not in the file: it came with a reference
}

// argsIn returns the placeholders in the value of n whose names an argument can have; other
// braces are text of the job's own.
func (r *reader) argsIn(n *yaml.Node) []found {
	return slices.DeleteFunc(r.placeholders(n), func(p found) bool { return !nameGrammar.MatchString(p.name) })
}

// placeholders returns those in the value of n.
func (r *reader) placeholders(n *yaml.Node) []found {
	written, expanded := r.written[n]
	var all []found
	for _, p := range template.Find(n.Value) {
		f := found{text: n.Value[p.Begin:p.End], name: p.Name, at: utf8.RuneCountInString(n.Value[:p.Begin])}
		f.foreign = expanded && !strings.Contains(written, f.text)
		all = append(all, f)
	}
	return all
}

// condition returns the condition with which an element of argv begins, as a placeholder.
func (r *reader) condition(n *yaml.Node) []found {
	name, rest, ok := template.Condition(n.Value)
	if !ok {
		return nil
	}
	written, expanded := r.written[n]
	text := strings.TrimSuffix(n.Value, rest)
	return []found{{text: text, name: name, foreign: expanded && !strings.Contains(written, text)}}
}

// misplaced reports the conditions behind the first characters of n's value, where they would be text.
func (r *reader) misplaced(n *yaml.Node, first int, keys map[string]*yaml.Node) {
	for name := range keys {
		text := "{" + name + "?}"
		if at := strings.Index(n.Value[first:], text); at >= 0 {
			r.problemWithin(n, utf8.RuneCountInString(n.Value[:first+at]), text+" stands where it is no condition",
				"write it at the beginning of an element of exec, which is then there only if "+quote(name)+" is neither empty nor false")
		}
	}
}

var shellText = regexp.MustCompile(`^-[a-zA-Z]*c$`) // -c, and -lc or -ec of a shell

// argvPlaceholders checks that arguments and what a program is given belong together: its argv, its environment and its
// input, of which the latter two may be nil. Keys holds the key of each argument.
func (r *reader) argvPlaceholders(exec, env, stdin *yaml.Node, where string, args []Arg, keys map[string]*yaml.Node) {
	used := map[string]bool{}
	var argv []string
	for _, e := range exec.Content {
		argv = append(argv, e.Value)
	}
	shell, ended := false, false // a command follows; no option does
	for i, e := range exec.Content {
		only := r.condition(e)
		first := 0 // character behind it
		if only != nil {
			first = len(only[0].text)
		}
		r.misplaced(e, first, keys)
		for _, p := range append(only, r.argsIn(e)...) {
			a := slices.IndexFunc(args, func(a Arg) bool { return a.Name == p.name })
			switch {
			case keys[p.name] == nil && (shell || p.foreign): // ${x} is the shell's own, and so is what comes from elsewhere
			case keys[p.name] == nil:
				r.problemWithin(e, p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
			case shell:
				r.problemWithin(e, p.at, p.text+" after -c would become part of a command", "put the command into a script and give it "+p.text+" as an argument")
			case i == 0:
				r.problemWithin(e, p.at, "the program to run is given by "+p.text, "write its name or path alone, and each argument as an element of its own such as [./scan.sh, \"{subnet}\"]")
			case strings.HasSuffix(p.text, "?}"): // no value stands there
			case interpreted(argv, i) != "":
				r.warnInterpreted(argv, i, e, p)
			case a >= 0 && args[a].AllowDash && p.at == first && !ended:
				r.problemWithin(e, p.at, p.text+" may begin with a dash and be taken for an option", `write "--" before it if the program ends its options there, or "--name=`+p.text+`"`)
			}
			used[p.name] = true
		}
		shell = shell || shellText.MatchString(e.Value)
		ended = ended || e.Value == "--"
	}
	if env != nil && env.Kind == yaml.MappingNode {
		for i := 1; i < len(env.Content); i += 2 {
			r.fed(argv, env.Content[i-1].Value, env.Content[i], where, keys, used)
		}
	}
	r.fed(argv, "", stdin, where, keys, used)
	r.unused(used, where, "exec, env or stdin", keys)
}

// fed checks the placeholders in the value of a variable of the program of argv or, if variable is empty, in its input,
// and adds them to used.
func (r *reader) fed(argv []string, variable string, n *yaml.Node, where string, keys map[string]*yaml.Node, used map[string]bool) {
	if n == nil || n.Kind != yaml.ScalarNode || r.spoiled[n] {
		return
	}
	r.misplaced(n, 0, keys)
	for _, p := range r.argsIn(n) {
		switch {
		case keys[p.name] != nil:
			r.warnFed(argv, variable, n, p)
		case !p.foreign:
			r.problemWithin(n, p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
		}
		used[p.name] = true
	}
}

// requestPlaceholders checks that arguments and the texts of a request belong
// together. All says that its body has all of them.
func (r *reader) requestPlaceholders(texts []*yaml.Node, where string, keys map[string]*yaml.Node, all bool) {
	used := map[string]bool{}
	for _, n := range texts {
		r.misplaced(n, 0, keys)
		for _, p := range r.argsIn(n) {
			used[p.name] = true
			if keys[p.name] == nil && !p.foreign {
				r.problemWithin(n, p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
			}
		}
	}
	if !all {
		r.unused(used, where, "path, query, headers or body", keys)
	}
}

// unused reports arguments that stand nowhere.
func (r *reader) unused(used map[string]bool, where, place string, keys map[string]*yaml.Node) {
	for name, key := range keys {
		if !used[name] && nameGrammar.MatchString(name) {
			r.problem(key, fmt.Sprintf("argument %s is not used by %s", quote(name), where), fmt.Sprintf("write {%s} into %s, or remove it", name, place))
		}
	}
}

func unknownArg(name string, args map[string]*yaml.Node) string {
	if len(args) == 0 {
		return fmt.Sprintf("add it as args: {%s: {type: string}}", name)
	}
	return suggest(name, "arguments", slices.Sorted(maps.Keys(args)))
}
