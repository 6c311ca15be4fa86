package smartpoll

import (
	"context"
	"time"
)

// entry is what is known of one task: one slot, so that "sooner", coalescing
// and taking back are trivial. The fields after task are guarded by control.mu,
// but that the goroutine of an invocation may read run and extra.
//
// A scheduled entry is in control.timed until it is due, and from then on ready:
// in the line control.ready; or nowhere, while it runs or is paused; or in the line
// of a [Group]. One that waits to be planned is in the line control.plans.
type entry struct {
	key  any
	task Task

	next       time.Time // what Next returns
	at         int64     // when it is due, see control.since
	pos        int32     // its index in a heap plus 1, or 0
	ready      bool
	running    bool
	dropped    bool  // the invocation in progress does not count
	paused     bool  // ready does not make it start
	removed    bool  // known only until the hook in progress and the invocation have ended
	wall       bool  // in control.timed, with a next on the wall clock
	line       *line // where it waits, or nil
	prev, succ *entry

	run     *callCtx // of the invocation in progress
	runs    uint64
	started int64 // the last one, see control.since

	extra *extra // nil: nothing of it is needed
}

// extra is what most entries do without. All of it is guarded by control.mu, but
// that what options have set may be read by the goroutine of an invocation.
type extra struct {
	// Set by options, before the task can be found.

	member    *membership                                        // nil: in no group
	backoff   *Backoff                                           // nil: nothing is retried
	onError   func(context.Context, *Internal, any, error) error // nil: none
	timeout   time.Duration
	headStart int64
	overlap   OverlapPolicy
	schedule  Schedule // nil: none
	missed    MissedPolicy

	pending  int       // runs that wait besides the first one, with Queue
	due      time.Time // what schedule has planned or has been followed by
	from     time.Time // what schedule goes on from after the run that is due, if not from next
	begins   bool      // it has not been planned since Run or Add
	makesUp  bool      // the run that is scheduled is counted in caughtUp
	caughtUp int       // missed times that were made up for in a row
	skipped  uint64
	failures int   // in a row
	failed   bool  // the invocation in progress has failed
	err      error // the last failure

	rings    *Group        // that of a bell, which is not a task
	admitted chan struct{} // of an admission, which is not a task either: closed when it begins

	// With an Observer only.

	late, took time.Duration
}

func (e *entry) scheduled() bool { return e.next != (time.Time{}) }

// more returns e.extra, made if need be.
func (e *entry) more() *extra {
	if e.extra == nil {
		e.extra = new(extra)
	}
	return e.extra
}

// planned tells whether the entry has a [Schedule].
func (e *entry) planned() bool { return e.extra != nil && e.extra.schedule != nil }
