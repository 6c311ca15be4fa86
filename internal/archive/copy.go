package archive

import (
	"bytes"
	"encoding/gob"
	"slices"
	"time"
)

// A Copy is what the memory of one process has of the past of a source, for another process that has begun later: its
// numbers and its spans. Polls are not among that. Copies of [MemorySamples] have the numbers, those of [MemorySpans] the
// spans.
type Copy struct {
	Times   []int64 // of the buckets, in ms since 1970, ascending
	Numbers []CopiedNumbers
	Spans   []Span // oldest first
	Dropped bool   // there were older spans
}

// CopiedNumbers are those of one field in the buckets of a [Copy]; NaN where there is none.
type CopiedNumbers struct {
	Field          string
	Last, Min, Max []float64
}

// Encode returns a copy as [DecodeCopy] reads it.
func (c *Copy) Encode() []byte {
	var b bytes.Buffer
	_ = gob.NewEncoder(&b).Encode(c) // numbers, texts and times encode
	return b.Bytes()
}

// DecodeCopy decodes a copy. It checks that all fields have as many numbers as there are buckets, and drops those that have
// not.
func DecodeCopy(data []byte) (c Copy, err error) {
	if err = gob.NewDecoder(bytes.NewReader(data)).Decode(&c); err != nil {
		return Copy{}, err
	}
	c.Numbers = slices.DeleteFunc(c.Numbers, func(n CopiedNumbers) bool {
		return len(n.Last) != len(c.Times) || len(n.Min) != len(c.Times) || len(n.Max) != len(c.Times)
	})
	if len(c.Numbers) > MaxFields || !slices.IsSorted(c.Times) {
		c.Times, c.Numbers = nil, nil
	}
	return c, nil
}

// CopyTo adds the numbers of a source to a copy.
func (m *MemorySamples) CopyTo(source string, c *Copy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sources[source]
	if s == nil || s.history == nil {
		return
	}
	c.Times = slices.Clone(s.history.times)
	for _, of := range s.history.series {
		c.Numbers = append(c.Numbers, CopiedNumbers{of.field, slices.Clone(of.last), slices.Clone(of.min), slices.Clone(of.max)})
	}
}

// Complete adds to the numbers of a source, if they are kept here, what a copy has from the time before the first of them.
func (m *MemorySamples) Complete(source string, c Copy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sources[source]
	if s == nil || s.history == nil {
		return
	}
	own := s.history
	older := len(c.Times)
	if len(own.times) > 0 {
		older, _ = slices.BinarySearch(c.Times, own.times[0])
	}
	if older == 0 {
		return
	}
	s.history = newHistory(own.span)
	for i := range older {
		s.history.bucket(c.Times[i])
		for _, of := range c.Numbers {
			s.history.put(of.Field, of.Last[i], of.Min[i], of.Max[i])
		}
	}
	for i, at := range own.times {
		s.history.bucket(at)
		for _, of := range own.series {
			s.history.put(of.field, of.last[i], of.min[i], of.max[i])
		}
	}
}

// CopyTo adds the spans of a source to a copy.
func (m *MemorySpans) CopyTo(source string, c *Copy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sources[source]; s != nil {
		c.Spans, c.Dropped = slices.Clone(s.all), s.dropped
	}
}

// Complete adds to the spans of a source what a copy has from the time before the first of them; of a source that has none,
// it adds all.
func (m *MemorySpans) Complete(source string, c Copy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sourceLocked(source)
	own := s.all
	var all []Span
	var until time.Time // when the last of the older ones ends at most
	if len(own) > 0 {
		until = own[0].From
	}
	for _, span := range c.Spans {
		switch {
		case until.IsZero():
		case !span.From.Before(until):
			continue
		case span.Lasts || span.To.After(until):
			span.To, span.Lasts = until, false
		}
		all = append(all, span)
	}
	if n := len(all); n > 0 && len(own) > 0 && all[n-1].To.Equal(until) && all[n-1].State == own[0].State {
		own[0].From, own[0].Error = all[n-1].From, all[n-1].Error // one span, which this process has seen the end of
		all = all[:n-1]
	}
	s.dropped = s.dropped || c.Dropped
	all = append(all, own...)
	if over := len(all) - maxMemorySpans; over > 0 {
		all, s.dropped = all[over:], true
	}
	s.all = all
}
