package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Next is what follows the end of a run.
type Next struct {
	Run     []NextRun
	Refresh []string // sources that are polled at once
}

// A NextRun is a job of which a run starts when one of another job has ended.
type NextRun struct {
	Job  string
	Args map[string]string // by the names of its arguments: texts in which {arg} is an argument of the run before
}

// Names returns the jobs of n, in order.
func (n *Next) Names() (jobs []string) {
	for _, run := range n.Run {
		jobs = append(jobs, run.Job)
	}
	return jobs
}

// Of returns the entry for a job, nil if there is none.
func (n *Next) Of(job string) *NextRun {
	for i := range n.Run {
		if n.Run[i].Job == job {
			return &n.Run[i]
		}
	}
	return nil
}

// NextArgs returns what a run of the job to is given that follows a run of j with those values: what next says, and else the
// values of arguments that have the same names.
func (j *Job) NextArgs(next *NextRun, to *Job, values map[string]any) map[string]any {
	given := map[string]any{}
	for _, a := range to.Args {
		if text, ok := next.Args[a.Name]; ok {
			if given[a.Name] = j.text(text, values); a.Type == ArgFile {
				given[a.Name] = values[argAlone(text)]
			}
		} else if value, ok := values[a.Name]; ok {
			given[a.Name] = value
		}
	}
	return given
}

// A nextDraft is an entry of run in a [Next] that was read: the jobs are known when all of them have been.
type nextDraft struct {
	of   *Job
	job  *grammar.Node // the name
	args *grammar.Node // nil: there are none
}

// thenKeys are the keys of then.
func (r *reader) thenKeys(j *Job, where string) grammar.Keys {
	return append(r.nextKeys(j, &j.Then, "then of "+where), grammar.Section("on_failure",
		"what follows a run that failed, timed out or was lost, instead", "on_failure of "+where,
		r.nextKeys(j, &j.OnFailure, "on_failure of "+where)).Some().Also("on_error failure else otherwise"))
}

func (r *reader) nextKeys(j *Job, next *Next, where string) grammar.Keys {
	return grammar.Keys{
		grammar.LazyFunc("run",
			"jobs of which a run starts: a name, or a list of names and of mappings of `job` and `args`. An argument that the run "+
				"before has by the same name is passed on",
			nextShape, func(v *grammar.Node) { next.Run = r.readNextRuns(v, j, where) }).Also("start jobs job trigger"),
		grammar.Func("refresh",
			"sources to poll at once: a name, or a list of them",
			namesShape, func(v *grammar.Node) { next.Refresh = r.refresh(v) }),
	}
}

func nextRunKeys(job, args func(*grammar.Node)) grammar.Keys {
	return grammar.Keys{
		grammar.Func("job", "the job to run", grammar.ALine, job).Also("name run").Need("report"),
		grammar.Func("args",
			"its arguments by name; each `{arg}` stands for the value of an argument of the run before", grammar.MappingOfNames(grammar.AnyText), args).
			Also("with arguments params"),
	}
}

func nextShape() grammar.Shape {
	nothing := func(*grammar.Node) {}
	one := grammar.Object(nextRunKeys(nothing, nothing))
	return grammar.Either(grammar.ALine, grammar.ListOf(grammar.Either(grammar.ALine, one)))
}

// checkThen checks that what follows a run of the job n is something.
func checkThen(n *grammar.Node, where string) {
	then := n.Get("then")
	for what, v := range map[string]*grammar.Node{"then": then, "on_failure": then.Get("on_failure")} {
		if v.Lacks("run", "refresh", "on_failure") {
			v.Problem(what+" of "+where+" is empty", "add a key such as run: report, or refresh: tank")
		}
	}
}

// readNextRuns reads the jobs that follow a run of j.
func (r *reader) readNextRuns(n *grammar.Node, j *Job, where string) (runs []NextRun) {
	for _, e := range n.OneOrMore("run", "[report, {job: copy, args: {to: \"{host}\"}}]") {
		run, draft := NextRun{}, nextDraft{of: j}
		if e.IsMapping() {
			e.Read("run of "+where, nextRunKeys(
				func(v *grammar.Node) { draft.job = v },
				func(v *grammar.Node) { draft.args, run.Args = v, readNextArgs(v, where) },
			))
		} else {
			draft.job = e
		}
		if draft.job == nil {
			continue
		}
		run.Job, _ = draft.job.Text("run", "write the name of a job")
		switch {
		case run.Job == "":
		case slices.ContainsFunc(runs, func(other NextRun) bool { return other.Job == run.Job }):
			draft.job.Twice("run", "the job "+grammar.Quote(run.Job))
		default:
			runs = append(runs, run)
			r.nexts = append(r.nexts, draft)
		}
	}
	return runs
}

func readNextArgs(n *grammar.Node, where string) map[string]string {
	args := map[string]string{}
	for k, v := range n.Entries("args of " + where) {
		v.Reveal()
		if text, ok := v.Text("argument "+grammar.Quote(k.Value()), grammar.AText); ok {
			args[k.Value()] = text
		}
	}
	return args
}

