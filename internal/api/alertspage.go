package api

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// pastAlerts is in how many events the page of alerts looks for what is over and who was told.
const pastAlerts = 200

// An alertsBody is what the template alerts shows.
type alertsBody struct {
	views.Alerts
	MaySilence bool
	Unread     bool // what is over cannot be read
}

// alertsPage draws what fires, what did, what is silenced, and who was told.
func (a *API) alertsPage(w http.ResponseWriter, r *http.Request) {
	past, err := a.events(r, archive.EventFilter{Kinds: []string{events.Alert, events.Told}}, pastAlerts)
	if err != nil {
		a.deps.Log.Error("events cannot be read", "err", err)
	}
	a.draw(w, r, http.StatusOK, "alerts", web.Page{
		Title: "Alerts", Tab: "alerts", Script: "alerts-page.js", Follow: []string{wire.AlertsKey},
		Body: alertsBody{
			Alerts:     a.look(r).Alerts(a.deps.Alerts.Alerts(), past, func(key string) (string, bool) { return a.titleOfKey(key), a.mayAct(r, key) }),
			MaySilence: a.mayAct(r, wire.SilenceAll), Unread: err != nil,
		},
	})
}

// titleOfKey is what people call a source or a job.
func (a *API) titleOfKey(key string) string {
	switch kind, name, _ := strings.Cut(key, "/"); kind {
	case "source":
		return a.titleOf(name, "")
	case "job":
		return a.titleOf("", name)
	}
	return ""
}

// A silenceForm is what the template silence-form shows.
type silenceForm struct {
	Groups    []choices  // what can be silenced
	Of        string     // which of them is chosen
	For       string     // 1h, morning or time
	Until     string     // with time
	At        *time.Time // Until, if that was not chosen yet
	Reason    string
	Zone      string            // of Until, and of the morning
	Problems  map[string]string // what is wrong, by the name of the field
	Problem   string            // what is wrong otherwise
	Receivers int               // how many there are who could be told
	MaxReason int
}

// choices are some options of a form.
type choices struct {
	Label   string // empty: they are no group
	Options []choice
}

type choice struct{ Value, Text string }

// How long a silence lasts, as its form says.
const (
	forAnHour   = "1h"
	forTheNight = "morning"
	forATime    = "time"
	morning     = 6 // o'clock
	localTime   = "2006-01-02T15:04"
)

// silencePage draws the form that makes a silence: of ?of and of what that is a part of, or of anything.
func (a *API) silencePage(w http.ResponseWriter, r *http.Request) {
	form := silenceForm{Of: r.URL.Query().Get("of"), For: forAnHour}
	if !a.mayAct(r, cmp.Or(form.Of, wire.SilenceAll)) {
		a.refusePage(w, r)
		return
	}
	if form.Of != "" && !slices.Contains(subjects(a.deps.Config()), form.Of) {
		a.goneSubject(w, r)
		return
	}
	a.drawSilenceForm(w, r, http.StatusOK, form)
}

func (a *API) drawSilenceForm(w http.ResponseWriter, r *http.Request, status int, form silenceForm) {
	zone := zoneOf(form.Zone)
	if form.Zone == "" {
		form.Zone = zone.String()
	}
	if form.Until == "" {
		form.At = new(a.deps.Clock.Wall().In(zone).Add(4 * time.Hour).Truncate(30 * time.Minute))
		form.Until = form.At.Format(localTime)
	}
	form.Groups, form.MaxReason, form.Receivers = a.choicesFor(r, form.Of), maxReason, len(a.deps.Config().Notify)
	w.Header().Set("Cache-Control", "no-store")
	a.draw(w, r, status, "silence-form", web.Page{Title: "Silence", Tab: "alerts", Script: "alerts-page.js", Body: form})
}

// zoneOf is the time zone of that name; the local one if there is none.
func zoneOf(name string) *time.Location {
	if name == "" || len(name) > 64 {
		return time.Local
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.Local
	}
	return zone
}

