package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// An Event is something that happened.
type Event struct {
	ID     int64 // positive; of two events, the later one has the larger ID
	At     time.Time
	Kind   string
	Source string // the source that it happened to; empty: none
	Job    string // the job that it happened to; empty: none
	Run    string // the run of Job; empty: none
	Who    string // who did it; empty: nobody did, or it is not known who
	Text   string // a short text for people
	Data   json.RawMessage
	// Replica is the name of the one of several processes to which it happened; empty: there is one. An archive on disk,
	// which one process has, does not keep it.
	Replica string
}

// Subject is what an event is about: its source, its job, or else who did it. Events of a kind and a subject have a bound
// of their own, see [EventBounds].
func (e *Event) Subject() string { return cmp.Or(e.Source, e.Job, e.Who) }

// An EventFilter chooses events. The zero value chooses all.
type EventFilter struct {
	Kinds   []string // one of them; nil: any
	Not     []string // none of these kinds
	Sources []string // one of them; nil: any, or none
	Jobs    []string // one of them; nil: any, or none

	Since, Until time.Time // At is not before Since, and before Until; zero: any

	After, Before int64 // the ID is above After, and below Before; zero: any
}

// Passes reports whether the filter chooses e.
func (f *EventFilter) Passes(e *Event) bool {
	return e.ID > f.After && (f.Before == 0 || e.ID < f.Before) &&
		(f.Kinds == nil || slices.Contains(f.Kinds, e.Kind)) && !slices.Contains(f.Not, e.Kind) &&
		(f.Sources == nil || slices.Contains(f.Sources, e.Source)) &&
		(f.Jobs == nil || slices.Contains(f.Jobs, e.Job)) &&
		!e.At.Before(f.Since) && (f.Until.IsZero() || e.At.Before(f.Until))
}

// Events keeps what happened, in order, within the bounds of its implementation, see [EventBounds].
type Events interface {
	// Add keeps an event, whose ID must be above those of all events before it. It neither blocks nor fails; calls must
	// not be concurrent. List has the event at once. If it cannot be stored, it is lost, and the implementation says so
	// elsewhere.
	Add(e Event)
	// List returns the newest events that a filter chooses, newest first, at most limit of them. The error is why they
	// cannot be read, or the cause of ctx's end.
	List(ctx context.Context, f EventFilter, limit int) ([]Event, error)
	// Oldest returns the ID of the oldest event, 0 if there is none. It fails like List.
	Oldest(ctx context.Context) (int64, error)
}

// EventBounds says how many events are kept of all that were added. Of a subject, and of a kind, the oldest are dropped
// before those of others are, so that a source that flaps does not displace what else has happened.
type EventBounds struct {
	All     int // in all
	Kind    int // of a kind
	Subject int // of a kind and a subject, see [Event.Subject]
}

// NewEventBounds returns bounds of that many events in all, at least one, half of them of a kind, and a twentieth of a kind
// and a subject.
func NewEventBounds(all int) EventBounds {
	return EventBounds{All: max(1, all), Kind: max(1, all/2), Subject: max(1, all/20)}
}
