package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/template"
	"go.yaml.in/yaml/v4"
)

// What holds for a job that does not say it.
const (
	jobTimeout   = 15 * time.Minute
	defaultQueue = 10
)

var defaultKeep = Keep{Runs: 50, For: 24 * time.Hour}

const maxStarts = 10_000 // of a limit: each of them is remembered

// Bind checks the values given for j's arguments, as encoding/json decodes
// them, and completes them by the defaults: an argument that is not given, or
// given as an empty text or null, gets its default, which is checked as any other, or is
// an error. The result
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
			if v = a.Default; v == nil {
				errs = append(errs, a.wrong("give it one", "this has no value"))
				continue
			}
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

// Argv returns j.Exec with each {arg} replaced by its value; for one of the type path
// that is the whole path. Values come from [Job.Bind]. Whatever a value contains, it
// stays inside the element in which its placeholder stands.
//
// An element of placeholders alone whose values are all empty is left out, and so is one that begins with {arg?}
// when the argument is empty or false.
func (j *Job) Argv(values map[string]any) []string {
	argv := make([]string, 0, len(j.Exec))
	for i, e := range j.Exec {
		if name, rest, ok := template.Condition(e); ok && i > 0 && slices.ContainsFunc(j.Args, func(a Arg) bool { return a.Name == name }) {
			if v := values[name]; v == nil || v == "" || v == false {
				continue
			}
			e = rest
		}
		if filled := j.text(e, values); filled != "" || e == "" { // what has no value is the text of a shell after -c
			argv = append(argv, filled)
		}
	}
	return argv
}

// Environment returns j.Env with each {arg} replaced by its value.
func (j *Job) Environment(values map[string]any) []string {
	env := make([]string, len(j.Env))
	for i, e := range j.Env {
		env[i] = j.text(e, values) // no name has a brace
	}
	return env
}

// Input returns j.Stdin with each {arg} replaced by its value.
func (j *Job) Input(values map[string]any) string { return j.text(j.Stdin, values) }

