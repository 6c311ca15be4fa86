package jobs

import (
	"time"
)

// A Code is the reason for a [Refusal].
type Code string

// The reasons for which a start comes to nothing.
const (
	Busy      Code = "busy"       // a run is in progress that the start may neither join nor wait for
	QueueFull Code = "queue full" // as many runs wait as the job allows
	Limited   Code = "limited"    // the job has started as often as its limit allows
	Stopping  Code = "stopping"   // the gateway is stopping
	KeyReused Code = "key reused" // the Idempotency-Key was used with other arguments
	Expired   Code = "expired"    // the run of the Idempotency-Key is forgotten
	Elsewhere Code = "elsewhere"  // another replica starts the runs of the job, or will in a moment
	Away      Code = "away"       // the replica that alone runs the job is away
	NoAnswer  Code = "no answer"  // that one was asked and does not answer: it may have started a run
)

// A Refusal is the error of a start that comes to nothing for a reason the caller can act upon.
type Refusal struct {
	Code   Code
	Detail string        // for the caller; Error returns it
	Run    string        // the run that stands in the way; empty: none
	After  time.Duration // when it is worth asking again; 0: unknown
}

func (e *Refusal) Error() string { return e.Detail }

// errElsewhere is why a start is refused by a replica that does not start runs of the job.
var errElsewhere = &Refusal{
	Code: Elsewhere, Detail: "the replica that starts the runs of this job cannot be reached now", After: 2 * time.Second,
}
