package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/jobs"
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

// runOutput answers with what a run has printed from an offset on. With `Prefer: wait=N` it waits until there is more,
// for N seconds at most.
func (a *API) runOutput(w http.ResponseWriter, r *http.Request) {
	_, run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	offset := int64(0)
	if from := r.URL.Query().Get("from"); from != "" {
		var err error
		if offset, err = strconv.ParseInt(from, 10, 64); err != nil || offset < 0 {
			fail(w, r, http.StatusBadRequest,
				fmt.Sprintf("from=%q is not an offset: give the Tidewire-Next of the answer before", from))
			return
		}
	}
	prefer := negotiate.PreferWait(r.Header, maxWait)
	printed := endOf(run, offset)
	if out := a.deps.Runs.Output(run.ID); out != nil {
		if printed, ok = a.awaitOutput(w, r, out, offset, prefer); !ok {
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Tidewire-Next", strconv.FormatInt(printed.begin+int64(len(printed.text)), 10))
	if printed.begin > offset {
		h.Set("Tidewire-Truncated", "true")
	}
	if printed.over {
		h.Set("Tidewire-End", "true")
	}
	prefer.Apply(h)
	_, _ = w.Write(printed.text) // the client may be gone
}

// A part is a part of what a run has printed.
type part struct {
	text  []byte
	begin int64 // its offset
	over  bool  // nothing follows
}

// endOf returns what a run's record has of its output from an offset on.
func endOf(run wire.Run, offset int64) part {
	begin := min(max(offset, run.OutputBytes-int64(len(run.Output))), run.OutputBytes)
	return part{[]byte(run.Output[len(run.Output)-int(run.OutputBytes-begin):]), begin, run.Status.Ended()}
}

// awaitOutput returns what a run has printed from an offset on. If that is nothing, and the client prefers to wait, it
// waits. If the caller may not view it afterwards, it answers itself, and ok is false.
func (a *API) awaitOutput(w http.ResponseWriter, r *http.Request, out *jobs.Output, offset int64,
	prefer negotiate.Preferences) (p part, ok bool) {
	text, begin, more := out.From(offset)
	if prefer.Waits && len(text) == 0 && more != nil {
		timer := time.NewTimer(prefer.Duration)
		defer timer.Stop()
		select {
		case <-more:
		case <-timer.C:
		case <-r.Context().Done():
		}
		if !a.revalidate(w, r, view, nil) {
			return part{}, false
		}
		text, begin, more = out.From(offset)
	}
	return part{text, begin, more == nil}, true
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
