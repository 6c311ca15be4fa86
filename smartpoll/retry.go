package smartpoll

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff determines how long to wait before a failed task is tried again: after the nth failure in a row
// Min·Factor^(n-1), at most Max, less a random part of up to Jitter of that. The zero value waits 1 s, 2 s, 4 s and so
// on up to 5 min, each less up to a fifth, and never gives up.
type Backoff struct {
	// Min is the delay after the first failure. Zero means 1 s, or Max if that is
	// shorter.
	Min time.Duration
	// Max is the longest delay. Zero means 5 min, or Min if that is longer.
	Max time.Duration
	// Factor, at least 1, multiplies the delay with each further failure. Zero means 2.
	Factor float64
	// Jitter, at most 1, is the part of the delay that is random, so that tasks that have failed together are not
	// retried together: with 0.5 the delay is drawn evenly from its upper half. Zero means 0.2, and a negative number
	// means none.
	Jitter float64
	// MaxFailures is after how many failures in a row Retry gives up, see [Retry]: with 3 a task is retried twice.
	// Zero means never.
	MaxFailures int
}

// Retry keeps a task's errors from ending [Scheduler.Run]: a task that fails is scheduled again after a delay that
// grows with the failures in a row, see [Backoff]. A task that is scheduled already keeps that schedule, unless it only
// serves [Replace] to replace a run that takes too long. A success of the task and its hook resets the count of
// failures, and so does the end of Run.
//
// After b.MaxFailures failures in a row Retry gives up: it does not schedule the task, and the error goes where it would
// go without Retry, to [OnError] or else to Run, which it ends; for a [Poll], commit decides. If the error is handled,
// a task [On] a [Schedule] continues with its next planned time, and any other task when it is scheduled again. Further
// failures then are retried as the first ones were, while [TaskInfo] goes on counting.
//
// An error with a method RetryAfter() time.Duration, itself or anywhere in its chain, sets the delay if it asks for a
// longer one, even one beyond b.Max.
//
// Retry applies to errors of the task itself and of the fetch of a [Poll], and, with [WithRecover], to a panic of the
// task. Errors of its [TaskHook], and a runtime.Goexit, remain fatal. An invalid b is an error of [New] and Add.
func Retry(b Backoff) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		b, err := b.normal()
		if err != nil {
			return err
		}
		e.more().backoff = &b
		return nil
	})
}

// normal returns b with its defaults filled in.
func (b Backoff) normal() (Backoff, error) {
	switch {
	case b.Min < 0:
		return b, fmt.Errorf(`smartpoll: backoff min %s is negative, use a positive duration, or zero for 1s`, b.Min)
	case b.Max < 0:
		return b, fmt.Errorf(`smartpoll: backoff max %s is negative, use a positive duration, or zero for 5m`, b.Max)
	case b.Factor != 0 && !(b.Factor >= 1):
		return b, fmt.Errorf(
			`smartpoll: backoff factor %v would not grow the delay, use at least 1, or zero for 2`,
			b.Factor,
		)
	case !(b.Jitter <= 1):
		return b, fmt.Errorf(
			`smartpoll: backoff jitter %v is not a part of the delay, `+
				`use a number up to 1, zero for 0.2, or a negative one for none`,
			b.Jitter,
		)
	case b.MaxFailures < 0:
		return b, fmt.Errorf(
			`smartpoll: backoff max failures %d is negative, use a positive number, or zero for no limit`,
			b.MaxFailures,
		)
	}
	if b.Min == 0 {
		b.Min = time.Second
		if b.Max > 0 {
			b.Min = min(b.Min, b.Max)
		}
	}
	if b.Max == 0 {
		b.Max = max(b.Min, 5*time.Minute)
	}
	if b.Max < b.Min {
		return b, fmt.Errorf(`smartpoll: backoff max %s is less than min %s, use at least as much`, b.Max, b.Min)
	}
	if b.Factor == 0 {
		b.Factor = 2
	}
	if b.Jitter == 0 {
		b.Jitter = 0.2
	}
	b.Jitter = max(b.Jitter, 0)
	return b, nil
}

// delay returns the wait after the nth failure in a row, n at least 1, for a
// random number in [0, 1). b must be normal.
func (b Backoff) delay(n int, random float64) time.Duration {
	whole := b.Max // also if the power overflows
	if d := float64(b.Min) * math.Pow(b.Factor, float64(n-1)); d < float64(b.Max) {
		whole = time.Duration(d)
	}
	return whole - min(time.Duration(float64(whole)*b.Jitter*random), whole)
}

// count records that the invocation of e in progress has failed. The caller has the turn, and does not hold mu.
func (c *control) count(e *entry, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := e.more()
	if !x.failed { // both its fetch and its commit may fail
		x.failed = true
		x.failures++
	}
	x.err, x.errAt = err, int64(time.Since(c.base))
}

// failed is called when stage one of e has failed. If e has [Retry] and that does not give up, it schedules e again and
// returns true. The failure it returns is err, or another error if methods of err panic. The caller has the turn, and
// does not hold mu.
func (c *control) failed(e *entry, err error) (retried bool, failure error) {
	x := e.options()
	if x == nil || x.backoff == nil {
		c.count(e, err)
		return false, err
	}
	asked, err := c.retryAfter(e.key, err)
	c.count(e, err)
	retried, failures, after := c.retry(e, asked)
	if after >= 0 {
		c.tellRetry(e, failures, after, err)
	}
	return retried, err
}

// retry schedules e, which has failed, unless Retry gives up: then it returns false. After is in how long e is tried
// again, and negative if it was not scheduled.
func (c *control) retry(e *entry, asked time.Duration) (retried bool, failures int, after time.Duration) {
	x := e.extra
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := x.failures
	if most := x.backoff.MaxFailures; most > 0 {
		if n = (n-1)%most + 1; n == most {
			return false, x.failures, -1
		}
	}
	if e.scheduled() && !e.replaces() || e.removed {
		return true, x.failures, -1
	}
	after = max(asked, x.backoff.delay(n, rand.Float64()))
	c.setAfter(e, now, after)
	return true, x.failures, after
}

// replaces reports whether e is scheduled only so that [Replace] can replace its run if that takes too long.
func (e *entry) replaces() bool {
	x := e.extra
	return x.schedule != nil && x.overlap == Replace && !e.ready && e.next == x.due
}

// retryAfter returns how long err asks to wait, and err. It runs methods of the user; if one of them panics and panics
// are recovered, it returns the panic as the error.
func (c *control) retryAfter(key any, err error) (asked time.Duration, failure error) {
	ask := func() error {
		var after interface{ RetryAfter() time.Duration }
		if errors.As(err, &after) {
			asked = after.RetryAfter()
		}
		return nil
	}
	if !c.recovers {
		_ = ask()
		return asked, err
	}
	if panicked := contained(key, ask); panicked != nil {
		return 0, panicked
	}
	return asked, err
}
