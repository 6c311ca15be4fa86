package smartpoll

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// GroupConfig holds the limits of a [Group]. The zero value admits everything.
type GroupConfig struct {
	// Running is how many members may be running at once, from the start of a
	// task to the end of its hook. Zero means any number.
	Running int
	// Rate is how many members may start per second. Zero means any number, as
	// does [rate.Inf].
	Rate rate.Limit
	// Burst is how many members may start at once before Rate holds them back. Zero means 1.
	Burst int
	// Gap is the time after the end of a member's invocation, its hook included, during which no member starts. Zero
	// means none. With Running 1 it lets an upstream that serves one request at a time recover.
	Gap time.Duration
}

// Group limits the tasks that are in it together, for example those that poll one upstream. It is made by [NewGroup],
// joined by the option [In], and belongs to the one [Scheduler] whose tasks joined it. SetLimit changes its limits while
// it is in use.
//
// A task that is due but not admitted waits in the group's queue, without a
// goroutine, in the order in which the members became due, see [HeadStart].
// Meanwhile it counts as ready: StopTimer returns true, Next does not change,
// and clearing its schedule also removes it from the queue.
//
// The first task in the queue takes a slot of Running, and a start of Rate, at
// the moment it starts. Nothing is reserved for those behind it: a task that
// leaves the queue leaves no gap, and a Run that ends leaves nothing for the
// next one to wait for. Starts that a blocking hook has held up are made
// together when it returns, as far as Burst allows.
//
// Work that is not a task can observe the limits by calling [Scheduler.Admit].
type Group struct {
	order groupOrder
	owner atomic.Pointer[control]
	mu    sync.Mutex // guards the fields below until g has an owner, whose mu does from then on; a leaf

	limits    GroupConfig
	members   int           // tasks
	limiter   *rate.Limiter // nil: any rate; its lock is a leaf, too
	ended     time.Time     // when a member's invocation last ended; zero without a gap
	running   int           // members whose invocation is in progress, and admissions
	visits    int           // admissions alone
	kept      int           // slots kept for members that are about to start, or wait for their next group
	startKept bool          // the next start of the limiter is kept for one of those
	queue     queue         // members that wait for a slot or a start
	pause     pause         // holds members, and admissions in queue
	waiting   int           // members that are due and have not started, whether they are in queue or not
	bell      entry         // in control.timed while the first member of queue waits for a start: due when that is available
}

// NewGroup returns a Group without members. It panics if a number in config is
// negative or Rate is not a number.
func NewGroup(config GroupConfig) *Group {
	config.check("NewGroup")
	g := &Group{order: config.order()}
	g.bell.extra = &extra{rings: g}
	g.limit(config)
	return g
}

// check panics if c is not valid. Caller is the name of the func that it was given to.
func (c GroupConfig) check(caller string) {
	wrong := ""
	switch {
	case c.Running < 0:
		wrong = fmt.Sprintf(`Running is %d, use a positive number, or zero for no limit`, c.Running)
	case !(c.Rate >= 0):
		wrong = fmt.Sprintf(`Rate is %v, use a positive number of starts per second, or zero for no limit`, c.Rate)
	case c.Gap < 0:
		wrong = fmt.Sprintf(`Gap is %v, use a positive duration, or zero for none`, c.Gap)
	case c.Burst < 0:
		wrong = fmt.Sprintf(`Burst is %d, use a positive number, or zero for 1`, c.Burst)
	default:
		return
	}
	panic(`smartpoll: ` + caller + `: ` + wrong)
}

// hasRate reports whether c limits the rate of starts.
func (c GroupConfig) hasRate() bool { return c.Rate > 0 && c.Rate != rate.Inf }

// String keeps package fmt from reading fields that are in use; so does GoString.
func (g *Group) String() string { return "smartpoll.Group" }

// GoString returns the same as String.
func (g *Group) GoString() string { return g.String() }

// Delay returns how long a member that becomes due at the given time has to wait for a start, as far as Rate and the
// members that are due now tell; others may become due before it. It is zero if a start is available then, and if there
// is no Rate. A time in the past counts as now. Delay may be called from any goroutine.
func (g *Group) Delay(at time.Time) time.Duration {
	now := time.Now()
	defer g.unlock(g.lock())
	if g.limiter == nil {
		return 0
	}
	return max(g.wait(now, g.waiting+1)-max(at.Sub(now), 0), 0)
}

