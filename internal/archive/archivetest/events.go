package archivetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// maxEvents is how many events the archive of a test keeps.
const maxEvents = 100

// begin is the time of the first event of a test.
var begin = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// Events tests that what open makes keeps what [archive.Events] says. Open makes an archive without events that has the
// given bounds; settle has it drop what is too much, if it does not do so at once.
// It is long because its parts are a list.
func Events(t *testing.T, open func(t *testing.T, bounds archive.EventBounds) (events archive.Events, settle func())) {
	make := func(t *testing.T) (*journal, func()) {
		events, settle := open(t, archive.NewEventBounds(maxEvents))
		return &journal{t: t, events: events}, settle
	}
	t.Run("order", func(t *testing.T) {
		j, _ := make(t)
		j.wants(archive.EventFilter{}, 10)
		j.oldest(0)
		for i := range 5 {
			j.add(archive.Event{Kind: "run", Job: fmt.Sprint(i)})
		}
		j.wants(archive.EventFilter{}, 10, 5, 4, 3, 2, 1)
		j.wants(archive.EventFilter{}, 2, 5, 4)
		j.wants(archive.EventFilter{Before: 4}, 2, 3, 2)
		j.wants(archive.EventFilter{After: 3}, 10, 5, 4)
		j.wants(archive.EventFilter{After: 1, Before: 5}, 2, 4, 3)
		j.wants(archive.EventFilter{After: 5}, 10)
		j.oldest(1)
	})
	t.Run("all of an event", func(t *testing.T) {
		j, _ := make(t)
		want := archive.Event{
			ID: 1<<52 + 1, At: begin.Add(1234567 * time.Microsecond).Truncate(time.Millisecond), Kind: "run", Source: "s\x00ü", Job: "j", Run: "r",
			Who: "ann", Text: "ended 'so'\n", Data: json.RawMessage(`{"status":"failed"}`),
		}
		j.events.Add(want)
		got, err := j.events.List(t.Context(), archive.EventFilter{}, 1)
		if err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) || !got[0].At.Equal(want.At) {
			t.Errorf("List = %v, %v, want %v", got, err, want)
		}
	})
	t.Run("filters", func(t *testing.T) {
		j, _ := make(t)
		j.add(archive.Event{Kind: "state", Source: "a"}, // 1
			archive.Event{Kind: "state", Source: "b"}, // 2
			archive.Event{Kind: "alert", Source: "a"}, // 3
			archive.Event{Kind: "run", Job: "x"},      // 4
			archive.Event{Kind: "run", Job: "y"},      // 5
			archive.Event{Kind: "sign-in"})            // 6
		j.wants(archive.EventFilter{Kinds: []string{"state"}}, 10, 2, 1)
		j.wants(archive.EventFilter{Kinds: []string{"alert", "run"}}, 10, 5, 4, 3)
		j.wants(archive.EventFilter{Not: []string{"sign-in", "run"}}, 10, 3, 2, 1)
		j.wants(archive.EventFilter{Sources: []string{"a"}}, 10, 3, 1)
		j.wants(archive.EventFilter{Sources: []string{"a", "b"}, Kinds: []string{"state"}}, 10, 2, 1)
		j.wants(archive.EventFilter{Jobs: []string{"y", "x"}}, 1, 5)
		j.wants(archive.EventFilter{Sources: []string{}}, 10)
		j.wants(archive.EventFilter{Since: begin.Add(3 * time.Minute)}, 10, 6, 5, 4)
		j.wants(archive.EventFilter{Since: begin.Add(2 * time.Minute), Until: begin.Add(4 * time.Minute)}, 10, 4, 3)
	})
	t.Run("bounds", func(t *testing.T) {
		j, settle := make(t)
		j.add(archive.Event{Kind: "sign-in", Who: "ann"}, archive.Event{Kind: "state", Source: "calm"})
		for range 3 * maxEvents {
			j.add(archive.Event{Kind: "state", Source: "flaps"})
		}
		settle()
		all := archive.EventFilter{Sources: []string{"flaps"}}
		j.wants(all, maxEvents, 302, 301, 300, 299, 298)
		j.wants(archive.EventFilter{Sources: []string{"calm"}}, 10, 2)
		for i := range maxEvents { // many subjects of one kind
			j.add(archive.Event{Kind: "state", Source: fmt.Sprint(i)})
		}
		settle()
		if got := j.list(archive.EventFilter{Kinds: []string{"state"}}, 2*maxEvents); len(got) != maxEvents/2 || got[0] != 402 {
			t.Errorf("%d events of a kind are kept up to %v, want %d up to 402", len(got), got, maxEvents/2)
		}
		j.wants(archive.EventFilter{Kinds: []string{"sign-in"}}, 10, 1)
		for i := range 10 * maxEvents { // many kinds
			j.add(archive.Event{Kind: fmt.Sprint("kind", i%10), Source: fmt.Sprint(i)})
		}
		settle()
		if got := j.list(archive.EventFilter{}, 2*maxEvents); len(got) != maxEvents || got[0] != 1402 || got[maxEvents-1] != 1303 {
			t.Errorf("%d events are kept, %v, want the newest %d", len(got), got, maxEvents)
		}
		j.oldest(1303)
	})
}

// A journal adds events to an archive.
type journal struct {
	t      *testing.T
	events archive.Events
	last   int64
}

// add adds events with the IDs and minutes that follow.
func (j *journal) add(events ...archive.Event) {
	for _, e := range events {
		e.At = begin.Add(time.Duration(j.last) * time.Minute)
		j.last++
		e.ID = j.last
		j.events.Add(e)
	}
}

// list returns the IDs of the events that a filter chooses.
func (j *journal) list(f archive.EventFilter, limit int) (ids []int64) {
	j.t.Helper()
	found, err := j.events.List(j.t.Context(), f, limit)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, e := range found {
		ids = append(ids, e.ID)
	}
	return ids
}

// wants fails unless those IDs are listed.
func (j *journal) wants(f archive.EventFilter, limit int, want ...int64) {
	j.t.Helper()
	if got := j.list(f, limit); !slices.Equal(got, want) {
		j.t.Errorf("List(%+v, %d) = %v, want %v", f, limit, got, want)
	}
}

// oldest fails unless the oldest event has that ID.
func (j *journal) oldest(want int64) {
	j.t.Helper()
	if got, err := j.events.Oldest(j.t.Context()); err != nil || got != want {
		j.t.Errorf("Oldest = %d, %v, want %d", got, err, want)
	}
}
