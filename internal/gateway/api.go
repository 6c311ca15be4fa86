package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/wire"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// The media types of bodies.
const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// listSources answers with every source's newest snapshot.
func (g *gateway) listSources(w http.ResponseWriter, r *http.Request) {
	g.serveState(w, r, func() (state, bool) {
		return g.newestOfAll("sources", g.sources.topics()), true
	}, append(g.sources.topics(), g.loader.topic)...)
}

func (g *gateway) getSource(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	find := func() *poller {
		s := g.sources.find(name)
		if s == nil {
			fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
		}
		return s
	}
	s := find()
	if s == nil {
		return
	}
	g.serveState(w, r, func() (state, bool) {
		if find() == nil { // removed meanwhile
			return state{}, false
		}
		return g.newestOf(s.topic), true
	}, s.topic)
}

// healthy answers a health check.
func healthy(w http.ResponseWriter, ok bool) {
	if !ok {
		answer(w, http.StatusServiceUnavailable, wire.Health{Status: wire.HealthUnavailable})
		return
	}
	answer(w, http.StatusOK, wire.Health{Status: wire.HealthOK})
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // everything here encodes
	answerJSON(w, status, body)
}

// answerJSON writes a value that is JSON already, in one piece or several, which it leaves as they are.
func answerJSON(w http.ResponseWriter, status int, body ...[]byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	for _, piece := range append(body, []byte{'\n'}) {
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
	}
}

// instance is the path of a request as its client wrote it, below that of the public address.
func instance(r *http.Request) string {
	a, _ := r.Context().Value(askingKey{}).(asking)
	return a.base + r.URL.Path
}

// fail answers with an error.
func fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: instance(r)})
}

// failForNow answers with an error that is over after a time.
func failForNow(w http.ResponseWriter, r *http.Request, status int, detail string, after time.Duration) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: instance(r), RetryAfter: seconds(after)})
}

// failStopping answers what cannot be done any more: another process may take over.
func failStopping(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, problem.Problem{Type: "stopping", Status: http.StatusServiceUnavailable, Detail: errStopping.Error(), Instance: instance(r), RetryAfter: 5})
}

// seconds is d in whole seconds, not less.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// failMedia says which bodies are understood.
func failMedia(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Accept", jsonType+", "+formType) // RFC 9110 §15.5.16
	fail(w, r, http.StatusUnsupportedMediaType, "the body must be JSON, with Content-Type: application/json, or a form")
}

// failArgs says what is wrong with the arguments of a trigger, without what is secret.
func failArgs(w http.ResponseWriter, r *http.Request, j *config.Job, problems []*config.ArgError) {
	p := problem.Problem{Type: "invalid-arguments", Status: http.StatusUnprocessableEntity, Detail: "the arguments are not valid", Instance: instance(r)}
	for _, e := range problems {
		detail := e.What + ", " + e.Want
		if slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Name == e.Arg && a.Secret }) {
			detail = "this value is not accepted: " + e.Want
		}
		name := strings.NewReplacer("~", "~0", "/", "~1").Replace(e.Arg)
		p.Errors = append(p.Errors, problem.Part{Pointer: "#/args/" + name, Detail: detail})
	}
	problem.Write(w, p)
}

// failBody says what is wrong with a body that did not decode.
func failBody(w http.ResponseWriter, r *http.Request, err error) {
	var (
		tooLarge *http.MaxBytesError
		syntax   *json.SyntaxError
		wrong    *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &tooLarge):
		fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.As(err, &syntax):
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not JSON: %v at byte %d", err, syntax.Offset))
	case errors.As(err, &wrong):
		where := "#"
		if wrong.Field != "" {
			where = "#/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		problem.Write(w, problem.Problem{Status: http.StatusUnprocessableEntity, Detail: "the body has the wrong shape", Instance: instance(r),
			Errors: []problem.Part{{Pointer: where, Detail: fmt.Sprintf("this is a JSON %s: an object such as {\"args\":{}} is wanted", wrong.Value)}}})
	default:
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is not {\"args\":{…}}: %s", strings.TrimPrefix(err.Error(), "json: ")))
	}
}
