package api

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// recentEvents is in how many events the overview looks for what is news.
const recentEvents = 40

func (a *API) overviewPage(w http.ResponseWriter, r *http.Request) {
	all, err := a.jobObjects(r, a.deps.Jobs.List()...)
	if err != nil {
		a.failPage(w, r, err)
		return
	}
	sources := a.sources()
	if len(sources)+len(all) == 0 {
		a.startPage(w, r)
		return
	}
	query := r.URL.Query()
	filter := views.Filter{Q: query.Get("q"), State: query.Get("state"), Section: query.Get("section")}
	density, form := query.Get("density"), formOf(r)
	if form != "" { // on a wall and in a frame the verdict is about the section that they show
		scope := views.Filter{Section: filter.Section}
		sources = slices.DeleteFunc(sources, func(s wire.Source) bool { return !scope.Matches(s.Name, s.Title, s.Section, views.Judge(s)) })
		all = slices.DeleteFunc(all, func(j wire.JobObject) bool { return !scope.Matches(j.Name, j.Title, j.Section, views.JudgeJob(j)) })
	}
	switch {
	case density != "":
	case form == "":
		density = rememberedDensity(r)
	case form == "kiosk" && len(sources) > fewOnWall:
		density = views.Tiles
	}
	look := a.look(r)
	overview := look.Overview(sources, all, filter, density)
	if form == "" { // a wall and a frame have no room for it
		news, err := a.events(r, archive.EventFilter{Kinds: views.RecentKinds}, recentEvents)
		if err != nil { // the page is about something else
			a.deps.Log.Error("events cannot be read", "err", err)
		}
		overview.Recent = look.Recent(news)
	}
	a.draw(w, r, http.StatusOK, "overview", web.Page{Tab: "overview", Script: "overview.js", Needs: overview.Verdict.Count(), Body: overview})
}

// fewOnWall is how many sources at most have cards on a wall, unless it asks for something else.
const fewOnWall = 12

// rememberedDensity is the density that a reader has chosen before, as address.js has written it down; empty: none.
func rememberedDensity(r *http.Request) string {
	cookie, err := r.Cookie("tidewire-density")
	if err != nil {
		return ""
	}
	return cookie.Value
}

// failPage answers a request for a page for which something cannot be read now.
func (a *API) failPage(w http.ResponseWriter, r *http.Request, err error) {
	a.clients.Warn("a page cannot be drawn", "path", r.URL.Path, "err", err)
	w.Header().Set("Retry-After", "5")
	a.message(w, r, http.StatusServiceUnavailable, web.Notice{
		Title: "This cannot be shown now", Text: "What is stored cannot be read. Load the page again in a moment.",
	})
}

// look is who looks at a page, and when.
func (a *API) look(r *http.Request) views.Look {
	now := a.deps.Clock.Wall()
	return views.Look{Now: now, Zone: now.Location(), Operate: a.deps.Guard.Revalidate(userOf(r)).Can(operate, nil)}
}

// sources is the newest snapshot of each source, in the order of the configuration.
func (a *API) sources() []wire.Source {
	topics := a.deps.Sources.Topics()
	all := make([]wire.Source, 0, len(topics))
	for _, topic := range topics {
		latest, ok := a.deps.Latest(topic)
		var s wire.Source
		if ok && json.Unmarshal(latest.Data, &s) == nil {
			all = append(all, s)
		}
	}
	return all
}