// choicesFor returns what the caller may silence: of a source or a job itself and what it is a part of, otherwise everything.
func (a *API) choicesFor(r *http.Request, of string) []choices {
	cfg := a.deps.Config()
	subject := func(key string) (string, bool) { return a.titleOfKey(key), false }
	option := func(key string) choice { return choice{key, views.SilenceOf(key, subject)} }
	narrow := []choice{}
	add := func(section, upstream string) {
		narrow = append(narrow, option(of))
		for _, path := range slices.Backward(config.SectionsOf(section)) {
			narrow = append(narrow, option(wire.SectionKey(path)))
		}
		if upstream != "" {
			narrow = append(narrow, option(wire.UpstreamKey(upstream)))
		}
	}
	if name, ok := strings.CutPrefix(of, wire.SourceKey("")); ok {
		if s := a.deps.Sources.Definition(name); s != nil {
			upstream := ""
			if s.Upstream != nil {
				upstream = s.Upstream.Name
			}
			add(s.Section, upstream)
		}
	} else if name, ok := strings.CutPrefix(of, wire.JobKey("")); ok {
		if j := a.deps.Jobs.Job(name); j != nil {
			upstream := ""
			if j.HTTP != nil {
				upstream = j.HTTP.Upstream.Name
			}
			add(j.Section, upstream)
		}
	}
	if len(narrow) > 0 {
		if !a.mayAct(r, wire.SilenceAll) {
			return []choices{{Options: narrow[:1]}} // who may act on one job alone
		}
		return []choices{{Options: append(narrow, option(wire.SilenceAll))}}
	}
	groups := []choices{{Options: []choice{option(wire.SilenceAll)}}, {Label: "Sections"}, {Label: "Upstreams"}, {Label: "Sources"}, {Label: "Jobs"}}
	for _, key := range subjects(cfg) {
		kind, _, _ := strings.Cut(key, "/")
		if i := slices.Index([]string{"section", "upstream", "source", "job"}, kind); i >= 0 && a.mayAct(r, key) {
			groups[i+1].Options = append(groups[i+1].Options, option(key))
		}
	}
	return slices.DeleteFunc(groups, func(g choices) bool { return len(g.Options) == 0 })
}

// postSilence makes a silence by the form. If that is not valid, the form is drawn again and says why.
func (a *API) postSilence(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) || !a.mayActByForm(w, r, r.PostForm.Get("of")) {
		return
	}
	now := a.deps.Clock.Wall()
	form := silenceForm{
		Of: r.PostForm.Get("of"), For: r.PostForm.Get("for"), Until: r.PostForm.Get("until"), Reason: r.PostForm.Get("reason"),
		Zone: r.PostForm.Get("zone"), Problems: map[string]string{},
	}
	body := wire.NewSilence{Of: form.Of, Reason: form.Reason}
	switch zone := zoneOf(form.Zone); form.For {
	case forTheNight:
		body.Until = nextMorning(now.In(zone)).Format(time.RFC3339)
	case forATime:
		at, err := time.ParseInLocation(localTime, form.Until, zone)
		if body.Until = at.Format(time.RFC3339); err != nil {
			body.Until = cmp.Or(form.Until, "nothing")
		}
	default:
		body.For = form.For
	}
	wanted, parts := silenceOf(body, now)
	switch {
	case parts == nil:
		if !a.findSubjectOfForm(w, r, form.Of) {
			return
		}
		if _, err := a.silence(r, body, wanted); err == nil {
			a.did(w, r)
			return
		} else if !errors.Is(err, alert.ErrTooManySilences) || wantsJSON(r) {
			a.failSilence(w, r, err)
			return
		}
		form.Problem = "There are too many silences: end some first"
	case wantsJSON(r):
		failParts(w, r, "the silence is not valid", parts...)
		return
	}
	for _, part := range parts {
		form.Problems[strings.TrimPrefix(part.Pointer, "#/")] = sentenceOf(part.Detail)
	}
	a.drawSilenceForm(w, r, http.StatusUnprocessableEntity, form)
}

