package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// What a request of a history may ask for.
const (
	defaultPoints = 300
	maxPoints     = 2000
)

// getHistory answers with the numbers of a source, for a chart.
func (g *gateway) getHistory(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	s := g.sources.find(name)
	switch {
	case s == nil:
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
		return
	case s.history == nil:
		fail(w, r, http.StatusNotFound, fmt.Sprintf("source %q remembers nothing: give it a show.history such as 24h", name))
		return
	}
	query := r.URL.Query()
	since, err := sinceWhen(query.Get("since"))
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	points := defaultPoints
	if text := query.Get("points"); text != "" {
		if points, err = strconv.Atoi(text); err != nil || points < 2 || points > maxPoints {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("points=%s is not a number from 2 to %d", text, maxPoints))
			return
		}
	}
	asked, any := query.Get("field"), !query.Has("field")
	if fields := s.history.Fields(); !any && len(fields) > 0 && !slices.Contains(fields, asked) && !s.picks(asked) {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("field=%s is no number of source %q: there are %s", asked, name, strings.Join(fields, ", ")))
		return
	}
	current := func() (state, bool) {
		field := asked
		if any {
			field = s.headline()
		}
		now := time.Now()
		object := s.history.Read(field, since(now), now, points)
		object.Name = s.Name
		return stateOf(object), true
	}
	g.serveState(w, r, current, s.topic)
}

// sinceWhen reads from when on a history is wanted: a time, or a duration before now;
// nothing means all there is.
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

// headline is the field whose numbers are answered unless another one is asked for: what
// the page shows big, or else the first by name.
func (s *poller) headline() string {
	if s.Show.Value != "" {
		return s.Show.Value
	}
	if fields := s.history.Fields(); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// picks reports whether the configuration names a field.
func (s *poller) picks(field string) bool {
	return slices.ContainsFunc(s.Pick, func(f config.Field) bool { return f.Name == field })
}
