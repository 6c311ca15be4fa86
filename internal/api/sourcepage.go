package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/web"
	views "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

const (
	pagePoints  = 96   // how many numbers the page of a source describes, and lists
	pageFirings = 1000 // how many changes of an alert it looks at
)

// sourcePage is the page of a source.
func (a *API) sourcePage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	definition, topic := a.deps.Sources.Definition(name), a.deps.Sources.Topic(name)
	if definition == nil || topic == nil {
		a.goneSource(w, r, name)
		return
	}
	f := views.SourceFacts{Source: a.newestSource(topic)}
	f.Key, f.Name, f.Title = wire.SourceKey(name), name, definition.Title // also before it has a snapshot
	now := a.deps.Clock.Wall()
	f.Asks, f.Timeout, f.StaleAfter = definition.Spec.Describe(), definition.Timeout, definition.StaleAfter
	if c := definition.Alert; c != nil {
		f.Alert = &views.AlertFacts{If: condition(c), For: c.For, Severity: string(c.Severity)}
		list := a.deps.Alerts.Alerts().Alerts
		if i := slices.IndexFunc(list, func(o wire.AlertObject) bool { return o.Key == f.Key }); i >= 0 {
			f.Alert.Now = &list[i]
		}
	}
	if answer, known := a.deps.Sources.Answer(name); known && userOf(r).Can(manage, nil) { // more than the configuration shows to viewers
		f.Answer = &answer
	}
	if definition.Pushed() {
		f.Send = a.sendCommand(r, definition)
	}
	a.relate(&f, definition)
	var err error
	if f.Availability, f.Polls, err = a.pastOf(r.Context(), name, now); err != nil {
		a.logPast(r, err)
		f.NoPast = "The past of this source cannot be read now."
	}
	f.Chart = a.chartOf(r, f.Source, definition, now, knownSince(f.Availability))
	a.draw(w, r, http.StatusOK, "source", web.Page{
		Title: definition.Title, Tab: "overview", Script: "source-page.js", Follow: []string{wire.SourceKey(name), wire.AlertsKey},
		Body: a.look(r).SourcePage(f),
	})
}

// condition is that of an alert as configured; empty: that the source is stale or failing.
func condition(a *config.Alert) string {
	if a.If == nil {
		return ""
	}
	return a.If.String()
}

// newestSource returns the newest snapshot of a source.
func (a *API) newestSource(topic *sse.Topic) (s wire.Source) {
	latest, _ := a.deps.Latest(topic)
	_ = json.Unmarshal(latest.Data, &s) // what is published decodes
	return s
}

// relate adds the sources that one is computed from, those that are computed from it, and those that it is split into, or is
// one of.
func (a *API) relate(f *views.SourceFacts, of *config.Source) {
	named := func(s *config.Source) views.Named {
		n := views.Named{Name: s.Name, Title: s.Title}
		if topic := a.deps.Sources.Topic(s.Name); topic != nil {
			n.Badge = views.Judge(a.newestSource(topic))
		}
		return n
	}
	var names []string
	if c, ok := of.Spec.(kind.Computed); ok {
		names = c.Inputs()
	}
	for _, s := range a.deps.Config().Sources {
		if slices.Contains(names, s.Name) {
			f.Inputs = append(f.Inputs, named(s))
		}
		if s.SplitFrom != "" && s.SplitFrom == of.Name {
			f.Rows = append(f.Rows, named(s))
		}
		if of.SplitFrom != "" && of.SplitFrom == s.Name {
			f.RowOf = append(f.RowOf, named(s))
		}
		if c, ok := s.Spec.(kind.Computed); ok && slices.Contains(c.Inputs(), of.Name) {
			f.Uses = append(f.Uses, named(s))
		}
	}
}

// pastOf returns how available a source was, and its newest polls.
func (a *API) pastOf(ctx context.Context, name string, now time.Time) (all wire.Availability, polls []wire.Poll, err error) {
	past, err := a.deps.Spans.Past(ctx, name, now.Add(-windows[len(windows)-1].span), now)
	if err != nil {
		return all, nil, err
	}
	newest, err := a.deps.Samples.Polls(ctx, name)
	for _, p := range newest {
		polls = append(polls, pollOf(p))
	}
	return availabilityOf(name, past, now), polls, err
}

// knownSince is for how long anything is known of a source, a day at most.
func knownSince(a wire.Availability) time.Duration {
	if len(a.Windows) == 0 {
		return windows[0].span
	}
	return time.Duration((1 - a.Windows[0].Unknown) * float64(windows[0].span))
}

// chartOf returns what the chart of the page of a source is made of, as the query of its address says. Without one it is over an hour as long
// as no more is known.
func (a *API) chartOf(r *http.Request, s wire.Source, definition *config.Source, now time.Time, known time.Duration) views.ChartFacts {
	query := r.URL.Query()
	c := views.ChartFacts{Source: s, Range: query.Get("over"), Kept: definition.Show.History, Until: now, Table: query.Get("view") == "table", Field: s.Show.Value}
	if c.Kept == 0 {
		return c
	}
	if c.Range == "" && known < time.Hour {
		c.Range = "1h"
	}
	_, over := views.RangesOf(c.Kept, c.Range)
	since := now.Add(-over.Span)
	q := numbersQuery{field: query.Get("field"), given: query.Has("field"), points: pagePoints, since: func(time.Time) time.Time { return since }}
	field, numbers, err := a.numbers(r, definition, q)
	if err != nil {
		c.Problem = "The numbers of this source cannot be read now."
		if bad, ok := errors.AsType[badQuery](err); ok {
			c.Problem = views.Sentence(bad.Error()) + "."
		} else {
			a.logPast(r, err)
		}
		return c
	}
	c.Field, c.Numbers = field, historyOf(definition.Name, field, numbers)
	if definition.Alert != nil {
		c.If = condition(definition.Alert)
		if c.Firing, err = a.firings(r.Context(), definition.Name, since, now); err != nil {
			a.logPast(r, err)
		}
	}
	return c
}

// firings returns when the alert of a source fired, as far as events tell, oldest first.
func (a *API) firings(ctx context.Context, source string, since, now time.Time) ([][2]time.Time, error) {
	changes, err := a.deps.Events.List(ctx, archive.EventFilter{Kinds: []string{events.Alert}, Sources: []string{source}}, pageFirings)
	if err != nil {
		return nil, err
	}
	var spans [][2]time.Time
	end := now
	for _, e := range changes {
		var change struct{ State string }
		if json.Unmarshal(e.Data, &change) != nil || !end.After(since) {
			continue
		}
		if change.State == wire.AlertFiring {
			if begin := later(e.At, since); end.After(begin) {
				spans = append(spans, [2]time.Time{begin, end})
			}
		}
		end = e.At
	}
	slices.Reverse(spans)
	return spans, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// goneSource answers with a page that says that there is no such source.
func (a *API) goneSource(w http.ResponseWriter, r *http.Request, name string) {
	text := "It was removed from the configuration, or never was in it."
	if strings.Contains(name, "/") {
		text = "It is not among the rows of its source any more, was removed from the configuration, or never was in it."
	}
	a.gone(w, r, "There is no source “"+name+"”", text)
}
