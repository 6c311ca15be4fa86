package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
)

// addLike adds to the arguments of a start those of the run that it is to be like, as far as it does not give them itself.
// Secret ones are not kept, so the start has to give them. It reports false after an answer of its own.
func (a *API) addLike(w http.ResponseWriter, r *http.Request, j *config.Job, start *wire.Start) bool {
	record, err := a.deps.Runs.Lookup(r.Context(), start.Like)
	switch {
	case errors.Is(err, jobs.ErrExpired), errors.Is(err, jobs.ErrNoRun):
		text := "there is no run %q"
		if errors.Is(err, jobs.ErrExpired) {
			text = "run %q has expired, and its arguments with it"
		}
		failParts(w, r, "there is no run to be like", problem.Part{
			Pointer: "#/like", Detail: fmt.Sprintf(text+": give the arguments themselves", start.Like),
		})
		return false
	case err != nil:
		a.failPast(w, r, err)
		return false
	case record.Job != j.Name:
		failParts(w, r, "a run can only be like one of its own job", problem.Part{
			Pointer: "#/like", Detail: fmt.Sprintf("run %q is one of job %q", start.Like, record.Job),
		})
		return false
	}
	all := argsOf(record)
	var missing []problem.Part
	for _, arg := range j.Args {
		had, has := all[arg.Name]
		wasSecret := had == secret.Mask // whatever the argument is now
		if _, given := start.Args[arg.Name]; !arg.Secret && !wasSecret || given {
			continue
		}
		if has || arg.Default == nil {
			missing = append(missing, problem.Part{
				Pointer: argPointer(arg.Name), Detail: "this is a secret, which is not kept: give it again",
			})
		}
	}
	if missing != nil {
		failParts(w, r, "the secret arguments of a run are not kept", missing...)
		return false
	}
	if !a.addFiles(w, r, j, record.Run, start.Args, all) {
		return false
	}
	for name, value := range start.Args {
		_, had := all[name]
		known := slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Name == name })
		if all[name] = value; had && !known && (value == nil || value == "") {
			delete(all, name) // an argument that the job has no longer is left out
		}
	}
	start.Args = all
	return true
}

// addFiles adds to the arguments of a run the files that it was given, unless a start gives others. It reports false after an answer
// of its own.
func (a *API) addFiles(w http.ResponseWriter, r *http.Request, j *config.Job, run wire.Run, given, all map[string]any) bool {
	for _, arg := range j.Args {
		was, isFile := all[arg.Name].(map[string]any)
		if arg.Type != config.ArgFile || !isFile || given[arg.Name] != nil && given[arg.Name] != "" {
			continue
		}
		f, err := a.fileOf(r.Context(), run, arg.Name)
		switch {
		case errors.Is(err, errNotKept):
			failParts(w, r, "a file of the run is not kept any more", problem.Part{
				Pointer: argPointer(arg.Name), Detail: fmt.Sprintf("the content of %q is not kept any more: give it again", was["name"]),
			})
			return false
		case err != nil:
			a.failPast(w, r, err)
			return false
		}
		all[arg.Name] = f
	}
	return true
}

// argsOf returns the arguments of a run; numbers are as they were written.
func argsOf(record jobs.Record) map[string]any {
	var run struct{ Args map[string]any }
	decoder := json.NewDecoder(bytes.NewReader(record.Event.Data))
	decoder.UseNumber()
	_ = decoder.Decode(&run) // it was decoded before
	if run.Args == nil {
		run.Args = map[string]any{}
	}
	return run.Args
}

// argPointer is the place of an argument in the body of a start.
func argPointer(name string) string {
	return "#/args/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// failParts answers with what is wrong with the body of a start.
func failParts(w http.ResponseWriter, r *http.Request, detail string, parts ...problem.Part) {
	problem.Write(w, problem.Problem{
		Type: "invalid-arguments", Status: http.StatusUnprocessableEntity, Detail: detail, Instance: instance(r), Errors: parts,
	})
}
