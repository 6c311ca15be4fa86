package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const jobTimeout = 15 * time.Minute // of a job that sets none

// placeholder matches what stands for an argument in a job's argv.
var placeholder = regexp.MustCompile(`\{([a-z0-9][a-z0-9._-]{0,63})\}`)

// Bind checks the values given for j's arguments, as encoding/json decodes
// them, and completes them by the defaults: an argument that is not given, or
// given as an empty text or null, gets its default or is an error. The result
// has for each of j.Args an int64 for int, a float64 for number, a bool for
// bool or a string for the others. Every type may come as text, since forms
// and command lines have nothing else. The errors are in the order of the
// names.
func (j *Job) Bind(given map[string]any) (map[string]any, []*ArgError) {
	values := map[string]any{}
	var errs []*ArgError
	var names []string
	for _, a := range j.Args {
		names = append(names, a.Name)
		v := given[a.Name]
		if v == nil || v == "" {
			if values[a.Name] = a.Default; a.Default == nil {
				errs = append(errs, a.wrong("give it one", "this has no value"))
			}
			continue
		}
		var err *ArgError
		if values[a.Name], err = a.parse(v); err != nil {
			errs = append(errs, err)
		}
	}
	for name := range given {
		if !slices.Contains(names, name) {
			errs = append(errs, &ArgError{name, "there is no such argument", suggest(name, "arguments", names)})
		}
	}
	slices.SortFunc(errs, func(a, b *ArgError) int { return strings.Compare(a.Arg, b.Arg) })
	return values, errs
}

// Argv returns j.Exec with each {arg} replaced by its value. Values come from
// [Job.Bind]. Whatever a value contains, it stays inside the element in which
// its placeholder stands.
func (j *Job) Argv(values map[string]any) []string {
	argv := make([]string, len(j.Exec))
	for i, e := range j.Exec {
		argv[i] = placeholder.ReplaceAllStringFunc(e, func(p string) string {
			switch v := values[p[1:len(p)-1]].(type) {
			case nil:
				return p // the text of a shell after -c
			case float64:
				return strconv.FormatFloat(v, 'f', -1, 64)
			default:
				return fmt.Sprint(v)
			}
		})
	}
	return argv
}

// job reads one entry of jobs.
func (r *reader) job(e named) *Job {
	where := "job " + quote(e.name)
	j := &Job{Name: e.name, Title: e.name, Timeout: jobTimeout, OnBusy: "join"}
	var exec, argsNode *yaml.Node
	args := map[string]*yaml.Node{} // the key of each
	r.mapping(e.value, where, jobKeys, reads{
		"title": func(v *yaml.Node) { j.Title = r.line(v, "title") },
		"exec":  func(v *yaml.Node) { exec = v; j.Exec = r.argv(v) },
		"args": func(v *yaml.Node) {
			argsNode = v
			for _, a := range r.names(v, "args of "+where) {
				args[a.name] = a.key
				j.Args = append(j.Args, r.arg(a))
			}
		},
		"progress": func(v *yaml.Node) { j.Progress = r.progress(v) },
		"timeout": func(v *yaml.Node) {
			if d := r.duration(v, "timeout"); d > 0 {
				j.Timeout = d
			}
		},
		"on_busy": func(v *yaml.Node) {
			switch v.Value {
			case "queue", "reject", "replace":
				r.problem(v, "on_busy: "+v.Value+" is not supported by this version", `write "join"`)
			default:
				r.choice(v, "on_busy", "join")
			}
		},
	})
	switch {
	case exec == nil && r.complete(e.value) && find(e.value, "http") == nil:
		r.problem(e.key, where+" does not say what to run", "add exec: [program, argument]")
	case exec != nil && exec.Kind == yaml.SequenceNode && (argsNode == nil || isNull(argsNode) || r.complete(argsNode)):
		r.placeholders(exec, where, args)
	}
	return j
}

var shellText = regexp.MustCompile(`^-[a-zA-Z]*c$`) // -c, and -lc or -ec of a shell

// placeholders checks that arguments and argv belong together. Args holds the
// key of each argument.
func (r *reader) placeholders(exec *yaml.Node, where string, args map[string]*yaml.Node) {
	used := map[string]bool{}
	shell := false
	for i, e := range exec.Content {
		text, ok := r.written[e]
		if !ok {
			text = e.Value
		}
		for _, m := range placeholder.FindAllStringSubmatchIndex(e.Value, -1) {
			p, name := e.Value[m[0]:m[1]], e.Value[m[2]:m[3]]
			at := utf8.RuneCountInString(e.Value[:m[0]])
			switch {
			case args[name] == nil && (shell || !strings.Contains(text, p)): // ${x} is the shell's own, and so is what comes from elsewhere
			case args[name] == nil:
				r.problemWithin(e, at, fmt.Sprintf("%s is not an argument of %s", p, where), unknownArg(name, args))
			case shell:
				r.problemWithin(e, at, p+" after -c would become part of a command", "put the command into a script and give it "+p+" as an argument")
			case i == 0:
				r.problemWithin(e, at, "the program to run is given by "+p, "write its name or path; only its arguments can vary")
			}
			used[name] = true
		}
		shell = shell || shellText.MatchString(e.Value)
	}
	for name, key := range args {
		if !used[name] && nameGrammar.MatchString(name) {
			r.problem(key, fmt.Sprintf("argument %s is not used by %s", quote(name), where), fmt.Sprintf("write {%s} into exec, or remove it", name))
		}
	}
}

func unknownArg(name string, args map[string]*yaml.Node) string {
	if len(args) == 0 {
		return fmt.Sprintf("add it as args: {%s: {type: string}}", name)
	}
	return suggest(name, "arguments", slices.Sorted(maps.Keys(args)))
}

// progress reads the pattern of progress lines.
func (r *reader) progress(n *yaml.Node) *regexp.Regexp {
	re := r.regexp(n, "progress")
	if re != nil && re.SubexpIndex("percent") < 0 && re.SubexpIndex("message") < 0 {
		r.problem(n, "progress has neither a group percent nor a group message", `name one as in (?P<percent>\d+)% (?P<message>.*)`)
		return nil
	}
	return re
}