// checkNexts checks the jobs that follow others, now that all have been read: that there are such jobs, what arguments they get,
// and that no job leads back to itself.
func (r *reader) checkNexts(all []*Job) {
	at := map[*Job]map[string]*grammar.Node{} // where a job names another one
	for _, d := range r.nexts {
		to := grammar.Lookup(d.job, "job", r.parts.jobs)
		if to == nil {
			continue
		}
		if at[d.of] == nil {
			at[d.of] = map[string]*grammar.Node{}
		}
		at[d.of][to.Name] = d.job
		d.check(to)
	}
	var names []string
	references := map[string][]*grammar.Node{}
	for _, j := range all {
		names = append(names, j.Name)
		for _, name := range slices.Concat(j.Then.Names(), j.OnFailure.Names()) {
			if n := at[j][name]; n != nil && !slices.Contains(references[j.Name], n) {
				references[j.Name] = append(references[j.Name], n)
			}
		}
	}
	checkCircles(names, references, func(n *grammar.Node, circle []string) {
		n.Problem("a run would start itself again and again: "+strings.Join(circle, " -> "), "remove one of these")
	})
}

// argOf returns the argument of a job that k names, nil if it has no such one, which is reported.
func argOf(k *grammar.Node, j *Job) *Arg {
	var known []string
	for i := range j.Args {
		if j.Args[i].Name == k.Value() {
			return &j.Args[i]
		}
		known = append(known, j.Args[i].Name)
	}
	k.Problem(fmt.Sprintf("job %s has no argument %s", grammar.Quote(j.Name), grammar.Quote(k.Value())),
		grammar.Suggest(k.Value(), "arguments", known))
	return nil
}

// check checks the arguments that a run of the job to is given.
func (d *nextDraft) check(to *Job) {
	own := map[string]*Arg{}
	for i := range d.of.Args {
		own[d.of.Args[i].Name] = &d.of.Args[i]
	}
	for k, v := range d.args.Pairs() {
		a, passed := argOf(k, to), own[argAlone(v.Value())]
		if a == nil {
			continue
		}
		switch {
		case a.Type == ArgFile && passed != nil && passed.Type == ArgFile: // it is passed on by another name
		case a.Type == ArgFile:
			v.Problem(fmt.Sprintf("the argument %s of job %s is a file, which no text can be", grammar.Quote(a.Name), grammar.Quote(to.Name)),
				"remove it: a file is passed on by an argument of the same name")
		case v.IsScalar() && !v.IsSpoiled():
			d.checkText(v, a, to, own)
		}
	}
	for _, a := range to.Args {
		from := own[a.Name]
		switch {
		case d.args.Get(a.Name) != nil:
		case from == nil && a.Default == nil:
			d.job.Problem(fmt.Sprintf("job %s would start without the argument %s", grammar.Quote(to.Name), grammar.Quote(a.Name)),
				fmt.Sprintf("write [{job: %s, args: {%s: ...}}], or give it a default", to.Name, a.Name))
		case from != nil && (from.Type == ArgFile) != (a.Type == ArgFile):
			d.job.Problem(fmt.Sprintf("the argument %s is a file in one of the jobs %s and %s, and not in the other", grammar.Quote(a.Name),
				grammar.Quote(d.of.Name), grammar.Quote(to.Name)),
				"give one of them another name, or the same type")
		case from != nil && from.Secret && !a.Secret:
			d.job.Problem(fmt.Sprintf("the argument %s is secret, and that of job %s is not", grammar.Quote(a.Name), grammar.Quote(to.Name)),
				"write secret: true there, too")
		}
	}
}

// checkText checks the text v for the argument a of the job to. Own are the arguments of the run before.
func (d *nextDraft) checkText(v *grammar.Node, a *Arg, to *Job, own map[string]*Arg) {
	plain := true
	for _, p := range argsIn(v) {
		from := own[p.name]
		switch {
		case from == nil && !p.foreign:
			known := map[string]*grammar.Node{}
			for name := range own {
				known[name] = v
			}
			v.ProblemAt(p.at, fmt.Sprintf("%s is not an argument of job %s", p.text, grammar.Quote(d.of.Name)), unknownArg(p.name, known))
		case from != nil && from.Secret && !a.Secret:
			v.ProblemAt(p.at, fmt.Sprintf("%s is secret, and the argument %s of job %s is not", p.text, grammar.Quote(a.Name), grammar.Quote(to.Name)),
				"write secret: true there, too")
		}
		plain = false
	}
	if !plain || a.Secret || v.HasReferences() {
		return
	}
	if _, wrong := a.parse(v.Value()); wrong != nil && (v.Value() != "" || a.Default == nil) {
		v.Problem(fmt.Sprintf("argument %s: %s", grammar.Quote(a.Name), wrong.What), wrong.Want)
	}
}
