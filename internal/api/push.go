package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/sources"
)

// MaxPush bounds a value that is sent to a source, in bytes.
const MaxPush = 256 << 10

// pushValue takes a value for a source: 204 if it counts, 202 if it will.
func (a *API) pushValue(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	definition := a.deps.Sources.Definition(name)
	if definition == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
		return
	}
	if !definition.Pushed() {
		a.failPush(w, r, name, sources.ErrNotPushed)
		return
	}
	key, err := negotiate.IdempotencyKey(r.Header)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	m, ok := readMessage(w, r)
	if !ok {
		return
	}
	if !a.deps.Guard.Revalidate(userOf(r)).CanPush(name) { // the body may have taken its time
		a.refuse(w, r)
		return
	}
	counts, err := a.deps.Sources.Push(r.Context(), name, m, userOf(r).ID, key)
	switch {
	case err != nil:
		a.failPush(w, r, name, err)
	case counts:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// sendCommand is how a value is sent to a source, for people. The token is up to them.
func (a *API) sendCommand(r *http.Request, of *config.Source) string {
	header, body := "", "--json '{\"level\": 21.5}'"
	if a.deps.Config().Access != nil {
		header = `-H "Authorization: Bearer $TIDEWIRE_TOKEN" `
	}
	if of.Parse.Name != "json" {
		body = "-H 'Content-Type: text/plain' --data 'a text'"
	}
	return "curl " + header + body + " " + a.absolute(r, a.link("/api/v1/sources/"+url.PathEscape(of.Name)))
}

// readMessage reads the body of a request as a message. It reports false after an answer of its own.
func readMessage(w http.ResponseWriter, r *http.Request) (m kind.Message, ok bool) {
	m.Media = r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(m.Media); err == nil && strings.HasPrefix(media, "multipart/") {
		w.Header().Set("Accept", "application/json, text/plain, "+formType) // RFC 9110 §15.5.16
		fail(w, r, http.StatusUnsupportedMediaType, "the body is in several parts: send the value alone")
		return m, false
	}
	var err error
	m.Data, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPush))
	switch {
	case err != nil:
		failRead(w, r, err)
	case len(m.Data) == 0:
		fail(w, r, http.StatusBadRequest, "there is no body: send the value, as curl --json 21.5 does")
	default:
		return m, true
	}
	return m, false
}

// failPush answers with why a value was not taken.
func (a *API) failPush(w http.ResponseWriter, r *http.Request, name string, err error) {
	tooOften, isTooOften := errors.AsType[*kind.TooOftenError](err)
	unusable, isUnusable := errors.AsType[*sources.UnusableError](err)
	switch {
	case isTooOften:
		failForNow(w, r, http.StatusTooManyRequests, fmt.Sprintf("%q was sent too much: %v", name, err), tooOften.Wait)
	case isUnusable:
		fail(w, r, http.StatusUnprocessableEntity, fmt.Sprintf("%q got no value: %s", name, unusable.Why))
	case errors.Is(err, sources.ErrNotPushed):
		fail(w, r, http.StatusConflict, fmt.Sprintf("nothing can be sent to %q: %v", name, err))
	case errors.Is(err, sources.ErrNoSource):
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
	case errors.Is(err, idempotency.ErrReused):
		problem.Write(w, problem.Problem{
			Type: problem.KeyReused, Status: http.StatusUnprocessableEntity, Instance: instance(r),
			Detail: "the Idempotency-Key was used for another value: use a new one",
		})
	case failReplica(w, r, err), r.Context().Err() != nil: // or the client is gone
	default:
		failStopping(w, r)
	}
}