// job reads one entry of jobs.
func (r *reader) job(e named, known parts) *Job {
	where := "job " + quote(e.name)
	j := &Job{Name: e.name, Title: e.name, Timeout: jobTimeout, OnBusy: BusyJoin, Queue: defaultQueue, Keep: defaultKeep}
	var (
		kinds           []*yaml.Node // the values of the kinds that it has
		texts           []*yaml.Node // in which arguments of a request can stand
		all             bool         // all arguments are sent anyway
		exec, queue, at *yaml.Node
		argsNode        *yaml.Node
		args            = map[string]*yaml.Node{} // the key of each
		ofExec          = map[string]*yaml.Node{} // keys that a request has not
		set             = func(to *time.Duration, d time.Duration) { *to = cmp.Or(d, *to) }
	)
	read := r.programReads(&j.Program, where, ofExec)
	maps.Copy(read, reads{
		"title": func(v *yaml.Node) { j.Title = r.line(v, "title") },
		"exec":  func(v *yaml.Node) { kinds = append(kinds, v); exec = v; j.Exec = r.argv(v) },
		"http": func(v *yaml.Node) {
			kinds = append(kinds, v)
			j.HTTP, texts, all = r.jobRequest(v, where, known.upstreams)
		},
		"args": func(v *yaml.Node) {
			argsNode = v
			for _, a := range r.names(v, "args of "+where) {
				args[a.name] = a.key
				j.Args = append(j.Args, r.arg(a))
			}
		},
		"progress":   func(v *yaml.Node) { ofExec["progress"] = v; j.Progress = r.progress(v) },
		"warn_codes": func(v *yaml.Node) { ofExec["warn_codes"] = v; j.WarnCodes = r.codes(v, "warn_codes") },
		"stdin": func(v *yaml.Node) {
			ofExec["stdin"] = v
			if s, ok := r.text(v, "stdin", aText); ok {
				j.Stdin = s
			}
		},
		"timeout": func(v *yaml.Node) { set(&j.Timeout, r.duration(v, "timeout")) },
		"on_busy": func(v *yaml.Node) { j.OnBusy = OnBusy(r.choice(v, "on_busy", whenBusy)) },
		"queue": func(v *yaml.Node) {
			queue = v
			if n, ok := r.integer(v, "queue", 1, 1000); ok {
				j.Queue = n
			}
		},
		"limit": func(v *yaml.Node) {
			j.Limit.Starts, j.Limit.Per = r.rate(v, "limit")
			if j.Limit.Starts > maxStarts {
				r.problem(v, fmt.Sprintf("limit: %s is too much", quote(v.Value)), fmt.Sprintf("write at most %d starts, or none", maxStarts))
			}
		},
		"group": func(v *yaml.Node) {
			if j.Group = r.line(v, "group"); j.Group != "" && !nameGrammar.MatchString(j.Group) {
				r.problem(v, "bad name "+quote(j.Group)+" of a group", aName)
			}
		},
		"at":      func(v *yaml.Node) { at = v; j.At = r.timetable(v, where) },
		"confirm": func(v *yaml.Node) { j.Confirm = r.line(v, "confirm") },
		"roles": func(v *yaml.Node) {
			for _, n := range r.oneOrMore(v, "roles", "[operator, admin]") {
				if n.Value == string(RoleViewer) {
					r.problem(n, "roles: a viewer cannot start jobs", "write "+list(wordsOf(jobRoles), "or"))
				} else if role := Role(r.choice(n, "roles", jobRoles)); role != RoleNone && !slices.Contains(j.Roles, role) {
					j.Roles = append(j.Roles, role)
				}
			}
		},
		"then": func(v *yaml.Node) {
			r.mapping(v, "then of "+where, thenKeys, reads{"refresh": func(v *yaml.Node) {
				for _, n := range r.oneOrMore(v, "refresh", "[tank, disk]") {
					if s := lookup(r, n, "source", known.sources); s != nil && !slices.Contains(j.Refresh, s.Name) {
						j.Refresh = append(j.Refresh, s.Name)
					}
				}
			}})
			r.need(v, "then of "+where, "refresh", "[tank]")
		},
		"keep": func(v *yaml.Node) {
			r.mapping(v, "keep of "+where, keepKeys, reads{
				"runs": func(v *yaml.Node) {
					if n, ok := r.integer(v, "runs", 1, 1000); ok {
						j.Keep.Runs = n
					}
				},
				"for": func(v *yaml.Node) { set(&j.Keep.For, r.duration(v, "for")) },
			})
		},
	})
	r.mapping(e.value, where, jobKeys, read)
	r.oneKind(e, where, "run", kinds, "exec", "http")
	for _, code := range j.WarnCodes {
		if slices.Contains(j.OKCodes, code) {
			r.problem(ofExec["warn_codes"], fmt.Sprintf("the exit code %d is in ok_codes and in warn_codes", code), "remove it from one of them")
		}
	}
	if j.HTTP != nil && exec == nil {
		for name, v := range ofExec {
			r.problem(v, name+" in a job that makes a request", "remove it; it is for jobs with exec")
		}
	}
	if queue != nil && j.OnBusy != BusyQueue && j.OnBusy != "" && j.Group == "" {
		r.problem(queue, "queue without on_busy: queue has no effect", "add on_busy: queue, or remove it")
	}
	if argsNode == nil || isNull(argsNode) || r.complete(argsNode) {
		switch {
		case len(kinds) != 1:
		case exec != nil && exec.Kind == yaml.SequenceNode:
			r.argvPlaceholders(exec, ofExec["env"], ofExec["stdin"], where, j.Args, args)
		case j.HTTP != nil && r.complete(kinds[0]):
			r.requestPlaceholders(texts, where, args, all)
			r.jobTemplates(kinds[0], j.HTTP, args)
		}
	}
	required := func(a Arg) bool { return a.Default == nil && value(value(argsNode, a.Name), "default") == nil }
	if i := slices.IndexFunc(j.Args, required); at != nil && i >= 0 {
		r.problem(at, fmt.Sprintf("at would start %s without the argument %s", where, quote(j.Args[i].Name)), "give it a default")
	}
	return j
}

// env reads the environment of a program. Values may be credentials: they are never
// quoted.
func (r *reader) env(n *yaml.Node, where string) []string {
	var env []string
	for k, v := range r.entries(n, "env of "+where) {
		s, ok := r.text(v, "environment variable "+quote(k.Value), aText)
		switch {
		case !envName.MatchString(k.Value) || strings.HasPrefix(k.Value, "TIDEWIRE_"):
			r.problem(k, fmt.Sprintf("%s is not a name for an environment variable here", quote(k.Value)), "use letters, digits and underscores, with no digit and no TIDEWIRE_ at the beginning")
		case ok && strings.ContainsRune(s, 0):
			r.problem(v, "the value of "+k.Value+" contains a NUL character", "remove it; no program can be given one")
		case ok:
			env = append(env, k.Value+"="+s)
		}
	}
	return env
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
