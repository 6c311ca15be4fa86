package archive

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxMemorySpans is how many spans of a source are kept in memory.
const maxMemorySpans = 250

// MemorySpans is [Spans] in memory: 250 spans of each source. Its methods never fail. It owns no goroutine.
//
// Make one with [NewMemorySpans].
type MemorySpans struct {
	mu sync.Mutex // guards the field below

	sources map[string]*memorySpans
}

// memorySpans are those of one source.
type memorySpans struct {
	all     []Span // oldest first; only the last one may last
	dropped bool
}

// NewMemorySpans returns a MemorySpans without spans.
func NewMemorySpans() *MemorySpans { return &MemorySpans{sources: map[string]*memorySpans{}} }

// sourceLocked returns the spans of a source.
func (m *MemorySpans) sourceLocked(name string) *memorySpans {
	s := m.sources[name]
	if s == nil {
		s = new(memorySpans)
		m.sources[name] = s
	}
	return s
}

// Enter implements [Spans].
func (m *MemorySpans) Enter(source string, at time.Time, state, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sourceLocked(source)
	at = at.Truncate(time.Millisecond)
	if last := s.lasting(); last != nil {
		if last.State == state {
			return
		}
		last.end(at)
	}
	s.add(Span{From: at, Lasts: true, State: state, Error: CutError(reason)})
}

// add adds a span that begins. When there is no room, a tenth of all goes.
func (s *memorySpans) add(span Span) {
	if len(s.all) == maxMemorySpans {
		s.all, s.dropped = slices.Delete(s.all, 0, maxMemorySpans/10), true
	}
	s.all = append(s.all, span)
}

// lasting returns the span that lasts; nil: none does.
func (s *memorySpans) lasting() *Span {
	if n := len(s.all); n > 0 && s.all[n-1].Lasts {
		return &s.all[n-1]
	}
	return nil
}

// end ends a span, which is not before it began, wherever the clock was set to.
func (s *Span) end(at time.Time) {
	if s.To, s.Lasts = at, false; at.Before(s.From) {
		s.To = s.From
	}
}

// Leave implements [Spans].
func (m *MemorySpans) Leave(source string, _ time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sources, source)
}

// Lived implements [Spans]. It does nothing: when the process dies, so does the archive.
func (m *MemorySpans) Lived(time.Time) {}

// Slept implements [Spans].
func (m *MemorySpans) Slept(from, to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to = from.Truncate(time.Millisecond), to.Truncate(time.Millisecond)
	for _, s := range m.sources {
		if last := s.lasting(); last != nil {
			again := *last
			last.end(from)
			again.From = to
			s.add(again)
		}
	}
}

// Past implements [Spans].
func (m *MemorySpans) Past(_ context.Context, source string, since, now time.Time) (Past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sources[source]
	if s == nil {
		return Past{}, nil
	}
	past := Past{Spans: slices.Clone(s.all)}
	if s.dropped {
		past.Since = s.all[0].From
	}
	slices.Reverse(past.Spans)
	past.Spans = Clip(past.Spans, since, now)
	return past, nil
}
