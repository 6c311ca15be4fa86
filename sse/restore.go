package sse

import (
	"fmt"
	"slices"
)

// Restore begins a run with a log that was kept before (see [Topic.Kept]), so that readers of an earlier process go on where
// they were: events, oldest first, of which the topic keeps what its Backlog holds, and next, the number of the next id
// that the topic gives. Events without ID get the numbers before next.
//
// It fails, and changes nothing, if an event cannot be encoded, or if run is the current one and has events. A run's
// name is as for [Topic.Open]; another panics.
func (t *Topic) Restore(run string, next uint64, events []Event) error {
	mustBeRun("Restore", run)
	for _, ev := range events {
		if err := ev.check(); err != nil {
			return err
		}
	}
	t = t.lockCurrent()
	r := t.current.Load()
	if r.name == run && r.newest.Load() != nil {
		t.mu.Unlock()
		return fmt.Errorf("sse: restore topic %q: run %q has events already", t.name, run)
	}
	t.openLocked(run)
	r = t.current.Load()
	r.last = max(next, uint64(len(events))+1) - 1 - uint64(len(events))
	for _, ev := range events {
		_ = t.storeLocked(ev, false) // fails in a run that has ended alone
	}
	r.last = max(r.last, max(next, 1)-1)
	t.mu.Unlock()
	t.wakeWatchers()
	return nil
}

// Kept returns what [Topic.Restore] takes: the current run's name, the number of the next id that the topic gives, and the
// events that it keeps with their IDs, oldest first. Their Data must not be modified. Without a run it returns "".
func (t *Topic) Kept() (run string, next uint64, events []Event) {
	t = t.resolve()
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.current.Load()
	newest := r.newest.Load()
	if newest == nil {
		return r.name, r.last + 1, nil
	}
	events = append(events, newest.event())
	if r.backlog != nil {
		for f := range r.older(newest) {
			events = append(events, f.event())
		}
	}
	slices.Reverse(events)
	return r.name, r.last + 1, events
}
