package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// findRun finds the run that the path names, or answers 404, or 410 if it is known to have expired.
func (a *API) findRun(w http.ResponseWriter, r *http.Request) (*sse.Topic, wire.Run, bool) {
	id := r.PathValue("id")
	topic, run, ok := a.deps.Runs.Lookup(id)
	switch {
	case ok:
	case a.deps.Runs.HasExpired(id):
		fail(w, r, http.StatusGone,
			fmt.Sprintf("run %q has expired: only the newest runs of a job are kept, and those for a time", id))
	default:
		fail(w, r, http.StatusNotFound,
			fmt.Sprintf("there is no run %q: it never was, or it was before this gateway started", id))
	}
	return topic, run, ok
}

func (a *API) getRun(w http.ResponseWriter, r *http.Request) {
	topic, _, ok := a.findRun(w, r)
	if !ok {
		return
	}
	a.serveState(w, r, func() (state, bool) {
		_, run, ok := a.findRun(w, r) // the run may have been forgotten meanwhile
		if !ok {
			return state{}, false
		}
		w.Header().Del("Retry-After")
		if !run.Status.Ended() {
			w.Header().Set("Retry-After", "1")
		}
		return a.newestOf(topic), true
	}, topic)
}

// runEvents streams a run to its end, or answers like getRun if JSON is asked for. A client that has seen the end of a
// run which is forgotten by now gets 204, so that it stops.
func (a *API) runEvents(w http.ResponseWriter, r *http.Request) {
	if negotiate.WantsJSON(r) {
		a.getRun(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	if _, _, ok := a.deps.Runs.Lookup(r.PathValue("id")); !ok && sse.ServeGone(w, r) {
		return
	}
	for {
		topic, run, ok := a.findRun(w, r)
		if !ok {
			return
		}
		err := a.deps.Hub.With(sse.StreamOptions{HandOff: true}).ServeRun(w, r, topic, run.ID)
		if errors.Is(err, sse.ErrGone) {
			continue // it has been forgotten just now
		}
		if err != nil {
			failStream(w, r)
		}
		return
	}
}

// cancelRun asks a run to end, for everybody who joined it. Doing so twice, or too late, does no harm.
func (a *API) cancelRun(w http.ResponseWriter, r *http.Request) {
	_, run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	status := http.StatusOK
	if a.deps.Runs.Cancel(run.ID) {
		status = http.StatusAccepted
		a.record(r, "cancel", slog.String("job", run.Job), slog.String("run", run.ID))
	}
	if _, now, ok := a.deps.Runs.Lookup(run.ID); ok {
		run = now
	}
	answer(w, status, run)
}
