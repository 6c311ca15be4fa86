package smartpoll

import (
	"fmt"
	"math"
	"time"
)

// The methods of this file are those of [Internal] and of [Scheduler] alike.

// Next returns an advisory timestamp for when the given task key will next be ready, or the zero time if the task is
// not scheduled. The time of a task that is due but not yet started, because it still runs, is paused or waits for its
// [Group], is in the past. It is consumed when the task starts.
//
// Next panics if no task has the key. It may be called from any goroutine.
func (c *control) Next(key any) time.Time {
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e != nil {
		return e.next
	}
	return time.Time{}
}

// Running returns true if the given task key is currently running: from the start of the [Task] until its [TaskHook]
// has returned.
//
// Running panics if no task has the key. It may be called from any goroutine.
func (c *control) Running(key any) bool {
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	return e != nil && e.running
}

// Schedule schedules the given task key to be ready after the given duration, immediately if the duration is zero, or
// clears any scheduling if the duration is negative. It replaces an earlier schedule, even one that is due already,
// except that Schedule(key, 0) changes nothing for a task that is ready. The scheduled time will be returned by Next,
// until it is consumed, or the task is rescheduled.
//
// There is one schedule per key. A task that becomes due while it runs is
// started once when that run is over, however often it was scheduled meanwhile.
//
// Schedule panics if no task has the key. It may be called from any goroutine, even when the Scheduler is not running:
// the next Run finds the schedule.
func (c *control) Schedule(key any, d time.Duration) {
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	switch {
	case e == nil:
		return
	case d < 0:
		c.unset(e)
	case d > 0 || !e.ready:
		c.setAfter(e, c.reading(), d)
	default:
		c.again(e)
	}
	c.kick()
}

// ScheduleAt schedules the given task key to be ready after the given time, at
// once if that has passed, or clears any scheduling if t is the zero value. The
// return value of Next will be the provided time, until it is consumed, or the
// task is rescheduled.
//
// A t without a reading of the monotonic clock, such as one made from a date, is a time of the wall clock, and follows
// that clock when it is set.
//
// ScheduleAt panics if no task has the key. It may be called from any goroutine.
func (c *control) ScheduleAt(key any, t time.Time) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	switch {
	case e == nil:
		return
	case t == (time.Time{}):
		c.unset(e)
	default:
		c.setAt(e, now, t)
	}
	c.kick()
}

// ScheduleSooner is like Schedule, except it will use the sooner of the existing
// schedule and the given duration. It will panic if the given duration is not
// positive (use Schedule if you wish to immediately schedule a task), and if no
// task has the key. It may be called from any goroutine.
func (c *control) ScheduleSooner(key any, d time.Duration) {
	if d <= 0 {
		panic(fmt.Sprintf(`smartpoll: cannot schedule sooner of invalid duration: %s`, d))
	}
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e != nil {
		c.sooner(e, now, now.Add(d))
	}
}

// ScheduleAtSooner is like ScheduleAt, except it will use the sooner of the
// existing schedule and the given time. It will panic if the given time is the
// zero value, and if no task has the key. It may be called from any goroutine.
func (c *control) ScheduleAtSooner(key any, t time.Time) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if t == (time.Time{}) {
		panic(`smartpoll: cannot schedule at sooner of zero time`)
	}
	if e != nil {
		c.sooner(e, now, t)
	}
}

// StopTimer clears the schedule of the task and returns false, unless the task is ready, due or waiting for a [Group]:
// then it changes nothing and returns true. Note that a task may be running, regardless of whether it is scheduled.
//
// StopTimer panics if no task has the key. It may be called from any goroutine.
func (c *control) StopTimer(key any) (ready bool) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil {
		return false
	}
	if !e.ready {
		if !c.isDue(e, now) {
			c.unset(e)
			return false
		}
		c.untime(e)
		c.promote(e)
	}
	c.kick()
	return e.ready
}

// find returns the entry of key, or nil if it was removed and is still remembered. If there is none it panics, as the
// runtime does for an unhashable key. The caller holds mu, and unlocks it by defer.
func (c *control) find(key any) *entry {
	e := c.tasks[key]
	if e == nil {
		c.notFound(key)
	}
	if e.removed {
		return nil
	}
	return e
}

// notFound panics. The caller holds mu, which is unlocked while the key is formatted, as that runs methods of the user.
func (c *control) notFound(key any) {
	c.mu.Unlock()
	defer c.mu.Lock()
	panic(fmt.Sprintf(`smartpoll: task not found: %T: %v`, key, key))
}

// lock locks mu. Every exported method begins with it.
func (c *control) lock() {
	if c == nil || c.tasks == nil {
		panic(notMade)
	}
	c.mu.Lock()
}

func (c *control) sooner(e *entry, now, t time.Time) {
	switch {
	case e.scheduled() && !t.Before(e.next):
		return
	case e.ready: // although t may be ahead: next may be a wall time, and the wall clock may have been set back
		e.next = t
	default:
		c.setAt(e, now, t)
	}
	c.kick()
}

