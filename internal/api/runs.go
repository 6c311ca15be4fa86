package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/sse"
)

// findRun finds the run that the path names, or answers 404, or 410 if it is known to have expired.
func (a *API) findRun(w http.ResponseWriter, r *http.Request) (jobs.Record, bool) {
	id := r.PathValue("id")
	record, err := a.deps.Runs.Lookup(r.Context(), id)
	switch {
	case err == nil:
		return record, true
	case errors.Is(err, jobs.ErrExpired):
		fail(w, r, http.StatusGone,
			fmt.Sprintf("run %q has expired: only the newest runs of a job are kept, and those for a time", id))
	case errors.Is(err, jobs.ErrNoRun):
		fail(w, r, http.StatusNotFound,
			fmt.Sprintf("there is no run %q: it never was, or nothing is kept of it any more", id))
	default:
		a.failPast(w, r, err)
	}
	return record, false
}

func (a *API) getRun(w http.ResponseWriter, r *http.Request) {
	record, ok := a.findRun(w, r)
	if !ok {
		return
	}
	var topics []*sse.Topic
	if record.Topic != nil {
		topics = append(topics, record.Topic)
	}
	a.serveState(w, r, func() (state, bool) {
		record, ok := a.findRun(w, r) // the run may have been forgotten meanwhile
		if !ok {
			return state{}, false
		}
		w.Header().Del("Retry-After")
		if !record.Status.Ended() {
			w.Header().Set("Retry-After", "1")
		}
		return state{[][]byte{record.Event.Data}, `"` + record.Event.ID + `"`}, true
	}, topics...)
}

// runEvents streams a run to its end, or answers like getRun if JSON is asked for. A client that has seen the end of a
// run which is forgotten by now gets 204, so that it stops.
func (a *API) runEvents(w http.ResponseWriter, r *http.Request) {
	if negotiate.WantsJSON(r) {
		a.getRun(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	for {
		record, err := a.deps.Runs.Lookup(r.Context(), r.PathValue("id"))
		if err != nil && sse.ServeGone(w, r) {
			return
		}
		if err == nil {
			err = a.serveRun(w, r, record)
			if errors.Is(err, sse.ErrGone) {
				continue // it has ended, or was forgotten, just now
			}
			if err != nil {
				failStream(w, r)
			}
			return
		}
		if _, ok := a.findRun(w, r); !ok {
			return
		}
	}
}

// serveRun streams a run. Of one that is in the archive alone it streams the end, by a topic that is there for as long as
// that takes.
func (a *API) serveRun(w http.ResponseWriter, r *http.Request, record jobs.Record) error {
	if record.Topic != nil {
		return a.deps.Hub.With(sse.StreamOptions{HandOff: true}).ServeRun(w, r, record.Topic, record.ID)
	}
	topic := a.deps.Hub.Topic("ended/"+record.ID, sse.TopicOptions{})
	_ = topic.Restore(record.ID, 1, []sse.Event{record.Event}) // fails if another request has done so
	defer topic.Remove(record.ID)
	return a.deps.Hub.ServeRun(w, r, topic, record.ID)
}

// cancelRun asks a run to end, for everybody who joined it. Doing so twice, or too late, does no harm.
func (a *API) cancelRun(w http.ResponseWriter, r *http.Request) {
	run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	status := http.StatusOK
	cancelled, err := a.deps.Runs.Cancel(r.Context(), run.ID)
	if err != nil {
		a.failPast(w, r, err)
		return
	}
	if cancelled {
		status = http.StatusAccepted
		a.record(r, "cancel", slog.String("job", run.Job), slog.String("run", run.ID))
	}
	if now, err := a.deps.Runs.Lookup(r.Context(), run.ID); err == nil {
		run = now
	}
	answer(w, status, run.Run)
}
