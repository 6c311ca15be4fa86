package config

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind/exec"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/template"
)

// Defaults of a job.
const (
	jobTimeout   = 15 * time.Minute
	defaultQueue = 10
)

var defaultKeep = Keep{Runs: 50, For: 24 * time.Hour, Output: 10e6}

// Bounds of keep.runs, which costs memory unless runs are on disk.
const (
	maxRuns       = 100_000
	maxMemoryRuns = 1000
)

const maxStarts = 10_000 // of a limit: the time of each start is kept

// Bind checks the values given for j's arguments, as decoded by encoding/json, and adds the defaults: an argument that
// is not given, or is an empty text or null, gets its default, which is checked like any other value; without a default
// it is an error. The result has for each of j.Args an int64 for int, a float64 for number, a bool for bool or a string
// for the others. Every type may be given as text, since forms and command lines have only texts. The errors are in the
// order of the names. Of an argument with a [Feed] any text is a choice.
func (j *Job) Bind(given map[string]any) (map[string]any, []*ArgError) { return j.BindFed(given, nil) }

// BindFed is [Job.Bind], but an argument with a [Feed] has to be one of the choices that choices returns for it, or why it
// cannot be given.
func (j *Job) BindFed(given map[string]any, choices func(*Arg) ([]string, *ArgError)) (map[string]any, []*ArgError) {
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
		if a.Feed != nil && choices != nil && v != "" {
			if a.Values, err = choices(&a); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if values[a.Name], err = a.value(v); err != nil {
			errs = append(errs, err)
		}
	}
	for name := range given {
		if !slices.Contains(names, name) {
			errs = append(errs, &ArgError{name, "there is no such argument", grammar.Suggest(name, "arguments", names)})
		}
	}
	slices.SortFunc(errs, func(a, b *ArgError) int { return strings.Compare(a.Arg, b.Arg) })
	return values, errs
}

// Argv returns j.Exec with each {arg} replaced by its value; for the type path that is the whole path. Values come from
// [Job.Bind]. Whatever a value contains, it stays inside the element in which its placeholder stands.
//
// An element that consists of placeholders whose values are all empty is left out, and so is one that begins with
// {arg?} when the argument is empty or false.
func (j *Job) Argv(values map[string]any) []string {
	argv := make([]string, 0, len(j.Exec))
	for i, e := range j.Exec {
		if i > 0 {
			var applies bool
			if e, applies = j.conditional(e, values); !applies {
				continue
			}
		}
		// Names without a value belong to the shell text after -c.
		if filled := j.text(e, values); filled != "" || e == "" {
			argv = append(argv, filled)
		}
	}
	return argv
}

// Environment returns j.Env with each {arg} replaced by its value. A variable whose value begins with {arg?} is left out when
// the argument is empty or false.
func (j *Job) Environment(values map[string]any) []string {
	env := make([]string, 0, len(j.Env))
	for _, e := range j.Env {
		name, value, _ := strings.Cut(e, "=") // names of variables have no braces
		if value, applies := j.conditional(value, values); applies {
			env = append(env, name+"="+j.text(value, values))
		}
	}
	return env
}

// Input returns j.Stdin with each {arg} replaced by its value. A line that begins with {arg?} is left out when the argument is
// empty or false.
func (j *Job) Input(values map[string]any) string {
	var input strings.Builder
	for line := range strings.Lines(j.Stdin) {
		if line, applies := j.conditional(line, values); applies {
			input.WriteString(line)
		}
	}
	return j.text(input.String(), values)
}

// conditional is [template.Conditional] with the arguments of a run.
func (j *Job) conditional(text string, values map[string]any) (rest string, applies bool) {
	return template.Conditional(text, func(name string) (any, bool) {
		return values[name], slices.ContainsFunc(j.Args, func(a Arg) bool { return a.Name == name })
	})
}

// A jobDraft is a Job while it is being read.
type jobDraft struct {
	*Job
	request *JobHTTP
	alert   JobAlert // if it has one
}

func newJobDraft(j *Job) *jobDraft {
	return &jobDraft{Job: j, request: &JobHTTP{Request: httpkind.Request{Method: http.MethodPost, Header: http.Header{}}}}
}