// setAfter makes e due d after now. The caller holds mu.
func (c *control) setAfter(e *entry, now time.Time, d time.Duration) {
	c.set(e, now, now.Add(d), d)
}

// isDue reports whether e is scheduled and its time has come. The caller holds mu.
func (c *control) isDue(e *entry, now time.Time) bool {
	return e.scheduled() && e.at <= c.since(now) && c.early(e, now) <= 0
}

// set makes e due at next, which is d after now, in place of whatever was there.
// The caller holds mu.
func (c *control) set(e *entry, now, next time.Time, d time.Duration) {
	if d <= 0 && e.ready {
		e.next = next // keeps its place in the queue
		e.insist()
		c.again(e)
		return
	}
	c.unset(e)
	e.next = next
	e.at = max(saturate(c.since(now), d), -never/2) // leaves room for a head start
	if d <= 0 {
		if c.observer != nil {
			e.noted().freed = c.since(now)
		}
		if d < -noticed {
			e.insist()
		}
		c.overdue(e, now)
		c.promote(e)
		return
	}
	c.timed.push(e, e.at)
}

// insist keeps the time for which e was scheduled explicitly from being skipped as a missed one, if it is the one that
// its [Schedule] has planned last. The caller holds mu.
func (e *entry) insist() {
	if x := e.extra; x != nil && x.due == e.next {
		x.due = time.Time{}
	}
}

// unset clears the schedule of e. The caller holds mu.
func (c *control) unset(e *entry) {
	if e.queue != nil || e.pos != 0 || e.extra != nil {
		c.dequeue(e)
		if x := e.extra; x != nil {
			x.pending = 0
			x.from, x.makesUp, x.begins = time.Time{}, false, false
		}
	}
	e.ready = false
	e.next = time.Time{}
}

// dequeue takes e out of wherever it waits. The caller holds mu.
func (c *control) dequeue(e *entry) {
	switch {
	case e.queue != nil:
		if e.parked() {
			c.parked--
		}
		e.queue.remove(e)
	case e.pos != 0:
		c.untime(e)
	}
	if e.extra != nil && e.extra.member != nil {
		c.release(e.extra.member)
	}
}

// promote makes e, which has become due, ready. The caller holds mu.
func (c *control) promote(e *entry) {
	if e.running && e.extra != nil && !c.overlaps(e) {
		return
	}
	e.ready = true
	c.line(e) // not if it is running: then finished will
}

// expire makes entries ready that have become due, at most a batch of them. The caller holds mu.
func (c *control) expire() {
	now := c.reading()
	if c.walls > 0 {
		now = time.Now()
		c.followWall(now)
	}
	c.clock, c.fresh = c.since(now), true
	for range batchSize {
		if len(c.timed) == 0 || c.timed[0].at > c.clock {
			c.due = false
			return
		}
		e := c.timed[0].e
		if early := c.early(e, now); early > 0 {
			e.at = saturate(c.clock, early)
			c.timed.remove(e)
			c.timed.push(e, e.at)
			continue
		}
		c.untime(e)
		if e.extra != nil && e.extra.rings != nil {
			c.serveSince(e.extra.rings, e.at)
			continue
		}
		if c.isPaused(e) || !c.overdue(e, now) {
			c.promote(e)
		}
	}
}

// originAge is how old control.origin may be.
const originAge = 100 * time.Millisecond

// reading returns the time, as time.Now does for twice the cost: it reads only the monotonic clock, and derives the
// time of the wall clock from a reading of both that is at most originAge old. For that long after the wall clock was
// set, or the process resumed, the monotonic part of the result is that of time.Now, but its wall-clock part ignores
// the change. Code that has to follow the wall clock reads time.Now. In a synctest bubble, and beyond 2157, times have
// no monotonic part, and reading is time.Now. The caller holds mu.
func (c *control) reading() time.Time {
	age := time.Since(c.origin)
	if age < 0 || age > originAge { // negative if origin was read outside of this bubble
		c.origin = time.Now()
		return c.origin
	}
	return c.origin.Add(age)
}

// since returns the heap key of now, a reading of the clock. All readings are monotonic, whatever happens to the wall
// clock; beyond 2157 a [time.Time] has no room for a monotonic part, so the clock is read again.
func (c *control) since(now time.Time) int64 {
	if isWall(now) {
		return int64(time.Since(c.base))
	}
	return int64(now.Sub(c.base))
}

// never is later than any clock reading.
const never = math.MaxInt64

// saturate returns at + d, or the most extreme value in that direction.
func saturate(at int64, d time.Duration) int64 {
	switch {
	case d > 0 && at > never-int64(d):
		return never
	case d < 0 && at < -never-int64(d):
		return -never
	}
	return at + int64(d)
}
