package archive

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// MemorySamples is [Samples] in memory. Its methods never fail but for [ErrNotFound]. It owns no goroutine.
//
// The numbers of a field are in at most 480 buckets, which have a last, a least and a greatest number, but neither mean
// nor count. While a source has had fewer polls than that, each has a bucket of its own.
//
// Make one with [NewMemorySamples].
type MemorySamples struct {
	mu sync.Mutex // guards the fields below

	sources map[string]*memorySource
	states  []string // all that polls had
}

// A memorySource is what is kept of one source: 1.2 KB of polls, and 24 bytes for each bucket of a number.
type memorySource struct {
	history *history // nil: its numbers are not kept
	polls   []memoryPoll
	next    int      // where the next poll goes, once there are MaxPolls
	errors  []string // at the places of their polls; nil while there was none
}

// A memoryPoll is a [Poll] in few bytes.
type memoryPoll struct {
	at     int64  // ms since 1970
	took   uint32 // µs
	size   uint32
	status uint16
	state  uint8 // a place in MemorySamples.states
	known  bool  // there is a status
}

// NewMemorySamples returns a MemorySamples without samples.
func NewMemorySamples() *MemorySamples {
	return &MemorySamples{sources: map[string]*memorySource{}}
}

// Keep implements [Samples]. Another span begins with no numbers.
func (m *MemorySamples) Keep(source string, span time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sourceLocked(source)
	switch {
	case span <= 0:
		s.history = nil
	case s.history == nil || s.history.span != span:
		s.history = newHistory(span)
	}
}

func (m *MemorySamples) sourceLocked(name string) *memorySource {
	s := m.sources[name]
	if s == nil {
		s = new(memorySource)
		m.sources[name] = s
	}
	return s
}

// Leave implements [Samples].
func (m *MemorySamples) Leave(source string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sources, source)
}

// Add implements [Samples].
func (m *MemorySamples) Add(source string, sample Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sourceLocked(source)
	at := sample.At.UnixMilli()
	if s.history != nil {
		s.history.add(at, sample.Value)
	}
	if sample.Followed {
		return
	}
	state := slices.Index(m.states, sample.State)
	if state < 0 {
		state = min(len(m.states), math.MaxUint8)
		m.states = append(m.states[:state], sample.State)
	}
	i := s.next
	if len(s.polls) < MaxPolls {
		i = len(s.polls)
		if i == cap(s.polls) {
			s.polls = append(make([]memoryPoll, 0, min(max(8, 2*i), MaxPolls)), s.polls...)
		}
		s.polls = append(s.polls, memoryPoll{})
	} else {
		s.next = (i + 1) % MaxPolls
	}
	s.polls[i] = memoryPoll{
		at: at, took: uint32(min(max(sample.Took.Microseconds(), 0), math.MaxUint32)),
		size: uint32(min(uint64(sample.Size), math.MaxUint32)), status: uint16(sample.Status), known: sample.HasStatus,
		state: uint8(state),
	}
	if sample.Error != "" && s.errors == nil {
		s.errors = make([]string, MaxPolls)
	}
	if s.errors != nil {
		s.errors[i] = CutError(sample.Error)
	}
}

// Gap implements [Samples].
func (m *MemorySamples) Gap(source string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sources[source]; s != nil && s.history != nil {
		s.history.add(at.UnixMilli(), nil)
	}
}

// Read implements [Samples].
func (m *MemorySamples) Read(_ context.Context, source, field string, since, until time.Time) (Numbers, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sources[source]
	if s == nil || s.history == nil {
		return Numbers{}, ErrNotFound
	}
	return Numbers{s.history.fields(), s.history.read(field, since.UnixMilli(), until.UnixMilli())}, nil
}

// Polls implements [Samples].
func (m *MemorySamples) Polls(_ context.Context, source string) ([]Poll, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sources[source]
	if s == nil {
		return nil, nil
	}
	all := make([]Poll, 0, len(s.polls))
	for n := range len(s.polls) {
		i := (s.next - 1 - n + 2*len(s.polls)) % len(s.polls)
		p := s.polls[i]
		poll := Poll{
			At: time.UnixMilli(p.at), Took: time.Duration(p.took) * time.Microsecond, Status: int(p.status),
			HasStatus: p.known, Size: int(p.size), State: m.states[p.state],
		}
		if s.errors != nil {
			poll.Error = s.errors[i]
		}
		all = append(all, poll)
	}
	return all, nil
}
