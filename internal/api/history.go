package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/history"
)

// What a request of a history may ask for.
const (
	defaultPoints = 300
	maxPoints     = 2000
)

// getHistory answers with the numbers of a source, for a chart.
func (a *API) getHistory(w http.ResponseWriter, r *http.Request) {
	topic := a.findSource(w, r)
	if topic == nil {
		return
	}
	name := r.PathValue("name")
	definition, numbers := a.deps.Sources.Definition(name), a.deps.Sources.History(name)
	if definition == nil || numbers == nil {
		fail(
			w, r, http.StatusNotFound,
			fmt.Sprintf("source %q remembers nothing: give it a show.history such as 24h", name),
		)
		return
	}
	query := r.URL.Query()
	since, err := sinceWhen(query.Get("since"))
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	points, err := pointsOf(query)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	asked, any := query.Get("field"), !query.Has("field")
	picks := func(f config.Field) bool { return f.Name == asked }
	fields := numbers.Fields()
	known := slices.Contains(fields, asked) || slices.ContainsFunc(definition.Pick, picks)
	if !any && len(fields) > 0 && !known {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("source %q has no numbers in field %q: it has %s",
			name, asked, strings.Join(fields, ", ")))
		return
	}
	a.serveState(w, r, func() (state, bool) {
		field := asked
		if any {
			field = headline(definition, numbers)
		}
		now := time.Now()
		object := numbers.Read(field, since(now), now, points)
		object.Name = name
		return stateOf(object), true
	}, topic)
}

// pointsOf returns the maximum number of points that a query asks for.
func pointsOf(query url.Values) (int, error) {
	text := query.Get("points")
	if text == "" {
		return defaultPoints, nil
	}
	points, err := strconv.Atoi(text)
	if err != nil || points < 2 || points > maxPoints {
		return 0, fmt.Errorf("points=%s is not a number from 2 to %d", text, maxPoints)
	}
	return points, nil
}

// sinceWhen reads the time from which on a history is wanted: a time, or a duration before now. Without one, all of it
// is wanted.
func sinceWhen(text string) (func(now time.Time) time.Time, error) {
	if text == "" {
		return func(time.Time) time.Time { return time.Time{} }, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return func(time.Time) time.Time { return at }, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return func(now time.Time) time.Time { return now.Add(-d) }, nil
	}
	return nil, fmt.Errorf("since=%s is neither a time such as 2026-11-21T18:40:00Z nor a duration such as 1h", text)
}

// headline returns the field whose numbers are answered unless another one is asked for: the headline of the page, or
// else the first by name.
func headline(definition *config.Source, numbers *history.History) string {
	if definition.Show.Value != "" {
		return definition.Show.Value
	}
	if fields := numbers.Fields(); len(fields) > 0 {
		return fields[0]
	}
	return ""
}
