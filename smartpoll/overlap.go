package smartpoll

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrTaskReplaced is the [context.Cause] of the context of a task with [Overlap] set to [Replace] that became due again
// while it ran.
var ErrTaskReplaced = errors.New(`smartpoll: task replaced`)

// OverlapPolicy chooses what happens to a task that becomes due while it runs, see [Overlap].
type OverlapPolicy int

const (
	// Coalesce starts the task once when the run is over, however often it was
	// scheduled.
	Coalesce OverlapPolicy = 0
	// Skip drops the due time and counts it, see [TaskInfo]: the schedule is
	// cleared.
	Skip OverlapPolicy = -1
	// Replace ends the context of the run with the cause [ErrTaskReplaced], drops
	// its result, and starts the task again as soon as it has returned.
	Replace OverlapPolicy = -2
)

func (p OverlapPolicy) String() string {
	switch {
	case p == Coalesce:
		return "Coalesce"
	case p == Skip:
		return "Skip"
	case p == Replace:
		return "Replace"
	case p > 0:
		return "Queue(" + strconv.Itoa(int(p)) + ")"
	}
	return "OverlapPolicy(" + strconv.Itoa(int(p)) + ")"
}

// Queue keeps up to n runs waiting, where [Coalesce] keeps one: each call that
// schedules a task for now while it is already due adds one. Runs beyond n are
// dropped and counted, see [TaskInfo]. Clearing or postponing the schedule
// clears them all. Queue panics if n is not positive.
func Queue(n int) OverlapPolicy {
	if n < 1 {
		panic(fmt.Sprintf(`smartpoll: Queue(%d) would keep nothing, use a positive number, or Skip`, n))
	}
	return OverlapPolicy(n)
}

// Overlap chooses what happens to a task that becomes due while it runs. The
// default is [Coalesce]. A task never runs twice at once.
//
// With [Skip] and [Replace], a run counts as over when its [TaskHook] begins:
// the hook may schedule the next run.
//
// A [Schedule] plans the next run when one is over, so that nothing overlaps,
// and [Missed] chooses what happens to times that have passed meanwhile. Only
// with [Replace] does it plan at the start.
func Overlap(policy OverlapPolicy) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if policy < Replace {
			return fmt.Errorf(`smartpoll: overlap policy %d is none, use Coalesce, Queue, Skip or Replace`, policy)
		}
		e.more().overlap = policy
		return nil
	})
}

// overlaps applies the policy to e, which has become due while it is running, and reports whether it remains due. The
// caller holds mu.
func (c *control) overlaps(e *entry) bool {
	if e.run == nil || c.cur == e {
		return true
	}
	switch e.extra.overlap {
	case Skip:
		c.skip(e, 1)
		c.unset(e)
		return false
	case Replace:
		if run := c.drop(e, ErrTaskReplaced); run != nil {
			go run.cancel(ErrTaskReplaced) // on a goroutine that does not hold mu
		}
	}
	return true
}

// again is called when e, which is ready, has been scheduled for now. The caller
// holds mu.
func (c *control) again(e *entry) {
	x := e.extra
	if x == nil || x.overlap <= 0 {
		return
	}
	if x.pending < int(x.overlap)-1 {
		x.pending++
	} else {
		c.skip(e, 1)
	}
}

// HeadStart treats the task as due d earlier than it is while it waits for [WithMaxRunning] or for a [Group]: it
// overtakes only tasks that became due up to d before it, so none of them waits forever. It is never started before its
// time. A d that is not positive is an error of [New] and Add.
func HeadStart(d time.Duration) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if d <= 0 {
			return fmt.Errorf(`smartpoll: head start %s is not positive, leave the option out for none`, d)
		}
		e.more().headStart = int64(d)
		return nil
	})
}
