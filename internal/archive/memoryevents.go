package archive

import (
	"context"
	"slices"
	"sync"
)

// MemoryEvents is [Events] in memory. Its methods never fail, whatever their context. It owns no goroutine. Make one with
// [NewMemoryEvents].
type MemoryEvents struct {
	bounds EventBounds

	mu       sync.Mutex // guards the fields below
	events   []*Event   // oldest first; none is modified
	kinds    map[string]int
	subjects map[subject]int
}

// A subject is whose events are counted together.
type subject struct{ kind, of string }

func subjectOf(e *Event) subject { return subject{e.Kind, e.Subject()} }

// NewMemoryEvents returns a MemoryEvents without events.
func NewMemoryEvents(bounds EventBounds) *MemoryEvents {
	return &MemoryEvents{bounds: bounds, kinds: map[string]int{}, subjects: map[subject]int{}}
}

// Add implements [Events]. What is too much is dropped at once.
func (m *MemoryEvents) Add(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := subjectOf(&e)
	m.events = append(m.events, &e)
	m.kinds[e.Kind]++
	m.subjects[of]++
	switch {
	case m.subjects[of] > m.bounds.Subject:
		m.dropLocked(func(old *Event) bool { return subjectOf(old) == of })
	case m.kinds[e.Kind] > m.bounds.Kind:
		m.dropLocked(func(old *Event) bool { return old.Kind == e.Kind })
	case len(m.events) > m.bounds.All:
		m.dropLocked(func(*Event) bool { return true })
	}
}

// dropLocked drops the oldest event for which is holds.
func (m *MemoryEvents) dropLocked(is func(*Event) bool) {
	i := slices.IndexFunc(m.events, is)
	old := m.events[i]
	m.events = slices.Delete(m.events, i, i+1)
	count(m.kinds, old.Kind)
	count(m.subjects, subjectOf(old))
}

// count takes one away from what is counted by key.
func count[K comparable](of map[K]int, key K) {
	if of[key]--; of[key] == 0 {
		delete(of, key)
	}
}

// List implements [Events].
func (m *MemoryEvents) List(_ context.Context, f EventFilter, limit int) ([]Event, error) {
	found, _ := m.ListFrom(f, limit)
	return found, nil
}

// ListFrom is [MemoryEvents.List], and the ID of the oldest event that it looked at, or would have for a larger limit: 0 if
// there is none.
func (m *MemoryEvents) ListFrom(f EventFilter, limit int) (found []Event, oldest int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) > 0 {
		oldest = m.events[0].ID
	}
	for _, e := range slices.Backward(m.events) {
		if e.ID <= f.After || len(found) >= limit {
			break
		}
		if f.Passes(e) {
			found = append(found, *e)
		}
	}
	return found, oldest
}

// Oldest implements [Events].
func (m *MemoryEvents) Oldest(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) == 0 {
		return 0, nil
	}
	return m.events[0].ID, nil
}
