package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// historyBuckets is how many buckets a field has at most, with 24 bytes each, and 8
	// more for all fields together. A day is in buckets of 3 minutes then, which is finer
	// than a card has pixels. 1,000 sources need 15 MB for one number each, 50 MB for four.
	historyBuckets = 480
	// historyDoublings is how often buckets become twice as wide until they last for the
	// span.
	historyDoublings = 14
	// historyFields is how many fields of a source are remembered: an upstream may invent
	// names for ever.
	historyFields = 32
)

// What a request of a history may ask for.
const (
	defaultPoints = 300
	maxPoints     = 2000
)

// A history remembers the numbers of a source: its value if that is a number, and each
// member of it that is one. A boolean counts as 1 or 0, so that a chart shows when a
// pump ran.
//
// It has as many buckets as polls while these are few, so nothing is lost. When there is
// no room for another one within the span, the buckets become twice as wide, from a few
// milliseconds up to about a 480th of the span. From then on a poll allocates nothing.
//
// The hooks of the source's poller add to it, any goroutine may read it. A nil history
// remembers nothing.
type history struct {
	span time.Duration

	mu     sync.Mutex // guards the fields below
	width  int64      // of a bucket, in ms
	times  []int64    // of the newest poll in each bucket, in ms since 1970, ascending
	series []*series  // by name
}

// A series is the numbers of one field, in the buckets of its history. NaN is in those in
// which no poll gave one.
type series struct {
	field          string // empty: the value itself
	last, min, max []float64
}

func newHistory(span time.Duration) *history {
	const whole = historyBuckets - 2 // within the span: the first and the last may not be
	return &history{span: span, width: 1 + span.Milliseconds()/(whole<<historyDoublings)}
}

// add remembers the numbers of a value, or with nil that there is none: a gap.
func (h *history) add(now time.Time, value any) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bucketLocked(now.UnixMilli())
	object, ok := value.(map[string]any)
	if !ok {
		if x, ok := numeric(value); ok {
			h.numberLocked("", x)
		}
		return
	}
	known := 0
	for _, s := range h.series {
		v, ok := object[s.field]
		if !ok {
			continue
		}
		known++
		if x, ok := numeric(v); ok {
			s.add(x)
		}
	}
	if known == len(object) {
		return
	}
	for field, v := range object {
		if _, found := h.findLocked(field); found {
			continue
		}
		if x, ok := numeric(v); ok {
			h.numberLocked(field, x)
		}
	}
}

// numeric is v as a number.
func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int: // as jq has it
		return float64(v), true
	case json.Number:
		x, err := v.Float64()
		return x, err == nil
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// bucketLocked makes the newest bucket the one of time t.
func (h *history) bucketLocked(t int64) {
	// What the clock, set back, has not reached again is as good as wrong.
	n := len(h.times)
	for n > 0 && h.times[n-1] >= t+h.width {
		n--
	}
	h.cutLocked(0, n)
	for {
		if n > 0 && t/h.width <= h.times[n-1]/h.width {
			h.times[n-1] = max(h.times[n-1], t)
			return
		}
		if n < historyBuckets {
			break
		}
		if begin, _ := slices.BinarySearch(h.times, t-h.span.Milliseconds()); begin > 0 {
			h.cutLocked(begin, n)
		} else {
			h.widenLocked()
		}
		n = len(h.times)
	}
	h.times = append(roomy(h.times), t)
	for _, s := range h.series {
		s.last = append(roomy(s.last), math.NaN())
		s.min = append(roomy(s.min), math.NaN())
		s.max = append(roomy(s.max), math.NaN())
	}
}

// roomy returns list with room for another element, and never for more than there are
// buckets.
func roomy[T any](list []T) []T {
	if len(list) < cap(list) {
		return list
	}
	return append(make([]T, 0, min(max(16, 2*len(list)), historyBuckets)), list...)
}

// cutLocked leaves the buckets from begin to end, and no field that has no number there.
func (h *history) cutLocked(begin, end int) {
	if begin == 0 && end == len(h.times) {
		return
	}
	h.times = cut(h.times, begin, end)
	for _, s := range h.series {
		s.last, s.min, s.max = cut(s.last, begin, end), cut(s.min, begin, end), cut(s.max, begin, end)
	}
	h.series = slices.DeleteFunc(h.series, func(s *series) bool {
		return !slices.ContainsFunc(s.last, func(x float64) bool { return x == x })
	})
}

