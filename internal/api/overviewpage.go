package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// An overview is what the template overview shows.
type overview struct {
	Verdict  views.Verdict
	Sections []*views.Section
	Jobs     []views.JobRow
	Density  string
	Filter   string // what is shown, if that is not all
	Operate  bool   // whoever looks may do what is about no job
	Empty    bool   // there are neither sources nor jobs
	Blanks   blanks
}

// blanks is what the template blanks makes the blanks of components of: views with nothing in them.
type blanks struct {
	Card    views.Card
	Count   views.Count
	Need    views.Need
	Section *views.Section
	Field   views.Field
	Job     views.JobRow
	Band    struct{ State, Text, More, Act string }
}

func (a *API) overviewPage(w http.ResponseWriter, r *http.Request) {
	look := a.look(r)
	sources, jobs := a.sources(), a.jobObjects(w, r)
	if jobs == nil {
		return
	}
	q := r.URL.Query()
	f := views.Filter{Q: q.Get("q"), State: q.Get("state"), Section: q.Get("section")}
	some := slices.DeleteFunc(slices.Clone(sources), func(s wire.Source) bool { return !f.Matches(s.Name, s.Title, s.Section, views.Judge(s)) })
	body := overview{
		Verdict: look.Verdict(sources, jobs), Sections: look.Sections(some), Density: q.Get("density"), Operate: look.Operate,
		Empty: len(sources)+len(jobs) == 0, Blanks: blanks{Section: &views.Section{}},
	}
	if !slices.Contains([]string{views.Cards, views.Rows, views.Tiles}, body.Density) {
		body.Density = views.DensityOf(len(some))
	}
	if f.On() {
		body.Filter = strconv.Itoa(len(some)) + " of " + strconv.Itoa(len(sources)) + ": " + f.Words()
		openAll(body.Sections)
	}
	for _, j := range jobs {
		if (views.Filter{Q: f.Q, Section: f.Section}).Matches(j.Name, j.Title, j.Section, views.JudgeJob(j)) {
			body.Jobs = append(body.Jobs, look.JobRow(j))
		}
	}
	a.draw(w, r, http.StatusOK, "overview", web.Page{Tab: "overview", Script: "overview.js", Body: body})
}

func openAll(all []*views.Section) {
	for _, s := range all {
		s.Open = true
		openAll(s.Parts)
	}
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

// jobObjects is each job as the user of a request sees it; nil: the request has been answered.
func (a *API) jobObjects(w http.ResponseWriter, r *http.Request) []wire.JobObject {
	list, user := a.deps.Jobs.List(), a.deps.Guard.Revalidate(userOf(r))
	all := make([]wire.JobObject, 0, len(list))
	for _, j := range list {
		object, err := j.Object(r.Context(), user.Can(operate, j.Job))
		if err != nil {
			a.failPast(w, r, err)
			return nil
		}
		all = append(all, object)
	}
	return all
}
