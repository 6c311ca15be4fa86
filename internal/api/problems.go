package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/replica"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// The media types of bodies.
const (
	jsonType = negotiate.JSON
	formType = "application/x-www-form-urlencoded"
	fileType = "multipart/form-data" // a form with files
)

// instance returns the path of a request as its client wrote it, with that of the public address.
func instance(r *http.Request) string {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c.base + r.URL.EscapedPath()
}

// fail answers with an error.
func fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: instance(r)})
}

// failForNow answers with an error that will be over after a time.
func failForNow(w http.ResponseWriter, r *http.Request, status int, detail string, after time.Duration) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: instance(r), RetryAfter: seconds(after)})
}

// failStopping answers a request that comes too late: another process may take over.
func failStopping(w http.ResponseWriter, r *http.Request) { problem.Write(w, *stoppingProblem(r)) }

func stoppingProblem(r *http.Request) *problem.Problem {
	return &problem.Problem{
		Type: "stopping", Status: http.StatusServiceUnavailable, Detail: ErrStopping.Error(), Instance: instance(r), RetryAfter: 5,
	}
}

// replicaAgain is when it is worth asking again what another replica has: one that has died is noticed within 20 s.
const replicaAgain = 2 * time.Second

// failReplica answers a request about what another replica has if that was not reached, and reports whether this is so.
func failReplica(w http.ResponseWriter, r *http.Request, err error) bool {
	p := replicaProblem(r, err)
	if p != nil {
		problem.Write(w, *p)
	}
	return p != nil
}

// replicaProblem is what there is to say if another replica was not reached, nil if err is something else.
func replicaProblem(r *http.Request, err error) *problem.Problem {
	p := problem.Problem{Instance: instance(r), RetryAfter: seconds(replicaAgain)}
	switch {
	case errors.Is(err, replica.ErrNoAnswer):
		p.Status, p.Detail = http.StatusGatewayTimeout, "the replica that has this does not answer: it may do what was asked all the same"
	case errors.Is(err, replica.ErrNoReplica):
		p.Status, p.Detail = http.StatusServiceUnavailable, "the replica that has this cannot be reached now: nothing was done"
	default:
		return nil
	}
	return &p
}

// seconds rounds d up to whole seconds.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// failMedia answers a body of a type that is not understood.
func failMedia(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Accept", jsonType+", "+formType) // RFC 9110 §15.5.16
	fail(w, r, http.StatusUnsupportedMediaType, "the body must be JSON, with Content-Type: application/json, or a form")
}

// failArgs answers with what is wrong with the arguments of a start. It does not show secret values.
func failArgs(w http.ResponseWriter, r *http.Request, j *config.Job, problems []*config.ArgError) {
	var parts []problem.Part
	for _, e := range problems {
		detail := e.What + ", " + e.Want
		if slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Name == e.Arg && a.Secret }) {
			detail = "this value is not accepted: " + e.Want
		}
		parts = append(parts, problem.Part{Pointer: argPointer(e.Arg), Detail: detail})
	}
	failParts(w, r, "the arguments are not valid", parts...)
}

// failBody answers with the reason why a body did not decode, and shows a right one.
func failBody(w http.ResponseWriter, r *http.Request, err error, right string) {
	var (
		tooLarge *http.MaxBytesError
		syntax   *json.SyntaxError
		wrong    *json.UnmarshalTypeError
	)
	switch {
	case errors.Is(err, errUploads):
		failUploads(w, r)
	case errors.As(err, &tooLarge):
		fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.As(err, &syntax):
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not JSON: %v at byte %d", err, syntax.Offset))
	case errors.As(err, &wrong):
		where := "#"
		if wrong.Field != "" {
			where = "#/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		wanted := "an object such as " + right
		if wrong.Type.Kind() == reflect.String {
			wanted = "a text"
		}
		detail := fmt.Sprintf("this is a JSON %s: %s is wanted", wrong.Value, wanted)
		problem.Write(w, problem.Problem{
			Status: http.StatusUnprocessableEntity, Detail: "the body has the wrong shape", Instance: instance(r),
			Errors: []problem.Part{{Pointer: where, Detail: detail}},
		})
	default:
		reason := strings.TrimPrefix(err.Error(), "json: ")
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not %s: %s", right, reason))
	}
}

// failRead answers with the reason why a body could not be read that may be anything.
func failRead(w http.ResponseWriter, r *http.Request, err error) {
	if errors.As(err, new(*http.MaxBytesError)) {
		failBody(w, r, err, "")
		return
	}
	fail(w, r, http.StatusBadRequest, "the body ended too early")
}

// refusals has the status and the type of problem for each reason why a start is refused.
var refusals = map[jobs.Code]problem.Problem{
	jobs.Busy:      {Status: http.StatusConflict, Type: "job-busy"},
	jobs.QueueFull: {Status: http.StatusTooManyRequests, Type: "queue-full"},
	jobs.Limited:   {Status: http.StatusTooManyRequests, Type: "limit-reached"},
	jobs.Stopping:  {Status: http.StatusServiceUnavailable, Type: "stopping"},
	jobs.KeyReused: {Status: http.StatusUnprocessableEntity, Type: problem.KeyReused},
	jobs.Expired:   {Status: http.StatusGone},
	jobs.Elsewhere: {Status: http.StatusServiceUnavailable},
	jobs.Away:      {Status: http.StatusServiceUnavailable, Type: "replica-away"},
	jobs.NoAnswer:  {Status: http.StatusGatewayTimeout},
}

// failStart answers a start that failed.
func (a *API) failStart(w http.ResponseWriter, r *http.Request, j *jobs.Job, err error) {
	var refusal *jobs.Refusal
	switch {
	case errors.As(err, &refusal):
		p := refusals[refusal.Code]
		p.Detail, p.Instance, p.Run = refusal.Detail, instance(r), refusal.Run
		p.RetryAfter = seconds(refusal.After)
		problem.Write(w, p)
	case r.Context().Err() != nil: // the client is gone
	default:
		a.deps.Log.Error("a run was not started", "job", j.Name, "err", err)
		failForNow(w, r, http.StatusServiceUnavailable, "the run cannot be stored; the log says more", 5*time.Second)
	}
}