// jobKeys are the keys of a job. It is long because each key has its entry.
func (r *reader) jobKeys(d *jobDraft, where string) grammar.Keys {
	j, at := d.Job, &timetableDraft{zone: time.Local, catchUp: defaultCatchUp}
	keys := grammar.Keys{
		grammar.Line("title", "for people", &j.Title).Also("label description"),
		sectionKey(&j.Section),
		grammar.Func("exec",
			"run a program; each `{arg}` in an element stands for the value of an argument",
			exec.ArgvShape, func(v *grammar.Node) { j.Exec = exec.ReadArgv(v, r.once) }).
			Also("command cmd run script shell").OneOf(),
		grammar.Section("http",
			"send a request to an upstream",
			"http of "+where, r.jobRequestKeys(d.request, where)).
			Also("url request webhook").OneOf().Then(d.requestRead),
		grammar.Func("args",
			"the arguments of a start",
			argsShape, func(v *grammar.Node) { j.Args = r.readArgs(v, "args of "+where) }).
			Also("arguments params parameters inputs"),
		grammar.Func("progress",
			"of `exec`: matched against each line of output; its group `percent` or `message`, or both, give "+
				"the progress. Lines such as `::progress 42 text` need no pattern",
			grammar.AnyText, func(v *grammar.Node) { j.Progress = readProgress(v) }).With("exec"),
		grammar.Func("warn_codes",
			"of `exec`: the exit codes that mean success with a warning",
			exec.CodesShape, func(v *grammar.Node) { j.WarnCodes = exec.ReadCodes(v, "warn_codes") }).
			Also("warning_codes").With("exec"),
		grammar.Text("stdin",
			"of `exec`: the program's standard input; each `{arg}` stands for the value of an argument. "+
				"Without it standard input is empty",
			&j.Stdin).Also("input").With("exec").Secret(),
		grammar.Func("results",
			"of `exec`: the files to keep with a run, which the program leaves in the directory `{run_dir}` or `TIDEWIRE_RUN_DIR`: names, or "+
				"patterns such as `\"*.csv\"`. At most 20 of a run, and with those of arguments 8 MB",
			namesShape, func(v *grammar.Node) { j.Results = readResults(v) }).Also("artifacts outputs files").With("exec"),
		onKey("of `exec`: the name of the replica that runs it, and no other one does; see [Where programs run](#where-programs-run)", &j.On),
		grammar.Duration("timeout", "the time limit of one run", &j.Timeout).Default("15m"),
		grammar.OneOf("on_busy",
			"what happens to a start while the job is running: it joins that run if the arguments are equal, "+
				"and is refused otherwise; it is queued; it is refused; or it replaces that run, which is cancelled",
			&j.OnBusy, whenBusy).Also("concurrency overlap").Default(string(BusyJoin)),
		grammar.Integer("queue", "how many runs may wait, with `on_busy: queue`", &j.Queue, 1, 1000),
		grammar.Func("parallel_by",
			"names of arguments: runs with different values of them run side by side, at most 100 of them; `on_busy` and `queue` are about those with "+
				"equal ones",
			namesShape, func(v *grammar.Node) { j.ParallelBy = readParallel(v) }).Also("parallel concurrent_by lanes").With("args"),
		grammar.Func("limit",
			"starts per second, minute, hour or day",
			startsShape, func(v *grammar.Node) { j.Limit = readStarts(v) }),
		grammar.Func("group",
			"the name of a group: jobs of one group do not run at the same time",
			grammar.NameText, func(v *grammar.Node) { j.Group = readGroup(v) }),
		grammar.Section("at",
			"when the job starts by itself, with the defaults of its arguments: at times, or with `@start` once when Tidewire "+
				"starts. An expression alone is `at.cron`",
			"at of "+where, startKeys(at)).
			Short("cron").Also("schedule cron every").
			Alone(func(v *grammar.Node) { at.what, at.expression = "at", v }).
			Then(func(*grammar.Node) { j.At = at.table() }),
		grammar.Line("confirm", "a question to ask people before a start", &j.Confirm),
		grammar.Func("roles",
			"who may start and cancel it: `operator`, `admin`, or a list of them",
			rolesShape, func(v *grammar.Node) { j.Roles = readJobRoles(v) }).Also("role users allow"),
		grammar.Section("then",
			"what follows a successful run",
			"then of "+where, r.thenKeys(j, where)).Some().Also("after on_success"),
		grammar.Section("keep",
			"which ended runs are kept",
			"keep of "+where, keepKeys(&j.Keep)).Also("retention history"),
		grammar.Section("alert",
			"when to alert; by default as `alert` of `defaults` says",
			"alert of "+where, r.jobAlertKeys(&d.alert)).Some().Or(noAlert),
		rowsKey(),
	}
	const beforeProgram = 6 // keys: a table shows the keys of exec together
	return slices.Insert(keys, beforeProgram, exec.ProgramKeys(&j.Program, where)...)
}

