package sse

import (
	"fmt"
	"slices"
)

// Restore begins a run with a log that was kept before (see [Topic.Kept]), so that readers of an earlier process go on where
// they were: events, oldest first, of which the topic keeps what its Backlog holds, and next, the number of the next id
// that the topic gives. Events without ID get the numbers before next. One with the ID `<run>-end`, which can only be the
// last, is the terminal of a run that had ended: Restore ends it again, as [Topic.Close] does.
//
// What Kept returns for a topic without a run, "" and no events, changes nothing. Restore fails, and changes nothing
// either, if an event cannot be encoded, if one comes after the terminal, or if run is the current one and has events. A
// run's name is as for [Topic.Open]; another panics.
func (t *Topic) Restore(run string, next uint64, events []Event) error {
	if run == "" && len(events) == 0 {
		return nil
	}
	mustBeRun("Restore", run)
	terminal := run + "-end"
	for i, ev := range events {
		if err := ev.check(); err != nil {
			return err
		}
		if ev.ID == terminal && i < len(events)-1 {
			return fmt.Errorf("sse: restore topic %q: %d events come after the terminal %s", t.name, len(events)-1-i, terminal)
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
		_ = t.storeLocked(ev, ev.ID == terminal) // fails in a run that has ended alone
	}
	r.last = max(r.last, max(next, 1)-1)
	t.mu.Unlock()
	t.wakeWatchers()
	return nil
}

// Kept returns what [Topic.Restore] takes: the current run's name, the number of the next id that the topic gives, and the
// events that it keeps with their IDs, oldest first. Their Data must not be modified. Without a run it returns "". A
// terminal whose ID is the application's own cannot be told from other events later.
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
