package sse

import (
	"fmt"
	"math"
)

// Restore begins a run with events kept earlier (see [Topic.Kept]), so that readers of an earlier process continue
// where they were. The events come oldest first, and the topic keeps as many as its Backlog holds; next is the number
// of the next id that the topic gives. Events without ID get the numbers before next. An event with the ID `<run>-end`,
// which must be the last, is the terminal of a run that had ended: Restore ends the run again, as [Topic.Close] does.
//
// With the results of Kept for a topic without a run, "" and no events, Restore does nothing. It fails, and changes
// nothing, if an event cannot be encoded, if one follows the terminal, or if run is the current one and has events. It
// panics if run is not a name as for [Topic.Open].
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
			return fmt.Errorf(
				"sse: restore topic %q: %d events come after the terminal %s", t.name, len(events)-1-i, terminal)
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
		_ = t.storeLocked(ev, ev.ID == terminal) // fails only in a run that has ended
	}
	r.last = max(r.last, max(next, 1)-1)
	t.mu.Unlock()
	t.wakeWatchers()
	return nil
}

// Kept returns the arguments for [Topic.Restore]: the current run's name, the number of the next id that the topic
// gives, and the events that it keeps with their IDs, oldest first. Their Data must not be modified. Without a run it
// returns "". A terminal with an ID set by the application cannot be told from other events later.
func (t *Topic) Kept() (run string, next uint64, events []Event) {
	t = t.resolve()
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.current.Load()
	return r.name, r.last + 1, r.recent(math.MaxInt)
}