func keepKeys(k *Keep) grammar.Keys {
	return grammar.Keys{
		grammar.Integer("runs", "how many of the newest runs to keep; in memory at most 1000", &k.Runs, 1, maxRuns).Default(defaultKeep.Runs),
		grammar.Period("for", "how long to keep a run, up to `5y`", &k.For).Default("24h"),
		grammar.Size("output",
			"how much of what a run prints to keep, at most 1GB; the end stays", &k.Output, 10e3, 1e9).Default("10MB"),
	}
}

var (
	startsShape = grammar.Like(grammar.ARate+"; at most 10000", "^0*([1-9][0-9]{0,3}|10000)/[smhd]$")
	rolesShape  = grammar.Either(grammar.WordsAlone(jobRoles), grammar.ListOf(grammar.Words(jobRoles)))
	argsShape   = grammar.MappingOfNames(argShape())
)

// job reads one entry of jobs.
func (r *reader) job(e grammar.Named) *Job {
	where := "job " + grammar.Quote(e.Name)
	j := &Job{
		Name:    e.Name,
		Title:   e.Name,
		Timeout: jobTimeout,
		OnBusy:  BusyJoin,
		Queue:   defaultQueue,
		Keep:    defaultKeep,
	}
	d := newJobDraft(j)
	d.alert = r.alerts.job
	n := e.Value
	n.Read(where, r.jobKeys(d, where))
	j.Given = n.Given("http", "exec", "env", "stdin")
	checkKind(e, where, "run", "exec", "http")
	checkCodes(n, j)
	if n.Get("exec") == nil && j.HTTP != nil {
		refuse(n, "in a job that makes a request", "remove it; it is for jobs with exec",
			slices.Concat([]string{"progress", "warn_codes", "stdin", "results"}, exec.ProgramWords)...)
	}
	if queue := n.Get("queue"); queue != nil && j.OnBusy != BusyQueue && j.OnBusy != "" && j.Group == "" {
		queue.Problem("queue without on_busy: queue has no effect", "add on_busy: queue, or remove it")
	}
	checkArgs(n, j, where)
	checkThen(n, where)
	checkParallel(n, j, where)
	r.jobAlertOf(j, &d.alert, n, where)
	return j
}

// checkCodes checks that no exit code has two meanings.
func checkCodes(n *grammar.Node, j *Job) {
	for _, code := range j.WarnCodes {
		if slices.Contains(j.OKCodes, code) {
			n.Get("warn_codes").Problem(fmt.Sprintf("the exit code %d is in ok_codes and in warn_codes", code),
				"remove it from one of them")
		}
	}
}

