package smartpoll

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"
)

// Interval is a [Schedule] at a fixed rate, made by [Every]. It is immutable: its methods return a new Interval.
//
// An Interval is pinned, by Offset, Spread and Jitter, to the multiples of its duration since year 1 in UTC, so the
// multiples of a day are midnights, and those of 7 days are the midnights of Mondays. Then restarts and replicas agree
// on its times, which are on the wall clock.
type Interval struct {
	every  time.Duration
	pinned bool
	atOnce bool          // the first time in a Run is now
	offset time.Duration // from 0 to less than every
	jitter float64       // from 0 to less than 1
	seed   uint64        // of jitter
}

// Every returns the Interval of times d apart, whatever the first one is. It panics if d is not positive.
func Every(d time.Duration) Interval {
	if d <= 0 {
		panic(fmt.Sprintf(`smartpoll: Every(%s) would never come to an end, use a positive duration`, d))
	}
	return Interval{every: d}
}

const notEvery = `smartpoll: an Interval must be made by Every`

func (i Interval) check() {
	if i.every <= 0 {
		panic(notEvery)
	}
}

// Offset pins i and shifts its times by d, which may be negative.
func (i Interval) Offset(d time.Duration) Interval {
	i.check()
	i.pinned = true
	d %= i.every
	i.offset += d // each is less than every; where the sum could overflow, their signs differ
	if d > 0 && (i.offset >= i.every || i.offset < 0) {
		i.offset -= i.every
	}
	if i.offset < 0 {
		i.offset += i.every
	}
	return i
}

// AtOnce makes a task that is scheduled [On] the Interval also run immediately, "now, and then every hour": when Run
// begins, when the task is added, or when SetSchedule gives it the Interval. That does not change Next.
func (i Interval) AtOnce() Interval {
	i.check()
	i.atOnce = true
	return i
}

// Spread pins i and shifts its times by a fraction of its duration that depends only on id, so that tasks with
// different ids do not all run at once. The fraction is the same in all processes.
func (i Interval) Spread(id string) Interval {
	return i.Offset(time.Duration(fraction(fnv64([]byte(id))) * float64(i.every)))
}

// Jitter pins i and delays each of its times by a fraction of its duration, from 0 to f, that depends on id and that
// time. Delays do not add up: the rate stays the same. Jitter panics unless f is at least 0 and less than 1.
func (i Interval) Jitter(f float64, id string) Interval {
	i.check()
	if !(f >= 0 && f < 1) {
		panic(fmt.Sprintf(`smartpoll: Jitter(%v) is not a part of the interval, use a number from 0 to less than 1`, f))
	}
	i.pinned, i.jitter, i.seed = true, f, fnv64([]byte(id))
	return i
}

// Next returns the first time of i after t. If i is not pinned, that is t plus its duration. The result has the
// location of t.
func (i Interval) Next(t time.Time) time.Time {
	i.check()
	if !i.pinned {
		return t.Add(i.every)
	}
	return i.delayed(i.point(t).Add(i.every))
}

// point returns the multiple to which the last time of i that is not after t belongs.
func (i Interval) point(t time.Time) time.Time {
	point := t.Add(-i.offset).Truncate(i.every).Add(i.offset) // not after t
	if i.delayed(point).After(t) {
		return point.Add(-i.every)
	}
	return point
}

// between returns how many times of i are after t and not after until.
func (i Interval) between(t, until time.Time) uint64 {
	if i.pinned {
		t, until = i.point(t), i.point(until)
	}
	return uint64(until.Sub(t) / i.every)
}

// delayed returns the time of i that belongs to the given point.
func (i Interval) delayed(point time.Time) time.Time {
	if i.jitter == 0 {
		return point
	}
	var text [20]byte
	binary.BigEndian.PutUint64(text[0:], i.seed)
	binary.BigEndian.PutUint64(text[8:], uint64(point.Unix()))
	binary.BigEndian.PutUint32(text[16:], uint32(point.Nanosecond()))
	d := time.Duration(fraction(fnv64(text[:])) * i.jitter * float64(i.every))
	return point.Add(min(d, i.every-1)) // the product may have been rounded up
}

func fnv64(text []byte) uint64 {
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

// fraction returns a number in [0, 1) that depends on all bits of h: the last bytes that FNV reads do not reach its
// upper bits.
func fraction(h uint64) float64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return float64(h>>11) / (1 << 53)
}
