package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/problem"
)

// shownProblems is how many problems of a configuration pages are told; the log has all.
const shownProblems = 20

// Brief is an error of a reload for people who look at the page.
func Brief(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if more := len(lines) - shownProblems; more > 0 {
		lines = append(lines[:shownProblems], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// reloadConfig reads the configuration again, and answers with what that has changed.
func (a *API) reloadConfig(w http.ResponseWriter, r *http.Request) {
	diff, err := a.Reload(r.Context())
	var problems config.Problems
	if err != nil {
		a.record(r, "reload", slog.String("error", Brief(err)))
	}
	switch {
	case err == nil:
		a.record(r, "reload", slog.Any("added", diff.Added), slog.Any("changed", diff.Changed), slog.Any("removed", diff.Removed))
		answer(w, http.StatusOK, diff)
	case errors.As(err, &problems):
		p := problem.Problem{Status: http.StatusUnprocessableEntity, Detail: "the configuration is not valid; what was loaded before stays at work", Instance: instance(r)}
		for _, e := range problems {
			p.Errors = append(p.Errors, problem.Part{Detail: e.What + ", " + e.Want, File: e.File, Line: e.Line, Column: e.Column})
		}
		problem.Write(w, p)
	case errors.Is(err, ErrNoFile):
		fail(w, r, http.StatusConflict, err.Error())
	case errors.Is(err, ErrStopping), r.Context().Err() != nil:
		failStopping(w, r)
	default:
		fail(w, r, http.StatusUnprocessableEntity, err.Error())
	}
}