// cut moves what it leaves to the front, so that the room is not used up.
func cut[T any](list []T, begin, end int) []T { return list[:copy(list, list[begin:end])] }

// widenLocked makes the buckets twice as wide, so that neighbours become one.
func (h *history) widenLocked() {
	h.width *= 2
	n := 0
	for i := 1; i < len(h.times); i++ {
		if h.times[i]/h.width != h.times[n]/h.width {
			n++
			h.times[n] = h.times[i]
			for _, s := range h.series {
				s.last[n], s.min[n], s.max[n] = s.last[i], s.min[i], s.max[i]
			}
			continue
		}
		h.times[n] = h.times[i]
		for _, s := range h.series {
			s.merge(n, s.last[i], s.min[i], s.max[i])
		}
	}
	h.cutLocked(0, n+1)
}

// findLocked finds where the series of a field is, or belongs.
func (h *history) findLocked(field string) (int, bool) {
	return slices.BinarySearchFunc(h.series, field, func(s *series, field string) int { return strings.Compare(s.field, field) })
}

// numberLocked puts a number of a field into the newest bucket.
func (h *history) numberLocked(field string, x float64) {
	i, found := h.findLocked(field)
	if !found {
		if len(h.series) == historyFields {
			return
		}
		none := func() []float64 {
			list := make([]float64, len(h.times), cap(h.times))
			for i := range list {
				list[i] = math.NaN()
			}
			return list
		}
		h.series = slices.Insert(h.series, i, &series{field, none(), none(), none()})
	}
	h.series[i].add(x)
}

// add puts a number into the newest bucket.
func (s *series) add(x float64) { s.merge(len(s.last)-1, x, x, x) }

// merge puts what is newer than a bucket into it.
func (s *series) merge(i int, last, low, high float64) {
	switch {
	case last != last: // a gap, which shows only where nothing else is
	case s.last[i] != s.last[i]:
		s.last[i], s.min[i], s.max[i] = last, low, high
	default:
		s.last[i], s.min[i], s.max[i] = last, min(s.min[i], low), max(s.max[i], high)
	}
}

// fields are those that have numbers, by name; "" is the value itself.
func (h *history) fields() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fieldsLocked()
}

func (h *history) fieldsLocked() []string {
	fields := make([]string, len(h.series))
	for i, s := range h.series {
		fields[i] = s.field
	}
	return fields
}

// read returns the numbers of a field since a time, as at most so many points.
func (h *history) read(field string, since, now time.Time, points int) wire.History {
	h.mu.Lock()
	defer h.mu.Unlock()
	object := wire.History{Field: field, Fields: h.fieldsLocked(), T: []int64{}}
	i, found := h.findLocked(field)
	if !found {
		return object
	}
	s := h.series[i]
	begin, _ := slices.BinarySearch(h.times, max(since.UnixMilli(), now.Add(-h.span).UnixMilli()))
	width := h.width
	if len(h.times)-begin > points {
		// Cells of fixed places, so that a point does not change with the time of asking.
		width = max(width, (now.UnixMilli()-h.times[begin])/int64(points-1)+1)
	}
	out := series{}
	for i := begin; i < len(h.times); i++ {
		n := len(object.T) - 1
		if n < 0 || h.times[i]/width != object.T[n]/width {
			object.T = append(object.T, h.times[i])
			out.last, out.min, out.max = append(out.last, s.last[i]), append(out.min, s.min[i]), append(out.max, s.max[i])
			continue
		}
		object.T[n] = h.times[i]
		out.merge(n, s.last[i], s.min[i], s.max[i])
	}
	object.V, object.Min, object.Max = out.last, out.min, out.max
	return object
}

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
	if fields := s.history.fields(); !any && len(fields) > 0 && !slices.Contains(fields, asked) && !s.picks(asked) {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("field=%s is no number of source %q: there are %s", asked, name, strings.Join(fields, ", ")))
		return
	}
	current := func() (state, bool) {
		field := asked
		if any {
			field = s.headline()
		}
		now := time.Now()
		object := s.history.read(field, since(now), now, points)
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
	if fields := s.history.fields(); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// picks reports whether the configuration names a field.
func (s *poller) picks(field string) bool {
	return slices.ContainsFunc(s.Pick, func(f config.Field) bool { return f.Name == field })
}
