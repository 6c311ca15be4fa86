package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// placeholder matches what stands for an argument of a job.
var placeholder = regexp.MustCompile(`\{([a-z0-9][a-z0-9._-]{0,63})\}`)

// condition matches the beginning of an element of argv that is there only if an argument is neither empty nor false.
var condition = regexp.MustCompile(`^\{([a-z0-9][a-z0-9._-]{0,63})\?\}`)

// A found placeholder is one of those in a text.
type found struct {
	text, name string // {arg} and arg
	at         int    // characters before it
	foreign    bool   // it is not in the file: it came with a reference
}

// placeholders returns those in the value of n.
func (r *reader) placeholders(n *yaml.Node) []found {
	text, expanded := r.written[n]
	var all []found
	if m := condition.FindStringSubmatch(n.Value); m != nil {
		all = append(all, found{text: m[0], name: m[1], foreign: expanded && !strings.Contains(text, m[0])})
	}
	for _, m := range placeholder.FindAllStringSubmatchIndex(n.Value, -1) {
		f := found{text: n.Value[m[0]:m[1]], name: n.Value[m[2]:m[3]], at: utf8.RuneCountInString(n.Value[:m[0]])}
		f.foreign = expanded && !strings.Contains(text, f.text)
		all = append(all, f)
	}
	return all
}

var shellText = regexp.MustCompile(`^-[a-zA-Z]*c$`) // -c, and -lc or -ec of a shell

// argvPlaceholders checks that arguments and what a program is given belong together: its argv, its environment and its
// input, of which the latter two may be nil. Keys holds the key of each argument.
func (r *reader) argvPlaceholders(exec, env, stdin *yaml.Node, where string, args []Arg, keys map[string]*yaml.Node) {
	used := map[string]bool{}
	shell, ended := false, false // a command follows; no option does
	for i, e := range exec.Content {
		for _, p := range r.placeholders(e) {
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
			case a >= 0 && args[a].AllowDash && p.at == len(condition.FindString(e.Value)) && !ended:
				r.problemWithin(e, p.at, p.text+" may begin with a dash and be taken for an option", `write "--" before it if the program ends its options there, or "--name=`+p.text+`"`)
			}
			used[p.name] = true
		}
		shell = shell || shellText.MatchString(e.Value)
		ended = ended || e.Value == "--"
	}
	for _, n := range append(valuesOf(env), stdin) {
		if n == nil || n.Kind != yaml.ScalarNode || r.spoiled[n] {
			continue
		}
		for _, p := range r.placeholders(n) {
			if keys[p.name] == nil && !p.foreign {
				r.problemWithin(n, p.at, fmt.Sprintf("%s is not an argument of %s", p.text, where), unknownArg(p.name, keys))
			}
			used[p.name] = true
		}
	}
	r.unused(used, where, "exec, env or stdin", keys)
}

// requestPlaceholders checks that arguments and the texts of a request belong
// together. All says that its body has all of them.
func (r *reader) requestPlaceholders(texts []*yaml.Node, where string, keys map[string]*yaml.Node, all bool) {
	used := map[string]bool{}
	for _, n := range texts {
		for _, p := range r.placeholders(n) {
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

// valuesOf returns the values of the mapping n.
func valuesOf(n *yaml.Node) (values []*yaml.Node) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 {
			values = append(values, n.Content[i])
		}
	}
	return values
}
