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

// SetSchedule gives the task with the key the [Schedule] s in place of the one it has, if any; see [On]. Nil takes its
// Schedule away. A run in progress continues: s takes effect when it is over, and then continues from the time for
// which that run was scheduled, or from its start if the task had no Schedule.
//
// A time that the Schedule before has planned is dropped, unless the task is ready. S plans another one, as after Add:
// the first of its times that is still to come, or the present one with [Interval.AtOnce]. Times before that are not
// missed. If both are Intervals that are not pinned, the new one counts from where the old one did, the last time for
// which the task ran; if its time has passed then, the task is due at once. So however often the interval is
// changed, the task is not postponed forever.
//
// A task that is ready, because it is due and paused or waits for its turn, stays ready, a retry and an explicit
// schedule stay what they are, and s continues from there. The counts of [TaskInfo] and the [Missed] policy stay. A
// task whose schedule was cleared is planned again.
//
// SetSchedule panics if no task has the key, or if s is an [Interval] not made by [Every]. It may be called from any
// goroutine; between two Runs it determines what the next Run plans. When it returns, the task may not have been
// planned yet: Next tells the new time after the hook in progress.
func (c *control) SetSchedule(key any, s Schedule) {
	if i, ok := s.(Interval); ok {
		i.check()
	}
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil || s == nil && !e.planned() {
		return
	}
	x := e.more()
	if !e.ready && c.isDue(e, now) && !c.overdue(e, now) {
		c.untime(e)
		c.promote(e)
		c.kick()
	}
	before := x.schedule
	x.schedule, x.changed = s, true
	if e.ready || e.scheduled() && e.next != x.due {
		return
	}
	from := time.Time{}
	if i, ok := before.(Interval); ok && !i.pinned && e.scheduled() {
		from = x.due.Add(-i.every)
	}
	c.unset(e)
	running := e.run != nil && x.overlap != Replace
	if running && before == nil {
		x.due = c.timeOf(e.started, now)
	}
	if s == nil || !c.open() || running {
		return // the next Run plans it, or the end of the run in progress
	}
	x.due, x.begins = from, true
	c.plans.push(e)
	c.kick()
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

// planning is one decision about when a task is due by its [Schedule].
type planning struct {
	schedule Schedule
	begins   bool      // with Run, Add or SetSchedule: no time has been missed
	due      time.Time // the time to continue from; zero: now
	caughtUp int       // missed times made up for in a row, the one that is planned now included
	mono     time.Time // when it was made

	next, from time.Time // see entry and extra
	skipped    uint64
}

// plan schedules e by its [Schedule], unless it is scheduled. The caller has the turn and holds mu, which is unlocked
// while the Schedule is asked.
func (c *control) plan(e *entry) {
	x := e.extra
	p := planning{}
	for again := true; again; again = x.changed && e.queue != &c.plans { // if it is in plans, it will be planned then
		p = planning{schedule: x.schedule, begins: x.begins, due: x.due, caughtUp: x.caughtUp}
		x.begins, x.changed = false, false
		if p.schedule == nil || e.scheduled() || e.removed {
			return
		}
		c.mu.Unlock()
		c.decide(e, &p)
		c.mu.Lock()
	}
	if x.changed {
		return
	}
	c.skip(e, p.skipped)
	if !p.next.IsZero() && !e.scheduled() && !e.removed && !c.stopped {
		c.setAt(e, p.mono, p.next)
		x.due = p.next
		x.from, x.makesUp = p.from, p.caughtUp > 0
	}
	x.caughtUp = p.caughtUp
}

// decide completes p. The caller has the turn, and not mu.
func (c *control) decide(e *entry, p *planning) {
	p.mono = time.Now()
	now, caughtUp := p.mono, p.caughtUp
	p.caughtUp = 0
	i, ok := p.schedule.(Interval)
	if !ok || i.pinned {
		now = c.wallTime(p.mono).Local()
		p.due = p.due.Round(0).Local()
		if p.begins {
			p.due = now // such a Schedule has its own times
		}
	}
	if p.due.IsZero() || p.due.Sub(now) > backwards {
		p.due = now
	}
	if p.begins && i.atOnce {
		p.next = now
		return
	}
	p.next = c.ask(e, p.schedule, p.due)
	if p.next.IsZero() || p.next.After(now) {
		return
	}
	switch missed := e.extra.missed; {
	case p.begins: // with SetSchedule
		p.next = now
	case missed == MissedOnce:
		p.from = now
	case missed > 0 && caughtUp < int(missed):
		p.caughtUp = caughtUp + 1
	default:
		p.skipped = c.passed(e, p, now)
		p.next = c.ask(e, p.schedule, now)
	}
}

// mostPassed limits how many times are counted at once of a Schedule that only has Next.
const mostPassed = 1000

// passed returns how many times of the Schedule of e are after p.due and not after now. The first of them is p.next.
func (c *control) passed(e *entry, p *planning, now time.Time) (n uint64) {
	if i, ok := p.schedule.(Interval); ok {
		return i.between(p.due, now)
	}
	for t := p.next; n < mostPassed && !t.IsZero() && !t.After(now); t = c.ask(e, p.schedule, t) {
		n++
	}
	return n
}

// ask returns the time that s, the Schedule of e, plans after t. A panic, or a time that is not later, ends Run.
func (c *control) ask(e *entry, s Schedule, t time.Time) (next time.Time) {
	err := contained(e.key, func() error {
		next = s.Next(t)
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
		c.skip(e, 1)
		c.plans.push(e)
		return true
	}
	return false
}

// noteLateness notes for the Observer how late e starts, at c.clock, and how long before that it was held up.
func (c *control) noteLateness(e *entry) {
	n := e.noted()
	all := c.late(e)
	n.late = min(all, time.Duration(max(c.clock-max(n.freed, c.roomed, c.lastLifted(e)), 0)))
	n.held = all - n.late
}

// noteCall notes for the Observer how long e, which was started, has waited for a goroutine to call its task, and returns
// the time since base. The caller does not hold mu.
func (c *control) noteCall(e *entry) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.base)
	e.extra.notes.late += max(now-time.Duration(e.started), 0)
	return now
}

// noteFreed notes for the Observer that e was held up until now. Even if e is not known to be due, it may be. The caller
// holds mu.
func (c *control) noteFreed(e *entry) {
	if c.observer != nil {
		e.noted().freed = int64(time.Since(c.base))
	}
}

// noteEnd notes for the Observer that the invocation of e, which has held up the next one, ends now. The caller holds mu.
func (c *control) noteEnd(e *entry) {
	n := e.noted()
	n.ended, n.hasEnded = int64(time.Since(c.base)), true
	n.freed = n.ended
	if !c.room() {
		c.roomed = n.ended
	}
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