// checkArgs checks that the arguments of a job match its program or request.
func checkArgs(n *grammar.Node, j *Job, where string) {
	exec, request, args := n.Get("exec"), n.Get("http"), n.Get("args")
	if args == nil || args.IsNull() || args.IsComplete() {
		keys := map[string]*grammar.Node{}
		for k := range args.Pairs() {
			if keys[k.Value()] == nil {
				keys[k.Value()] = k
			}
		}
		if results := n.Get("results"); results != nil {
			if own := keys[RunDir]; own != nil {
				own.Problem("{run_dir} is the directory of the results", "give the argument another name")
			}
			keys[RunDir] = results
		}
		switch {
		case has(n, "exec", "http") != 1:
		case exec.IsList():
			checkArgvPlaceholders(exec, n.Get("env"), n.Get("stdin"), where, j.Args, keys)
		case j.HTTP != nil && request.IsComplete():
			checkRequestPlaceholders(request, j.HTTP, where, keys)
			checkFiles(request, j, keys)
			file, isFile := j.bodyFile()
			isArg := func(name string) bool { return keys[name] != nil && !(isFile && name == file) }
			httpkind.CheckTexts(request, &j.HTTP.Request, isArg)
			if made := request.Get("json"); made != nil && request.Get("body") == nil {
				j.HTTP.Body = httpkind.ReadJSON(made, isArg)
			}
		}
	}
	at := n.Get("at")
	required := func(a Arg) bool { return a.Default == nil && args.Get(a.Name).Get("default") == nil }
	if i := slices.IndexFunc(j.Args, required); at != nil && i >= 0 {
		at.Problem(fmt.Sprintf("at would start %s without the argument %s", where, grammar.Quote(j.Args[i].Name)),
			"give it a default")
	}
}

// readParallel reads names of arguments, which checkParallel checks.
func readParallel(n *grammar.Node) (names []string) {
	for _, e := range n.OneOrMore("parallel_by", "[host]") {
		switch name := e.Line("parallel_by"); {
		case name == "":
		case slices.Contains(names, name):
			e.Twice("parallel_by", grammar.Quote(name))
		default:
			names = append(names, name)
		}
	}
	return names
}

// checkParallel checks that parallel_by of the job n names arguments of which people may know the values.
func checkParallel(n *grammar.Node, j *Job, where string) {
	by, known := n.Get("parallel_by"), []string{}
	for _, a := range j.Args {
		known = append(known, a.Name)
	}
	elements := by.Elements()
	if by.IsScalar() {
		elements = []*grammar.Node{by}
	}
	for _, e := range elements {
		switch i := slices.Index(known, e.Value()); {
		case !e.IsGood():
		case i < 0 && n.Get("args").Get(e.Value()) == nil:
			e.Problem(fmt.Sprintf("%s is not an argument of %s", grammar.Quote(e.Value()), where), grammar.Suggest(e.Value(), "arguments", known))
		case i >= 0 && j.Args[i].Secret:
			e.Problem(fmt.Sprintf("argument %s is secret, and who waits for whom would tell its value", grammar.Quote(e.Value())), "name another one")
		}
	}
}

func readStarts(n *grammar.Node) Limit {
	starts, per := n.Rate("limit")
	if starts > maxStarts {
		n.Problem(fmt.Sprintf("limit: %s is too much", grammar.Quote(n.Value())),
			fmt.Sprintf("write at most %d starts, or none", maxStarts))
	}
	return Limit{starts, per}
}

func readGroup(n *grammar.Node) string {
	group := n.Line("group")
	if group != "" && !grammar.IsName(group) {
		n.Problem("bad name "+grammar.Quote(group)+" of a group", grammar.AName)
	}
	return group
}

func readJobRoles(n *grammar.Node) (roles []Role) {
	for _, e := range n.OneOrMore("roles", "[operator, admin]") {
		if e.Value() == string(RoleViewer) {
			e.Problem("roles: a viewer cannot start jobs", "write "+grammar.ListWords(jobRoles, "or"))
		} else if role := Role(e.OneOf("roles", jobRoles)); role != RoleNone && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

func (r *reader) refresh(n *grammar.Node) (names []string) {
	for _, e := range n.OneOrMore("refresh", "[tank, disk]") {
		if _, s := r.sourceOrRow(e, true); s != nil && !slices.Contains(names, s.Name) {
			names = append(names, s.Name) // to refresh a row is to refresh what is split
		}
	}
	return names
}

// readProgress reads the pattern of progress lines.
func readProgress(n *grammar.Node) *regexp.Regexp {
	re := n.Regexp("progress")
	if re != nil && re.SubexpIndex("percent") < 0 && re.SubexpIndex("message") < 0 {
		n.Problem("progress has neither a group percent nor a group message",
			`name one as in (?P<percent>\d+)% (?P<message>.*)`)
		return nil
	}
	return re
}
