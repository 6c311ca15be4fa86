package archive

import (
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// buckets is how many buckets a field has at most, with 24 bytes each, and 8
	// more for all fields together. A day is in buckets of 3 minutes then, which is finer
	// than a card has pixels. 1,000 sources need 15 MB for one number each, 50 MB for four.
	buckets = 480
	// doublings is how often buckets become twice as wide until they last for the
	// span.
	doublings = 14
)

// A history remembers the numbers of a source in bounded memory, as a chart needs them.
//
// It has as many buckets as polls while these are few, so nothing is lost. When there is
// no room for another one within the span, the buckets become twice as wide, from a few
// milliseconds up to about a 480th of the span. From then on a poll allocates nothing.
//
// Whoever uses it holds a lock.
type history struct {
	span   time.Duration
	width  int64     // of a bucket, in ms
	times  []int64   // of the newest poll in each bucket, in ms since 1970, ascending
	series []*series // by name
}

// A series is the numbers of one field, in the buckets of its history. NaN is in those in
// which no poll gave one.
type series struct {
	field          string // empty: the value itself
	last, min, max []float64
}

// newHistory returns a history of the time span before now.
func newHistory(span time.Duration) *history {
	const whole = buckets - 2 // within the span: the first and the last may not be
	return &history{span: span, width: 1 + span.Milliseconds()/(whole<<doublings)}
}

// add remembers the numbers of a value as of a time in ms since 1970. A nil value is a gap: there was none.
func (h *history) add(at int64, value any) {
	h.bucket(at)
	object, ok := value.(map[string]any)
	if !ok {
		if x, ok := Number(value); ok {
			h.number("", x)
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
		if _, found := h.find(field); found {
			continue
		}
		if x, ok := Number(v); ok {
			h.number(field, x)
		}
	}
}

// bucket makes the newest bucket the one of time t.
func (h *history) bucket(t int64) {
	// What the clock, set back, has not reached again is as good as wrong.
	n := len(h.times)
	for n > 0 && h.times[n-1] >= t+h.width {
		n--
	}
	h.cut(0, n)
	for {
		if n > 0 && t/h.width <= h.times[n-1]/h.width {
			h.times[n-1] = max(h.times[n-1], t)
			return
		}
		if n < buckets {
			break
		}
		if begin, _ := slices.BinarySearch(h.times, t-h.span.Milliseconds()); begin > 0 {
			h.cut(begin, n)
		} else {
			h.widen()
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

// cut leaves the buckets from begin to end, and no field that has no number there.
func (h *history) cut(begin, end int) {
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

// widen makes the buckets twice as wide, so that neighbours become one.
func (h *history) widen() {
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
	h.cut(0, n+1)
}

// find finds where the series of a field is, or belongs.
func (h *history) find(field string) (int, bool) {
	return slices.BinarySearchFunc(h.series, field, func(s *series, field string) int {
		return strings.Compare(s.field, field)
	})
}

// number puts a number of a field into the newest bucket.
func (h *history) number(field string, x float64) { h.put(field, x, x, x) }

// put puts numbers of a field into the newest bucket, of which last is NaN if there are none.
func (h *history) put(field string, last, low, high float64) {
	if last != last {
		return
	}
	i, found := h.find(field)
	if !found {
		if len(h.series) == MaxFields {
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
	s := h.series[i]
	s.merge(len(s.last)-1, last, low, high)
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

// fields returns those that have numbers, by name; "" is the value itself.
func (h *history) fields() []string {
	fields := make([]string, len(h.series))
	for i, s := range h.series {
		fields[i] = s.field
	}
	return fields
}

// read returns the buckets of a field whose times, in ms since 1970, are from since to until. A field without numbers
// has none.
func (h *history) read(field string, since, until int64) []Bucket {
	i, found := h.find(field)
	if !found {
		return nil
	}
	s := h.series[i]
	begin, _ := slices.BinarySearch(h.times, since)
	end, _ := slices.BinarySearch(h.times, until+1)
	var all []Bucket
	for i := begin; i < end; i++ {
		all = append(all, Bucket{
			At: time.UnixMilli(h.times[i]), Last: s.last[i], Min: s.min[i], Max: s.max[i], Mean: math.NaN(),
		})
	}
	return all
}