// Delay returns how long after its time, see Next, the task has to wait for a start of its groups' Rates, as far as
// these and the tasks that are due now tell. For a task that is due itself, only the tasks before it count, and
// otherwise all of them, as for [Group.Delay]. A time that has passed counts as now. Delay is zero for a task that is
// not scheduled, and its cost grows with the number of those that are due.
//
// Delay panics if no task has the key. It may be called from any goroutine.
func (c *control) Delay(key any) (delay time.Duration) {
	now := time.Now()
	c.lock()
	defer c.mu.Unlock()
	e := c.find(key)
	if e == nil || !e.scheduled() || e.extra == nil || e.extra.member == nil {
		return 0
	}
	in := max(-c.lateness(e, now), 0)
	for _, g := range e.extra.member.groups {
		if g.limiter == nil {
			continue
		}
		ahead := g.waiting
		if e.extra.member.due {
			ahead = c.ahead(e, g)
		}
		delay = max(delay, g.wait(now, ahead+1)-in)
	}
	return delay
}

// ahead returns how many members of g start before e, which is due.
func (c *control) ahead(e *entry, g *Group) (n int) {
	m := e.extra.member
	if slices.Contains(m.keeping(), g) {
		return 0 // g keeps the next start for e
	}
	count := func(o *entry) {
		if slices.Contains(o.groups(), g) {
			n++
		}
	}
	e.queue.before(e, count)
	if e.queue != &g.queue {
		g.queue.before(e, count)
	}
	if e.queue == &c.ready {
		return n // entries for which a start is kept are in that queue
	}
	return n + g.kept
}

// wait returns how long after now n starts will have become available.
func (g *Group) wait(now time.Time, n int) time.Duration {
	missing := float64(n) - g.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	seconds := missing / float64(g.limiter.Limit())
	// Rounded to the nanosecond, as floating point is inexact, and never more than can be added to a time.
	return time.Duration(min(math.Round(seconds*float64(time.Second)), math.MaxInt64/2))
}

// In makes the task a member of g. A task may be in several groups: it starts when all of them admit it. It acquires
// them one after the other, and keeps what it has acquired while it waits for the next, so that others cannot overtake
// it forever: groups with Running first, then those with a Rate, the slowest first, and otherwise in the order in which
// they were made. What counts are the limits with which they were made. While it waits for the last of them, it keeps a
// slot in each of the others, and tasks that wait for a start of their Rate wait behind it. [WithMaxRunning] comes
// last.
func In(g *Group) TaskOption {
	return taskOptionFunc(func(e *entry) error {
		if g == nil {
			return errors.New(`smartpoll: group must not be nil, use one made by NewGroup`)
		}
		x := e.more()
		if x.member == nil {
			x.member = new(membership)
		}
		if !slices.Contains(x.member.groups, g) {
			x.member.groups = append(x.member.groups, g)
			slices.SortFunc(x.member.groups, func(a, b *Group) int { return a.order.compare(b.order) })
		}
		return nil
	})
}

// groupOrder is the place of a group in the order in which tasks acquire groups. It is the same for all tasks, and does
// not change with the limits, so they cannot deadlock. Slots come before rates, because they may be taken for as long as
// tasks run, and a start that is kept meanwhile holds up every other task that waits for that rate.
type groupOrder struct {
	class  int
	speed  float64
	number int64 // counts groups in the order in which they were made
}

// groupsMade counts the groups that were made, and so numbers them.
var groupsMade atomic.Int64

func (c GroupConfig) order() groupOrder {
	o := groupOrder{number: groupsMade.Add(1)}
	if c.Running == 0 {
		o.class = 2
	}
	if c.hasRate() {
		o.class, o.speed = o.class+1, float64(c.Rate)
	}
	return o
}

func (o groupOrder) compare(other groupOrder) int {
	return cmp.Or(
		cmp.Compare(o.class, other.class), cmp.Compare(o.speed, other.speed), cmp.Compare(o.number, other.number),
	)
}
