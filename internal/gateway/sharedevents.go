package gateway

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/replica"
)

// Each replica has the events of all in its own archive, so that lists and streams of events read that alone. It tells the
// others what happens to it, in order, and again until they have it; one that begins copies what was before.

const (
	// mostUntold is how many events a replica remembers for others that it does not reach.
	mostUntold = 1000
	// mostTold is how many it tells at once: with the bounds of their texts, these fit into a message.
	mostTold = 50
	// mostCopiedEvents is how many are copied at once.
	mostCopiedEvents = 100
	tellAgain        = time.Second
	// maxHeard is of how many replicas, those that are gone included, is known what was heard of them.
	maxHeard = 1000
)

// A sharedEvents tells other replicas of events, and hears of theirs.
type sharedEvents struct {
	g    *gateway
	wake chan struct{} // of 1

	hearing sync.Mutex // held until an event that is heard of is in the archive; before the lock of the journal

	mu    sync.Mutex       // guards the fields below; after that of the journal
	own   []archive.Event  // the newest of this process, oldest first
	acked map[string]int64 // by replica: the ID of the newest one that it has
	heard map[string]int64 // by replica: the ID, there, of its newest one that is known here
}

func newSharedEvents(g *gateway) *sharedEvents {
	return &sharedEvents{g: g, wake: make(chan struct{}, 1), acked: map[string]int64{}, heard: map[string]int64{}}
}

// tell is told of an event of this process, with the lock of the journal held.
func (s *sharedEvents) tell(e archive.Event) {
	s.mu.Lock()
	s.own = append(s.own, e)
	if over := len(s.own) - mostUntold; over > 0 {
		s.own = slices.Delete(s.own, 0, over)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run tells the others until ctx ends.
func (s *sharedEvents) run(ctx context.Context) {
	ticker := time.NewTicker(tellAgain)
	defer ticker.Stop()
	for {
		select {
		case <-s.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.tellAll(ctx)
	}
}

// tellAll tells each of the others what it does not have.
func (s *sharedEvents) tellAll(ctx context.Context) {
	members := slices.DeleteFunc(s.g.replica.Members(), func(m replica.Member) bool { return m.ID == s.g.replica.ID() })
	s.mu.Lock()
	for id := range s.acked {
		if !slices.ContainsFunc(members, func(m replica.Member) bool { return m.ID == id }) {
			delete(s.acked, id)
		}
	}
	s.mu.Unlock()
	var telling sync.WaitGroup
	for _, m := range members {
		telling.Go(func() {
			for s.tellOne(ctx, m.ID) && ctx.Err() == nil {
			}
		})
	}
	telling.Wait()
}

// tellOne tells a replica some events, and reports whether there are more.
func (s *sharedEvents) tellOne(ctx context.Context, id string) (more bool) {
	s.mu.Lock()
	has, known := s.acked[id]
	var list []archive.Event
	for _, e := range s.own {
		if known && e.ID > has && len(list) < mostTold {
			list = append(list, e)
		}
	}
	s.mu.Unlock()
	if known && len(list) == 0 {
		return false
	}
	a, err := s.g.ask(ctx, id, question{Op: toHear, Who: s.g.replica.ID(), Events: list}) // of one that is new: what does it have
	if err != nil || !a.OK {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[id] = a.Newest
	return !known || a.Newest > has
}

// hear is told events of another replica, and returns the ID of the newest one that is known here.
func (s *sharedEvents) hear(from string, list []archive.Event) int64 {
	s.hearing.Lock()
	defer s.hearing.Unlock()
	s.mu.Lock()
	var fresh []archive.Event
	for _, e := range list {
		if e.ID > s.heard[from] {
			s.heard[from] = e.ID
			fresh = append(fresh, e)
		}
	}
	newest := s.heard[from]
	s.forgetLocked()
	s.mu.Unlock()
	for _, e := range fresh {
		s.g.journal.Heard(e)
	}
	return newest
}

// forgetLocked bounds heard, to which each start of a replica adds: it forgets the one that was heard of least lately. If that
// were still there, its newest events would be there twice.
func (s *sharedEvents) forgetLocked() {
	if len(s.heard) <= maxHeard {
		return
	}
	oldest := ""
	for id, newest := range s.heard {
		if oldest == "" || newest < s.heard[oldest] {
			oldest = id
		}
	}
	delete(s.heard, oldest)
}

// page returns what this replica has of events before one, newest first, and the newest of each replica, for one that begins.
func (s *sharedEvents) page(ctx context.Context, before int64) (a answer) {
	s.hearing.Lock() // otherwise one of these may not be in the archive yet
	defer s.hearing.Unlock()
	s.mu.Lock()
	a.Heard = maps.Clone(s.heard)
	if n := len(s.own); n > 0 {
		a.Heard[s.g.replica.ID()] = s.own[n-1].ID
	}
	s.mu.Unlock()
	var err error
	a.Events, err = s.g.events.List(ctx, archive.EventFilter{Before: before}, mostCopiedEvents)
	a.OK = err == nil
	return a
}

// copyAll adds the events of the oldest replica that answers to the archive, before the journal is opened.
func (s *sharedEvents) copyAll(ctx context.Context) {
	all := s.g.replica.Members()
	slices.SortFunc(all, func(a, b replica.Member) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	for _, from := range all {
		if list, heard, ok := s.copyFrom(ctx, from.ID); ok {
			s.heard = heard
			for _, e := range slices.Backward(list) {
				s.g.events.Add(e)
			}
			return
		}
	}
}

// copyFrom returns all events that a replica has, newest first, and what it has heard of which.
func (s *sharedEvents) copyFrom(ctx context.Context, id string) (list []archive.Event, heard map[string]int64, ok bool) {
	for before := int64(0); len(list) < memoryEvents; {
		a, err := s.g.ask(ctx, id, question{Op: toEvents, From: before})
		if err != nil || !a.OK {
			return nil, nil, false
		}
		if heard == nil {
			heard = a.Heard
		}
		for _, e := range a.Events {
			if before == 0 || e.ID < before {
				list, before = append(list, e), e.ID
			}
		}
		if len(a.Events) < mostCopiedEvents {
			break
		}
	}
	if heard == nil {
		heard = map[string]int64{}
	}
	return list, heard, true
}

// openSharedJournal opens the journal of a replica.
func (g *gateway) openSharedJournal(ctx context.Context, deps events.Deps) (err error) {
	g.telling = newSharedEvents(g)
	g.telling.copyAll(ctx)
	deps.Replica, deps.Tell = g.replica.Name(), g.telling.tell
	g.journal, err = events.Open(ctx, deps)
	return err
}
