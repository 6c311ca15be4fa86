package smartpoll

import (
	"context"
	"time"
)

// entry is the state of one task. It has one slot for a schedule, so that "sooner", coalescing and withdrawing are
// trivial. The fields after task are guarded by control.mu, except that the goroutine of an invocation may read run, and
// what options returns.
//
// A scheduled entry is in control.timed until it is due, and from then on ready: in the queue control.ready; or
// nowhere, while it runs or is itself paused; or in the queue of a [Group]; or in that of a pause. An entry that waits to
// be planned is in the queue control.plans.
type entry struct {
	key  any
	task Task

	next       time.Time // what Next returns
	at         int64     // when it is due, see control.since
	pos        int32     // its index in a heap plus 1, or 0
	ready      bool
	running    bool
	dropped    bool   // the result of the invocation in progress is dropped
	removed    bool   // kept only until the hook in progress and the invocation have ended
	optional   bool   // extra was made by an option, see options; never changes
	wall       bool   // in control.timed, and next is a time of the wall clock
	queue      *queue // in which it waits, or nil
	prev, succ *entry

	run     *callCtx // of the invocation in progress
	runs    uint64
	started int64 // the last one, see control.since

	extra *extra // nil if the task needs none of it; once made it is never replaced
}

// extra holds the state that most entries do not need. All of it is guarded by control.mu, except the fields that only
// options set.
type extra struct {
	// Set only by options, before the task can be found.

	member    *membership                                        // nil: in no group
	backoff   *Backoff                                           // nil: nothing is retried
	onError   func(context.Context, *Internal, any, error) error // nil: none
	timeout   time.Duration
	headStart int64
	overlap   OverlapPolicy
	missed    MissedPolicy

	reasons  reasons   // why the task itself is paused; none: it is not
	schedule Schedule  // nil: none
	pending  int       // with Queue: the runs that wait besides the first one
	due      time.Time // the time last planned by schedule, or that took the place of a planned one
	from     time.Time // the time that schedule continues from after the run that is due, if not next
	caughtUp int       // missed times made up for in a row
	skipped  uint64
	failures int   // in a row
	err      error // the last failure
	errAt    int64 // its time, see control.since

	changed bool // schedule was set while the task was planned by the one before
	begins  bool // not planned yet since Run, Add or SetSchedule
	makesUp bool // the scheduled run is counted in caughtUp
	failed  bool // the invocation in progress has failed

	rings    *Group        // of a bell, which is not a task: its group
	admitted chan struct{} // of an admission, which is not a task either: closed when it is admitted

	notes *notes // with an Observer only; once made they are never replaced
}

// notes are what is noted about an entry for the [Observer]. They are guarded by control.mu, except that the goroutine
// of an invocation may read late and held.
type notes struct {
	freed            int64 // when something last ceased to hold up the entry, see control.since
	ended            int64 // when the last invocation ended, likewise
	hasEnded         bool  // ended is set
	late, held, took time.Duration
	untold           uint64 // those of extra.skipped that were not reported yet
	cause            error  // why the last invocation that was dropped was dropped
}

func (e *entry) scheduled() bool { return e.next != (time.Time{}) }

// more returns e.extra, and makes it if necessary.
func (e *entry) more() *extra {
	if e.extra == nil {
		e.extra = new(extra)
	}
	return e.extra
}

// noted returns the notes of e, and makes them if necessary.
func (e *entry) noted() *notes {
	x := e.more()
	if x.notes == nil {
		x.notes = new(notes)
	}
	return x.notes
}

// options returns what the options of the task have set, or nil if it has none. Unlike extra itself, which others may
// make at any time, it may be read without mu.
func (e *entry) options() *extra {
	if !e.optional {
		return nil
	}
	return e.extra
}

// planned reports whether the entry has a [Schedule].
func (e *entry) planned() bool { return e.extra != nil && e.extra.schedule != nil }
