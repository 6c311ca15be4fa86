package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// findRun finds the run that the path names, or answers 404, or 410 if there was one.
func (a *API) findRun(w http.ResponseWriter, r *http.Request) (*sse.Topic, wire.Run, bool) {
	id := r.PathValue("id")
	topic, run, ok := a.Runs.Lookup(id)
	switch {
	case ok:
	case a.Runs.HasExpired(id):
		fail(w, r, http.StatusGone, fmt.Sprintf("run %q has expired: only the newest runs of a job are kept, and those for a time", id))
	default:
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no run %q: it never was, or it was before this gateway started", id))
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

// runEvents streams a run to its end, or answers as getRun to who asks for JSON. A reader
// that has seen the end of a run that is forgotten by now gets 204 and stops.
func (a *API) runEvents(w http.ResponseWriter, r *http.Request) {
	if negotiate.WantsJSON(r) {
		a.getRun(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	if _, _, ok := a.Runs.Lookup(r.PathValue("id")); !ok && sse.ServeGone(w, r) {
		return
	}
	for {
		topic, run, ok := a.findRun(w, r)
		if !ok {
			return
		}
		err := a.Hub.With(sse.StreamOptions{HandOff: true}).ServeRun(w, r, topic, run.ID)
		if errors.Is(err, sse.ErrGone) {
			continue // it has been forgotten just now
		}
		if err != nil {
			failStream(w, r)
		}
		return
	}
}

// runOutput answers with what a run has printed from an offset on, and with
// `Prefer: wait=N` not before there is more, for N seconds at most.
func (a *API) runOutput(w http.ResponseWriter, r *http.Request) {
	_, run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	offset := int64(0)
	if from := r.URL.Query().Get("from"); from != "" {
		var err error
		if offset, err = strconv.ParseInt(from, 10, 64); err != nil || offset < 0 {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("from=%q is not an offset: give the Tidewire-Next of the answer before", from))
			return
		}
	}
	var text []byte
	var begin int64
	over := run.Status.Ended()
	prefer := negotiate.PreferWait(r.Header, maxWait)
	if out := a.Runs.Output(run.ID); out != nil {
		var more <-chan struct{}
		text, begin, more = out.From(offset)
		if prefer.Waits && len(text) == 0 && more != nil {
			timer := time.NewTimer(prefer.Duration)
			defer timer.Stop()
			select {
			case <-more:
			case <-timer.C:
			case <-r.Context().Done():
			}
			if !a.revalidate(w, r, view, nil) {
				return
			}
			text, begin, more = out.From(offset)
		}
		over = more == nil
	} else {
		begin = min(max(offset, run.OutputBytes-int64(len(run.Output))), run.OutputBytes)
		text = []byte(run.Output[len(run.Output)-int(run.OutputBytes-begin):])
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Tidewire-Next", strconv.FormatInt(begin+int64(len(text)), 10))
	if begin > offset {
		h.Set("Tidewire-Truncated", "true")
	}
	if over {
		h.Set("Tidewire-End", "true")
	}
	prefer.Apply(h)
	_, _ = w.Write(text) // the client may be gone
}

// cancelRun asks a run to end, for everybody who joined it; asking twice, or too late,
// does no harm.
func (a *API) cancelRun(w http.ResponseWriter, r *http.Request) {
	_, run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	status := http.StatusOK
	if a.Runs.Cancel(run.ID) {
		status = http.StatusAccepted
		a.record(r, "cancel", slog.String("job", run.Job), slog.String("run", run.ID))
	}
	if _, now, ok := a.Runs.Lookup(run.ID); ok {
		run = now
	}
	answer(w, status, run)
}
