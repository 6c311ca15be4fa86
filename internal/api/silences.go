package api

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// maxSilence bounds the time of a silence.
	maxSilence = 365 * 24 * time.Hour
	// minSilence is less than anybody means.
	minSilence = time.Second
)

// listSilences answers with every silence that has not ended.
func (a *API) listSilences(w http.ResponseWriter, r *http.Request) {
	a.serveState(w, r, func() (state, bool) {
		return stateOf(wire.Silences{Silences: a.deps.Alerts.Silences()}), true
	}, a.deps.AlertsTopic)
}

// makeSilence makes a silence, or finds the one that a request with the same Idempotency-Key has made.
func (a *API) makeSilence(w http.ResponseWriter, r *http.Request) {
	var body wire.NewSilence
	if !readJSON(w, r, &body, `{"of":"source/tank","for":"1h"}`) || !a.mayActOn(w, r, body.Of) {
		return
	}
	wanted, parts := silenceOf(body, a.deps.Clock.Wall())
	if parts != nil {
		failParts(w, r, "the silence is not valid", parts...)
		return
	}
	if !a.findSubject(w, r, body.Of) {
		return
	}
	made, err := a.silence(r, body, wanted)
	if err != nil {
		a.failSilence(w, r, err)
		return
	}
	answer(w, http.StatusCreated, made)
}

// silence makes the silence that body asks for and wanted is, or finds the one that a request with the same Idempotency-Key has
// made. What can be wrong failSilence knows.
func (a *API) silence(r *http.Request, body wire.NewSilence, wanted wire.Silence) (made wire.Silence, err error) {
	key, err := negotiate.IdempotencyKey(r.Header)
	if err != nil {
		return made, badKeyError{err}
	}
	wanted.By = userOf(r).Name
	begin := func() (wire.Silence, error) {
		made, err := a.deps.Alerts.Silence(wanted)
		if err == nil {
			a.record(r, "silence", aboutSubject(made.Of, slog.String("silence", made.ID), slog.Time("until", made.Until),
				slog.String("reason", made.Reason))...)
		}
		return made, err
	}
	if key == "" {
		return begin()
	}
	content, _ := json.Marshal(body) // texts encode
	of := idempotency.Key[access.Identity]{Caller: userOf(r).ID, Scope: "silences", Key: key}
	wanted.ID = keyedSilence(of, content)
	made, _, err = a.silences.Do(r.Context(), of, idempotency.Of(content), func() (wire.Silence, error) {
		if found, known, err := a.findKeyed(wanted.ID); known || err != nil {
			return found, err
		}
		return begin()
	})
	return made, err
}

// A badKeyError says what is wrong with an Idempotency-Key.
type badKeyError struct{ error }

// failSilence answers with why there is no silence.
func (a *API) failSilence(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.As(err, new(badKeyError)):
		fail(w, r, http.StatusBadRequest, err.Error())
	case errors.Is(err, idempotency.ErrReused):
		problem.Write(w, problem.Problem{
			Type: problem.KeyReused, Status: http.StatusUnprocessableEntity, Instance: instance(r),
			Detail: "the Idempotency-Key was used for another silence: use a new one",
		})
	case errors.Is(err, alert.ErrTooManySilences):
		fail(w, r, http.StatusConflict, err.Error())
	case r.Context().Err() != nil: // the client is gone
	default:
		a.failAlerts(w, r, err)
	}
}

// keyedBy is how many characters of the ID of a silence tell by which key it was made; the others tell with what content.
const keyedBy = 8

// keyedSilence returns the ID of a silence that is made with an Idempotency-Key. It is the same in all processes, so that a
// replica, or the process after a restart, finds the silence that another one has made with the key.
func keyedSilence(of idempotency.Key[access.Identity], content []byte) string {
	caller, _ := json.Marshal(of.Caller) // texts encode
	key := sha256.Sum256(slices.Concat(caller, []byte{0}, []byte(of.Key)))
	what := sha256.Sum256(content)
	text := base32.StdEncoding.EncodeToString(key[:])[:keyedBy] + base32.StdEncoding.EncodeToString(what[:])[:4]
	return strings.ToLower(text)
}

// findKeyed returns the silence that was made with the same key, if there is one. The error is [idempotency.ErrReused].
func (a *API) findKeyed(id string) (found wire.Silence, known bool, err error) {
	for _, s := range a.deps.Alerts.Silences() {
		switch {
		case s.ID == id:
			return s, true, nil
		case strings.HasPrefix(s.ID, id[:keyedBy]):
			return found, false, idempotency.ErrReused
		}
	}
	return found, false, nil
}

// silenceOf returns the silence that a body asks for, or what is wrong with it.
func silenceOf(body wire.NewSilence, now time.Time) (s wire.Silence, parts []problem.Part) {
	wrong := func(member, format string, args ...any) {
		parts = append(parts, problem.Part{Pointer: "#/" + member, Detail: fmt.Sprintf(format, args...)})
	}
	s.Of = body.Of
	if body.Of == "" {
		wrong("of", "this is missing: write source/NAME, job/NAME, section/PATH, upstream/NAME or all")
	}
	switch {
	case body.For != "" && body.Until != "":
		wrong("until", "there is a for, too: write one of them")
	case body.For == "" && body.Until == "":
		wrong("for", "this is missing: write a duration such as 1h, or until, a time such as %s",
			now.Add(time.Hour).UTC().Format(time.RFC3339))
	case body.For != "":
		d, ok := grammar.ParsePeriod(body.For)
		if s.Until = now.Add(d); !ok || d < minSilence || d > maxSilence {
			wrong("for", "%s is no duration from 1s to 365d: write one such as 1h or 7d", grammar.Quote(body.For))
		}
	default:
		var err error
		switch s.Until, err = time.Parse(time.RFC3339, body.Until); {
		case err != nil:
			wrong("until", "%s is not a time such as %s", grammar.Quote(body.Until), now.Add(time.Hour).UTC().Format(time.RFC3339))
		case !s.Until.After(now):
			wrong("until", "%s is in the past", body.Until)
		case s.Until.Sub(now) > maxSilence:
			wrong("until", "%s is more than 365 days away", body.Until)
		}
	}
	s.Reason, parts = reasonOf(body.Reason, parts)
	s.Until = s.Until.UTC().Truncate(time.Millisecond)
	return s, parts
}

// endSilence ends a silence. It takes the permission that making it does.
func (a *API) endSilence(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("silence")
	all := a.deps.Alerts.Silences()
	i := slices.IndexFunc(all, func(s wire.Silence) bool { return s.ID == id })
	of := ""
	if i >= 0 {
		of = all[i].Of
	}
	if !a.mayActOn(w, r, of) {
		return
	}
	err := alert.ErrNoSilence
	if i >= 0 {
		err = a.deps.Alerts.EndSilence(id, userOf(r).Name)
	}
	switch {
	case err == nil:
		a.record(r, "end-silence", aboutSubject(of, slog.String("silence", id))...)
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, alert.ErrNoSilence):
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no silence %q: it has ended, or never was", id))
	default:
		a.failAlerts(w, r, err)
	}
}