// mayActByForm reports whether the caller may silence and acknowledge the alerts of a key, and refuses the form otherwise.
func (a *API) mayActByForm(w http.ResponseWriter, r *http.Request, of string) bool {
	may := a.mayAct(r, of)
	if !may {
		a.refusePage(w, r)
	}
	return may
}

// findSubjectOfForm reports whether alerts and silences can be of a key, and answers otherwise: with a page if a browser has sent the form.
func (a *API) findSubjectOfForm(w http.ResponseWriter, r *http.Request, of string) bool {
	if wantsJSON(r) || slices.Contains(subjects(a.deps.Config()), of) {
		return a.findSubject(w, r, of)
	}
	a.goneSubject(w, r)
	return false
}

func (a *API) goneSubject(w http.ResponseWriter, r *http.Request) {
	a.gone(w, r, "There is nothing to silence", "It was removed from the configuration, or never was in it.")
}

// nextMorning is when the next morning begins.
func nextMorning(now time.Time) time.Time {
	year, month, day := now.Date()
	at := time.Date(year, month, day, morning, 0, 0, 0, now.Location())
	if !at.After(now) {
		at = time.Date(year, month, day+1, morning, 0, 0, 0, now.Location())
	}
	return at
}

// postAcknowledge acknowledges an alert by a form.
func (a *API) postAcknowledge(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) || !a.mayActByForm(w, r, r.PostForm.Get("of")) {
		return
	}
	of := r.PostForm.Get("of")
	reason, parts := reasonOf(r.PostForm.Get("reason"), nil)
	if kind, _, _ := strings.Cut(of, "/"); kind != "source" && kind != "job" {
		parts = append(parts, problem.Part{Pointer: "#/of", Detail: "write source/NAME or job/NAME"})
	}
	if parts != nil {
		failParts(w, r, "the acknowledgement is not valid", parts...)
		return
	}
	if !a.findSubjectOfForm(w, r, of) {
		return
	}
	_, err := a.deps.Alerts.Acknowledge(r.Context(), of, userOf(r).Name, reason)
	switch {
	case errors.Is(err, alert.ErrNotFiring) && !wantsJSON(r): // it is over: the page says so
		a.did(w, r)
	case errors.Is(err, alert.ErrNotFiring):
		fail(w, r, http.StatusConflict, "the alert does not fire any more")
	case failReplica(w, r, err):
	case err != nil:
		a.failAlerts(w, r, err)
	default:
		a.record(r, "acknowledge", aboutSubject(of, slog.String("reason", reason))...)
		a.did(w, r)
	}
}

// postUnsilence ends a silence by a form. One that has ended is no fault.
func (a *API) postUnsilence(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	id := r.PostForm.Get("silence")
	all := a.deps.Alerts.Silences()
	i := slices.IndexFunc(all, func(s wire.Silence) bool { return s.ID == id && id != "" })
	of := ""
	if i >= 0 {
		of = all[i].Of
	}
	if !a.mayActByForm(w, r, of) {
		return
	}
	if i < 0 {
		a.did(w, r)
		return
	}
	switch err := a.deps.Alerts.EndSilence(id, userOf(r).Name); {
	case err == nil:
		a.record(r, "end-silence", aboutSubject(of, slog.String("silence", id))...)
		a.did(w, r)
	case errors.Is(err, alert.ErrNoSilence):
		a.did(w, r)
	default:
		a.failAlerts(w, r, err)
	}
}

// did answers a form about alerts: a browser goes to the page of alerts, a script stays where it is.
func (a *API) did(w http.ResponseWriter, r *http.Request) {
	if wantsJSON(r) {
		w.Header().Set("Cache-Control", "no-store")
		answer(w, http.StatusOK, struct{}{})
		return
	}
	a.seeOther(w, r, a.link("/alerts"))
}

// readForm reads the body of a form, or answers that it is none.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the body is no form of at most %d bytes", maxBody))
		return false
	}
	return true
}
