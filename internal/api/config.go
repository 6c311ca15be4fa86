package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/problem"
)

// shownProblems is how many problems of a configuration a page shows; the log has all of them.
const shownProblems = 20

// Brief returns the text of a reload's error for a page: at most 20 lines of it.
func Brief(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if more := len(lines) - shownProblems; more > 0 {
		lines = append(lines[:shownProblems], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// reloadConfig reads the configuration again, and answers with what that has changed.
func (a *API) reloadConfig(w http.ResponseWriter, r *http.Request) {
	diff, err := a.deps.Reload(r.Context(), a.actor(r))
	var problems config.Problems
	switch {
	case err == nil:
		answer(w, http.StatusOK, diff)
	case errors.As(err, &problems):
		p := problem.Problem{
			Status: http.StatusUnprocessableEntity, Instance: instance(r),
			Detail: "the configuration is not valid; the previous one stays in effect",
		}
		for _, e := range problems {
			part := problem.Part{Detail: e.What + ", " + e.Want, File: e.File, Line: e.Line, Column: e.Column}
			p.Errors = append(p.Errors, part)
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
