// Package history remembers the numbers of a source for a while, in bounded memory, as a chart needs them.
package history

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// buckets is how many buckets a field has at most, with 24 bytes each, and 8
	// more for all fields together. A day is in buckets of 3 minutes then, which is finer
	// than a card has pixels. 1,000 sources need 15 MB for one number each, 50 MB for four.
	buckets = 480
	// doublings is how often buckets become twice as wide until they last for the
	// span.
	doublings = 14
	// maxFields is how many fields of a source are remembered: an upstream may invent
	// names for ever.
	maxFields = 32
)

// A History remembers the numbers of a source: its value if that is a number, and each
// member of it that is one. A boolean counts as 1 or 0, so that a chart shows when a
// pump ran.
//
// It has as many buckets as polls while these are few, so nothing is lost. When there is
// no room for another one within the span, the buckets become twice as wide, from a few
// milliseconds up to about a 480th of the span. From then on a poll allocates nothing.
//
// It may be read while it is written. A nil History remembers nothing and must not be read.
type History struct {
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

// New returns a History of the time span before now.
func New(span time.Duration) *History {
	const whole = buckets - 2 // within the span: the first and the last may not be
	return &History{span: span, width: 1 + span.Milliseconds()/(whole<<doublings)}
}

// Add remembers the numbers of a value as of a time of the wall clock. A nil value is a gap: there was none.
func (h *History) Add(at time.Time, value any) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bucketLocked(at.UnixMilli())
	object, ok := value.(map[string]any)
	if !ok {
		if x, ok := Number(value); ok {
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
		if x, ok := Number(v); ok {
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
		if x, ok := Number(v); ok {
			h.numberLocked(field, x)
		}
	}
}

// Number is v as a history counts it: JSON numbers of any type as such, true as 1, false as 0. Other values are none.
func Number(v any) (float64, bool) {
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
func (h *History) bucketLocked(t int64) {
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
		if n < buckets {
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
	return append(make([]T, 0, min(max(16, 2*len(list)), buckets)), list...)
}

// cutLocked leaves the buckets from begin to end, and no field that has no number there.
func (h *History) cutLocked(begin, end int) {
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
func (h *History) widenLocked() {
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
func (h *History) findLocked(field string) (int, bool) {
	return slices.BinarySearchFunc(h.series, field, func(s *series, field string) int {
		return strings.Compare(s.field, field)
	})
}

// numberLocked puts a number of a field into the newest bucket.
func (h *History) numberLocked(field string, x float64) {
	i, found := h.findLocked(field)
	if !found {
		if len(h.series) == maxFields {
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

// Fields returns those that have numbers, by name; "" is the value itself.
func (h *History) Fields() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fieldsLocked()
}

func (h *History) fieldsLocked() []string {
	fields := make([]string, len(h.series))
	for i, s := range h.series {
		fields[i] = s.field
	}
	return fields
}

// Read returns the numbers of a field from since on, but not from before now minus the span, merged into at most that
// many points, which must be 2 or more. The result has no name. A field without numbers has no points.
func (h *History) Read(field string, since, now time.Time, points int) wire.History {
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
			out.last, out.min, out.max = append(
				out.last, s.last[i],
			), append(
				out.min, s.min[i],
			), append(
				out.max, s.max[i],
			)
			continue
		}
		object.T[n] = h.times[i]
		out.merge(n, s.last[i], s.min[i], s.max[i])
	}
	object.V, object.Min, object.Max = out.last, out.min, out.max
	return object
}
