package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/wire"
)

// How many events a request gets.
const (
	defaultEvents = 100
	maxEvents     = 1000
)

// listEvents answers with what happened, newest first, or with a stream if that is asked for.
func (a *API) listEvents(w http.ResponseWriter, r *http.Request) {
	asked, err := eventQueryOf(r.URL.Query())
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	isStream := negotiate.Accept(r.Header, negotiate.JSON, negotiate.EventStream) == negotiate.EventStream
	if err := checkEventQuery(r.URL.Query()); err != nil && !isStream { // clients of streams add parameters of their own
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if slices.ContainsFunc(events.Personal, asked.names) && !a.mayManage(r) {
		a.refuse(w, r)
		return
	}
	if isStream {
		a.streamEvents(w, r, asked)
		return
	}
	a.serveState(w, r, func() (state, bool) {
		found, err := a.events(r, asked.filter(time.Now()), asked.limit+1)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		all := wire.Events{Events: found[:min(len(found), asked.limit)]}
		if len(found) > asked.limit {
			all.Next = &all.Events[asked.limit-1].ID
		}
		return stateOf(all), true
	}, a.deps.EventsTopic)
}

// mayManage reports whether the caller of r may manage the gateway now.
func (a *API) mayManage(r *http.Request) bool {
	return a.deps.Guard.Revalidate(userOf(r)).Can(manage, nil)
}

// events returns the newest events that a filter chooses and the caller of r may see, newest first.
func (a *API) events(r *http.Request, f archive.EventFilter, limit int) ([]wire.Event, error) {
	manages := a.mayManage(r)
	if !manages {
		f.Not = events.Personal
	}
	found, err := a.deps.Events.List(r.Context(), f, limit)
	all := make([]wire.Event, 0, len(found))
	for _, e := range found {
		of := wire.Event{
			ID: strconv.FormatInt(e.ID, 10), Time: e.At.UTC(), Kind: e.Kind, Source: e.Source, Job: e.Job, Run: e.Run,
			Title: a.titleOf(e.Source, e.Job), Text: e.Text, Data: e.Data, Replica: e.Replica,
		}
		if manages {
			of.Who = e.Who
		}
		all = append(all, of)
	}
	return all, err
}

// titleOf is what people call a source or a job: its name if it is not configured; empty if there is neither.
func (a *API) titleOf(source, job string) string {
	if source != "" {
		if s := a.deps.Sources.Definition(source); s != nil {
			return s.Title
		}
		return source
	}
	if j := a.deps.Jobs.Job(job); j != nil {
		return j.Title
	}
	return job
}

// An eventQuery is what a request for events asks for.
type eventQuery struct {
	archive.EventFilter // but for the times

	since, until func(now time.Time) time.Time // nil: any
	limit        int
	cursor       int64 // 0: none
}

// names reports whether the query asks for a kind by its name.
func (q eventQuery) names(kind string) bool { return slices.Contains(q.Kinds, kind) }

// filter returns what the query chooses at a moment.
func (q eventQuery) filter(now time.Time) archive.EventFilter {
	f := q.EventFilter
	f.Before = q.cursor
	if q.since != nil {
		f.Since = q.since(now)
	}
	if q.until != nil {
		f.Until = q.until(now)
	}
	return f
}

// eventQueryOf reads a query. `kind`, `source` and `job` may be given several times, and have lists separated by commas.
func eventQueryOf(query url.Values) (q eventQuery, err error) {
	for _, of := range []struct {
		name string
		to   *[]string
	}{{"kind", &q.Kinds}, {"source", &q.Sources}, {"job", &q.Jobs}} {
		if *of.to = namesIn(query[of.name]); len(*of.to) > maxNames {
			return q, fmt.Errorf("%s has more than %d names", of.name, maxNames)
		}
	}
	for _, kind := range q.Kinds {
		if !slices.Contains(events.Kinds, kind) {
			return q, fmt.Errorf("kind=%s is none: there are %s", kind, strings.Join(events.Kinds, ", "))
		}
	}
	var errSince, errUntil, errLimit, errCursor error
	q.since, errSince = timeOf("since", query.Get("since"))
	q.until, errUntil = timeOf("until", query.Get("until"))
	if text := query.Get("cursor"); text != "" {
		if q.cursor, errCursor = strconv.ParseInt(text, 10, 64); errCursor != nil || q.cursor <= 0 {
			errCursor = fmt.Errorf("cursor=%s is none: give the next of the answer before", text)
		}
	}
	q.limit = defaultEvents
	if text := query.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > maxEvents {
			errLimit = fmt.Errorf("limit=%s is not a number from 1 to %d", text, maxEvents)
		}
	}
	return q, errors.Join(errSince, errUntil, errLimit, errCursor)
}

// checkEventQuery returns an error if a query has what no query for events has: a filter with another name would choose all.
func checkEventQuery(query url.Values) error {
	for name, values := range query {
		switch name {
		case "kind", "source", "job":
		case "since", "until", "limit", "cursor":
			if len(values) > 1 {
				return fmt.Errorf("%s is given twice", name)
			}
		default:
			return fmt.Errorf("there is no parameter %.100q: write kind, source, job, since, until, limit or cursor", name)
		}
	}
	return nil
}
