package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
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
	if p := a.refresh(r); p != nil {
		problem.Write(w, *p)
		return
	}
	answerJSON(w, http.StatusAccepted, a.newestOf(topic).body...)
}

// postRefresh does the same for a form. A script stays where it is.
func (a *API) postRefresh(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("name"); a.deps.Sources.Topic(name) == nil && !wantsJSON(r) {
		a.goneSource(w, r, name)
		return
	}
	if a.findSource(w, r) == nil {
		return
	}
	switch p := a.refresh(r); {
	case p != nil && wantsJSON(r):
		problem.Write(w, *p)
	case p != nil:
		if p.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
		}
		a.message(w, r, p.Status, web.Notice{
			Title: "It was not polled", Text: sentenceOf(p.Detail) + ".", Link: &web.Link{Text: "Back to the source", To: views.SourceHref(r.PathValue("name"))},
		})
	case wantsJSON(r):
		answer(w, http.StatusOK, struct{}{})
	default:
		a.seeOther(w, r, a.link("/"+views.SourceHref(r.PathValue("name"))))
	}
}

// refresh polls the source that the path of a request names, or returns why that was not done.
func (a *API) refresh(r *http.Request) *problem.Problem {
	name := r.PathValue("name")
	wait, err := a.deps.Sources.Refresh(r.Context(), name)
	p := problem.Problem{Instance: instance(r)}
	switch {
	case errors.Is(err, kind.ErrNotAsked):
		p.Status, p.Detail = http.StatusConflict, fmt.Sprintf("%q cannot be refreshed: %v", name, err)
	case err != nil:
		if other := replicaProblem(r, err); other != nil {
			return other
		}
		return stoppingProblem(r)
	case wait > 0:
		again := time.Duration(seconds(wait)) * time.Second
		p.Status, p.RetryAfter = http.StatusTooManyRequests, seconds(wait)
		p.Detail = fmt.Sprintf("the limit of the upstream lets %q be polled again in %s", name, clock.Words(again))
	default:
		a.record(r, "refresh", slog.String("source", name))
		return nil
	}
	return &p
}
