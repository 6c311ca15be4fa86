package smartpoll

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Schedule determines when a task is due: Next returns the first time after t, or the zero time if there is none. Each
// time must be later than the one before. [Every] makes a Schedule, and the schedules of cron libraries have this
// method; see [On].
//
// Next is called between hooks, on the goroutine of any task, and nothing is started meanwhile. A panic in it, or a
// time that is not later, ends [Scheduler.Run]; the panic as a [*TaskError].
type Schedule interface {
	Next(t time.Time) time.Time
}

// On schedules the task by s: first after the start of [Scheduler.Run], when its RunHooks have returned, or after Add;
// and then, whenever an invocation is over, hook included, for the time that follows the one for which it was
// scheduled. Retries and explicit schedules of the task take precedence: s continues from there. A task whose schedule
// is cleared is not planned again until it has run.
//
// Times that s returns without a monotonic reading, such as times made from a date, are wall-clock times and follow
// that clock when it is set. The argument of s.Next is a local time of the wall clock, unless s is an [Interval] that
// is not pinned.
//
// A time is missed, see [Missed], if it passed before it could be planned, or was noticed more than a second late
// because the process was busy or suspended or the task was paused. If a task is explicitly scheduled for a time in the
// past, such as one saved by an earlier process, the times since then are missed too, but that time itself is not
// skipped. A nil s is an error of [New] and Add.
func On(s Schedule) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if s == nil {
			return errors.New(`smartpoll: schedule must not be nil`)
		}
		if i, ok := s.(Interval); ok && i.every <= 0 {
			return errors.New(notEvery)
		}
		e.more().schedule = s
		return nil
	})
}

// MissedPolicy chooses what happens to missed times, see [Missed].
type MissedPolicy int

const (
	// MissedOnce makes up for all of them with one run, at once, and continues from now.
	MissedOnce MissedPolicy = 0
	// MissedSkip makes up for none.
	MissedSkip MissedPolicy = -1
)

func (p MissedPolicy) String() string {
	switch {
	case p == MissedOnce:
		return "MissedOnce"
	case p == MissedSkip:
		return "MissedSkip"
	case p > 0:
		return "MissedAll(" + strconv.Itoa(int(p)) + ")"
	}
	return "MissedPolicy(" + strconv.Itoa(int(p)) + ")"
}

// MissedAll makes up for up to n in a row, one by one; the rest are skipped until the task is on time again. It panics
// if n is not positive.
func MissedAll(n int) MissedPolicy {
	if n < 1 {
		panic(
			fmt.Sprintf(`smartpoll: MissedAll(%d) would make up for nothing, use a positive number, or MissedSkip`, n),
		)
	}
	return MissedPolicy(n)
}

// Missed chooses what happens to missed times of the task's [Schedule], see
// [On]. The default is [MissedOnce].
func Missed(policy MissedPolicy) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if policy < MissedSkip {
			return fmt.Errorf(`smartpoll: missed policy %d is none, use MissedOnce, MissedSkip or MissedAll`, policy)
		}
		e.more().missed = policy
		return nil
	})
}

const (
	// noticed is how late a planned time may be noticed without being missed.
	noticed = time.Second
	// backwards is how far the wall clock may be set back without repeating times that were planned before.
	backwards = 3 * time.Hour
)

// plan schedules e by its [Schedule], unless it is scheduled. The caller has the
// turn, and not mu.
func (c *control) plan(e *entry) {
	c.mu.Lock()
	x := e.extra
	due, idle := x.due, !e.scheduled() && !e.removed
	begins := x.begins
	x.begins = false
	c.mu.Unlock()
	if !idle {
		return
	}
	mono := time.Now()
	now := mono
	i, ok := x.schedule.(Interval)
	if !ok || i.pinned {
		now = c.wallTime(mono).Local()
		due = due.Round(0).Local()
	}
	if due.IsZero() || due.Sub(now) > backwards {
		due = now
	}
	next := now
	if !begins || !i.atOnce {
		next = c.ask(e, due)
	}
	var from time.Time
	var skipped uint64
	catchUp := 0
	if !next.IsZero() && !next.After(now) && !(begins && i.atOnce) {
		switch {
		case x.missed == MissedOnce:
			from = now
		case x.missed > 0 && x.caughtUp < int(x.missed):
			catchUp = x.caughtUp + 1
		default:
			skipped = c.passed(e, due, next, now)
			next = c.ask(e, now)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.skipped += skipped
	if !next.IsZero() && !e.scheduled() && !e.removed && !c.stopped {
		x.due = next
		c.setAt(e, mono, next)
		x.from, x.makesUp = from, catchUp > 0
	}
	x.caughtUp = catchUp
}

// mostPassed limits how many times are counted at once of a Schedule that only has Next.
const mostPassed = 1000

// passed returns how many times of the Schedule of e are after due and not after now. First is the first of them.
func (c *control) passed(e *entry, due, first, now time.Time) (n uint64) {
	if i, ok := e.extra.schedule.(Interval); ok {
		return i.between(due, now)
	}
	for t := first; n < mostPassed && !t.IsZero() && !t.After(now); t = c.ask(e, t) {
		n++
	}
	return n
}

// ask returns the time that the Schedule of e plans after t. A panic, or a time that is not later, ends Run.
func (c *control) ask(e *entry, t time.Time) (next time.Time) {
	err := contained(e.key, func() error {
		next = e.extra.schedule.Next(t)
		if !next.IsZero() && !next.After(t) {
			return fmt.Errorf(
				`smartpoll: the schedule of task %v returned %v as the time after %v, want a later time`,
				e.key,
				next,
				t,
			)
		}
		return nil
	})
	if err != nil {
		c.fail(err)
		return time.Time{}
	}
	return next
}

// overdue handles e, which is due and has a Schedule, if that is noticed late: times may have passed. It reports
// whether e has to be planned anew instead of started. The caller holds mu.
func (c *control) overdue(e *entry, now time.Time) bool {
	x := e.extra
	if x == nil || x.schedule == nil || c.lateness(e, now) <= noticed {
		return false
	}
	switch {
	case x.missed == MissedOnce:
		x.from = now
		if isWall(e.next) {
			x.from = c.wallTime(now)
		}
	case x.missed > 0 && !x.makesUp:
		x.makesUp = true
		x.caughtUp++
	case x.missed == MissedSkip && e.next == x.due:
		c.unset(e)
		x.skipped++
		c.plans.push(e)
		return true
	}
	return false
}

// late is lateness at c.clock, which was read just now.
func (c *control) late(e *entry) time.Duration {
	if isWall(e.next) {
		return c.lateness(e, time.Now())
	}
	return time.Duration(c.clock) - e.next.Sub(c.base)
}

// lateness returns how long ago e, which is scheduled, became due; it is negative until then.
func (c *control) lateness(e *entry, now time.Time) time.Duration {
	if isWall(e.next) {
		now = c.wallTime(now)
	}
	return now.Sub(e.next)
}
