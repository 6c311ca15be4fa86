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
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/wire"
)

// What a request of a history may ask for.
const (
	defaultPoints = 300
	maxPoints     = 2000
)

// A numbersQuery is what a request of a history asks for.
type numbersQuery struct {
	field        string // if that is given
	given        bool
	since, until func(now time.Time) time.Time // nil: it does not say
	points       int                           // 0: as many as there are
}

// readNumbersQuery reads a query. Without a number of points it asks for points of them.
func readNumbersQuery(query url.Values, points int) (q numbersQuery, err error) {
	q = numbersQuery{field: query.Get("field"), given: query.Has("field"), points: points}
	if q.since, err = timeOf("since", query.Get("since")); err != nil {
		return q, err
	}
	if q.until, err = timeOf("until", query.Get("until")); err != nil {
		return q, err
	}
	if text := query.Get("points"); text != "" {
		if q.points, err = strconv.Atoi(text); err != nil || q.points < 2 || q.points > maxPoints {
			return q, fmt.Errorf("points=%s is not a number from 2 to %d", text, maxPoints)
		}
	}
	return q, nil
}

// timeOf reads a time: one of RFC 3339, or a duration before now, also in days or years. It returns nil for an empty text.
func timeOf(name, text string) (func(now time.Time) time.Time, error) {
	if text == "" {
		return nil, nil
	}
	plus := strings.Replace(text, " ", "+", 1) // which a query that is not encoded loses
	if at, err := time.Parse(time.RFC3339, plus); err == nil {
		return func(time.Time) time.Time { return at }, nil
	}
	if d, ok := grammar.ParsePeriod(text); ok {
		return func(now time.Time) time.Time { return now.Add(-d) }, nil
	}
	return nil, fmt.Errorf("%s=%s is neither a time such as 2026-11-21T18:40:00Z nor a duration such as 1h or 30d", name, text)
}

// A badQuery is an error that the client has made.
type badQuery struct{ error }

// getHistory answers with the numbers of a source: as JSON for a chart, or as CSV.
func (a *API) getHistory(w http.ResponseWriter, r *http.Request) {
	topic := a.findSource(w, r)
	if topic == nil {
		return
	}
	name := r.PathValue("name")
	definition := a.deps.Sources.Definition(name)
	if definition == nil || definition.Show.History == 0 {
		fail(w, r, http.StatusNotFound,
			fmt.Sprintf("source %q remembers nothing: give it a show.history such as 24h", name))
		return
	}
	isCSV, err := wantsCSV(r)
	points := defaultPoints
	if isCSV {
		points = 0
	}
	q, errQuery := readNumbersQuery(r.URL.Query(), points)
	if err = errors.Join(err, errQuery); err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if isCSV {
		field, numbers, err := a.numbers(r, definition, q)
		if err != nil {
			a.failNumbers(w, r, err)
			return
		}
		writeCSV(w, name, field, numbers.Buckets)
		return
	}
	a.serveState(w, r, func() (state, bool) {
		field, numbers, err := a.numbers(r, definition, q)
		if err != nil {
			a.failNumbers(w, r, err)
			return state{}, false
		}
		return stateOf(historyOf(name, field, numbers)), true
	}, topic)
}

// numbers reads what a query asks for: that field, or the headline of the page, or else the first one by name.
func (a *API) numbers(r *http.Request, definition *config.Source, q numbersQuery) (string, archive.Numbers, error) {
	now := time.Now()
	since, until := now.Add(-definition.Show.History), now.Add(time.Minute) // in case that the clock was set back a little
	if q.since != nil {
		if at := q.since(now); at.After(since) {
			since = at
		}
	}
	if q.until != nil {
		until = q.until(now)
	}
	field := q.field
	if !q.given {
		field = definition.Show.Value
	}
	got, err := a.deps.Samples.Read(r.Context(), definition.Name, field, since, until)
	if err == nil && !q.given && field == "" && len(got.Fields) > 0 && got.Fields[0] != "" {
		field = got.Fields[0]
		got, err = a.deps.Samples.Read(r.Context(), definition.Name, field, since, until)
	}
	if errors.Is(err, archive.ErrNotFound) { // it was removed, or has changed, a moment ago
		return field, archive.Numbers{}, nil
	}
	if err != nil {
		return field, got, err
	}
	isPicked := slices.ContainsFunc(definition.Pick, func(f config.Field) bool { return f.Name == field })
	if q.given && len(got.Fields) > 0 && !isPicked && !slices.Contains(got.Fields, field) {
		return field, got, badQuery{fmt.Errorf("source %q has no numbers in field %q: it has %s",
			definition.Name, field, strings.Join(got.Fields, ", "))}
	}
	if q.points > 0 {
		if until.After(now) {
			until = now
		}
		got.Buckets = archive.Merge(got.Buckets, q.points, until)
	}
	return field, got, nil
}

// failNumbers answers with the reason why there are no numbers.
func (a *API) failNumbers(w http.ResponseWriter, r *http.Request, err error) {
	if bad, ok := errors.AsType[badQuery](err); ok {
		fail(w, r, http.StatusBadRequest, bad.Error())
		return
	}
	a.failPast(w, r, err)
}

// failPast answers when the past cannot be read, as from a broken disk, or from another replica.
func (a *API) failPast(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil || failReplica(w, r, err) {
		return // otherwise the client is gone
	}
	a.logPast(r, err)
	failForNow(w, r, http.StatusServiceUnavailable, "the past cannot be read; the log says more", 5*time.Second)
}

// logPast logs why the past cannot be read. While a disk fails, each request may come to that.
func (a *API) logPast(r *http.Request, err error) {
	a.clients.Error("the past cannot be read", flood.Address, a.addressOf(r), "path", r.URL.Path, "err", err)
}

// historyOf returns numbers in columns.
func historyOf(name, field string, numbers archive.Numbers) wire.History {
	n := len(numbers.Buckets)
	all := wire.History{
		Name: name, Field: field, Fields: numbers.Fields, T: make([]int64, n),
		V: make(wire.Numbers, n), Min: make(wire.Numbers, n), Max: make(wire.Numbers, n),
	}
	if all.Fields == nil {
		all.Fields = []string{}
	}
	mean, count := make(wire.Numbers, n), make([]int, n)
	known := false
	for i, b := range numbers.Buckets {
		all.T[i], all.V[i], all.Min[i], all.Max[i] = b.At.UnixMilli(), b.Last, b.Min, b.Max
		mean[i], count[i] = b.Mean, b.Count
		known = known || b.Count > 0
	}
	if known {
		all.Mean, all.Count = mean, count
	}
	return all
}
