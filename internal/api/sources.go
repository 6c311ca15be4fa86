package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/sse"
)

// listSources answers with every source's newest snapshot.
func (a *API) listSources(w http.ResponseWriter, r *http.Request) {
	a.serveState(w, r, func() (state, bool) {
		return a.newestOfAll("sources", a.deps.Sources.Topics()), true
	}, append(a.deps.Sources.Topics(), a.deps.ConfigTopic)...)
}

// findSource finds the topic of the source that the path names, or answers 404.
func (a *API) findSource(w http.ResponseWriter, r *http.Request) *sse.Topic {
	name := r.PathValue("name")
	topic := a.deps.Sources.Topic(name)
	if topic == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
	}
	return topic
}

func (a *API) getSource(w http.ResponseWriter, r *http.Request) {
	topic := a.findSource(w, r)
	if topic == nil {
		return
	}
	a.serveState(w, r, func() (state, bool) {
		if a.findSource(w, r) == nil { // removed meanwhile
			return state{}, false
		}
		return a.newestOf(topic), true
	}, topic)
}

// refreshSource polls a source at once, or joins the poll in flight, and answers with its current snapshot: the new
// value arrives as all values do. The limit of the upstream holds, whether it is configured or the upstream asked for
// it.
func (a *API) refreshSource(w http.ResponseWriter, r *http.Request) {
	topic := a.findSource(w, r)
	if topic == nil {
		return
	}
	name := r.PathValue("name")
	wait, err := a.deps.Sources.Refresh(r.Context(), name)
	switch {
	case errors.Is(err, kind.ErrNotAsked):
		fail(w, r, http.StatusConflict, fmt.Sprintf("%q cannot be refreshed: %v", name, err))
	case failReplica(w, r, err):
	case err != nil:
		failStopping(w, r)
	case wait > 0:
		again := time.Duration(seconds(wait)) * time.Second
		detail := fmt.Sprintf("the limit of the upstream lets %q be polled again in %v", name, again)
		failForNow(w, r, http.StatusTooManyRequests, detail, wait)
	default:
		a.record(r, "refresh", slog.String("source", name))
		answerJSON(w, http.StatusAccepted, a.newestOf(topic).body...)
	}
}
