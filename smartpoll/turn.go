package smartpoll

import (
	"context"
	"sync"
	"time"
)

// batchSize bounds how many tasks become ready, and how many are started, in one
// pass of the loop: how long mu is held, and how long a hook waits behind starts.
const batchSize = 32

// control is the main loop, and the state it works on.
//
// The loop is a turn, not a goroutine: busy says that somebody has the turn,
// which is the right to run hooks, and to take from ready and q. A goroutine whose
// task has returned leaves the result in q. If nobody has the turn, it takes it
// and runs the loop itself: start what is due, run the hooks in q, and again,
// until nothing is left to do. Otherwise it goes away, because whoever has the
// turn looks at q again before giving it back. So nobody waits for the turn but
// channel hooks and Run, and a cycle of a task costs no goroutine switch: a loop
// goroutine took 2 to 4 times as long.
//
// Goroutines: each invocation has its own, see work, which may go on as that of
// the loop. Those of channel hooks, see serve, end with their Run.
type control struct {
	// Written by New.

	base     time.Time // the origin of entry.at
	internal Internal
	limit    int       // of inflight; 0: any number
	observer *Observer // nil: none
	recovers bool      // see WithRecover
	plain    bool      // neither of the two

	// now, if not nil, maps a reading of the clock to what the wall clock says: that
	// of a test, which sets it.
	now func(time.Time) time.Time

	// mu is held for moments: never while code of the user's runs, not even the String
	// of a key (hashing and comparing keys is done by the runtime alone), nor across
	// anything that blocks. It is the only lock; that of a group's limiter is
	// taken under it.
	mu sync.Mutex // guards the fields below

	tasks    map[any]*entry
	gone     []*entry          // removed ones, to be forgotten between hooks
	heirs    map[*entry]*entry // of a removed one that still runs: who has its key now
	timed    heap
	ready    line
	plans    line          // those that are to be planned, see plan
	q        ring          // results that wait for their hook, goroutines that wait for the turn
	cur      *entry        // whose TaskHook is running; read without mu by who has the turn
	planning bool          // one of plans is; by who has the turn, as cur
	calls    []callCtx     // what is left of a slab, see newCall; for who has the turn
	busy     bool          // somebody has the turn
	due      bool          // the timer has fired, timed may hold what is due
	stopped  bool          // no starts and no TaskHooks: no Run is on, or it is ending
	inflight int           // entries that are running
	idle     chan struct{} // closed when inflight gets to 0, if somebody waits for that
	timer    *time.Timer   // calls fire
	armed    int64         // what the timer is set to
	capped   bool          // and that is near, for the sake of walls
	walls    int           // entries in timed that are due by the wall clock
	skew     int64         // wall clock less monotonic clock, when that was looked at
	origin   time.Time     // a reading of the clock that others are derived from, see reading
	clock    int64         // the last reading of the clock
	fresh    bool          // it was made since mu was taken

	// Of the Run that is on, or was. Read without mu by who has the turn, and by
	// the goroutines of its tasks and hooks.

	stop   context.Context // done: no more starts
	ctx    context.Context // the parent of all calls; another than stop if there is a grace
	hooks  context.Context // derived from ctx: the parent of those of hooks
	cancel func()          // ends both

	err   error  // the first one
	crash func() // panics or exits as a hook did
}

// work runs the task of e and whatever is to do after it. The goroutine is its
// own: it may become that of the loop. With e nil it is so from the start: the
// caller hands over its turn.
func (c *control) work(e *entry) {
	inTask, done := false, false
	defer func() {
		// A panic goes on after this, and ends the process with its own stack.
		if done {
			return
		}
		if inTask {
			c.lost(e)
		} else if c.cur != nil || c.planning { // in a TaskHook, or in the Next of a Schedule
			c.fail(ErrPanicInTask)
			c.mu.Lock()
			if e := c.cur; e != nil {
				c.cur = nil
				c.finished(e)
			}
			c.planning = false
			c.loop(nil)
		}
	}()
	for {
		var hook TaskHook
		var err error
		if e != nil {
			inTask = true
			hook, err = c.call(e)
			inTask = false
		}
		c.mu.Lock()
		if e != nil {
			if e.dropped {
				hook, err = nil, nil
			}
			if c.stopped || hook == nil && err == nil && !e.planned() {
				c.finished(e)
			} else {
				c.q.push(item{e: e, hook: hook, err: err})
			}
			if c.busy || c.stopped {
				c.mu.Unlock()
				break
			}
			c.busy = true
		}
		e = c.loop(e)
		if e == nil {
			break
		}
	}
	done = true
}

// lost ends the invocation of e, whose task did not return.
func (c *control) lost(e *entry) {
	c.mu.Lock()
	dropped := e.dropped || c.stopped || c.ctx.Err() != nil
	c.mu.Unlock()
	if !dropped {
		c.fail(ErrPanicInTask)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished(e)
	if e.planned() && !e.scheduled() && e.line == nil && !e.removed {
		c.plans.push(e)
	}
	c.kick()
}

// loop is the main loop: it is entered with mu and the turn, and gives back
// both. If all that is left to do is to start own again, it returns own, to be
// run by the same goroutine (0.3 µs a cycle against 0.6 with a fresh one), and
// otherwise nil.
func (c *control) loop(own *entry) *entry {
	var batch [batchSize]*entry
	for {
		c.fresh = false
		if len(c.gone) > 0 {
			c.sweep()
		}
		// Before anything is taken: what is taken is started.
		if c.ctx.Err() != nil {
			c.stopped = true
		}
		n := 0
		if c.open() {
			c.arm() // for what hooks have scheduled: q may never get empty
			if c.due {
				c.expire()
			}
			n = c.admit(&batch)
			if !c.plans.empty() {
				c.planFirst(batch[:n])
				if n = 0; c.q.n == 0 {
					continue
				}
			} // and then a hook: there may be much to plan, and a Next may be slow
		}
		if c.q.n > 0 {
			it := c.q.pop()
			switch {
			case it.wait != nil:
				c.mu.Unlock()
				c.start(batch[:n])
				it.wait.turn <- true
				return nil
			case c.stopped:
				c.finished(it.e)
			default:
				c.settleResult(it, batch[:n])
			}
			continue
		}
		if n == 0 || n == 1 && batch[0] == own {
			if c.arm(); !c.pending() {
				c.busy = false
				c.mu.Unlock()
				if n == 0 {
					return nil
				}
				return own
			}
		}
		c.mu.Unlock()
		c.start(batch[:n])
		c.mu.Lock()
	}
}

// planFirst starts batch and plans the first one that waits for that. The caller holds
// mu, which is free meanwhile.
func (c *control) planFirst(batch []*entry) {
	e := c.plans.pop()
	c.planning = true
	c.mu.Unlock()
	c.start(batch)
	c.plan(e)
	c.mu.Lock()
	c.planning = false
}

// settleResult starts batch and deals with a result. The caller holds mu, which is free
// meanwhile.
func (c *control) settleResult(it item, batch []*entry) {
	c.cur = it.e
	if it.e.dropped {
		it.hook, it.err = nil, nil
	}
	c.mu.Unlock()
	c.start(batch)
	c.settle(it)
	c.mu.Lock()
	c.cur = nil
	c.finished(it.e)
}

// open tells whether tasks may be started.
func (c *control) open() bool { return !c.stopped && c.stop.Err() == nil }

// pending tells whether there may be something to start.
func (c *control) pending() bool {
	return (c.due || !c.plans.empty() || c.room() && !c.ready.empty()) && c.open()
}

// room tells whether [WithMaxRunning] admits one more.
func (c *control) room() bool { return c.limit == 0 || c.inflight < c.limit }

// admit fills batch with what is to be started now, and returns how many.
func (c *control) admit(batch *[batchSize]*entry) int {
	n := 0
	for range batchSize {
		if c.ready.empty() || !c.room() {
			break
		}
		e := c.ready.pop()
		x := e.extra
		if x != nil && x.member != nil && !c.join(e) {
			continue
		}
		if !c.fresh {
			c.clock, c.fresh = int64(time.Since(c.base)), true // half as dear as time.Now
		}
		if c.observer != nil {
			e.more().late = c.late(e)
		}
		e.started = c.clock
		e.runs++
		e.running, e.dropped = true, false
		e.run = c.newCall(c.ctx)
		c.inflight++
		if x != nil && x.schedule != nil {
			x.due = e.next
			if !x.from.IsZero() {
				x.due = x.from
			}
			x.from, x.makesUp = time.Time{}, false
		}
		if x != nil && x.pending > 0 {
			x.pending-- // and still ready
		} else {
			e.ready = false
			e.next = time.Time{}
			if x != nil && x.schedule != nil && x.overlap == Replace {
				x.due = time.Time{}
				c.plans.push(e) // now already: it says when to replace this run
			}
		}
		batch[n] = e
		n++
	}
	return n
}

// start is called without mu: starting goroutines under it cost a fifth of the
// throughput.
func (c *control) start(batch []*entry) {
	for _, e := range batch {
		go c.work(e)
	}
}

// settle deals with the result of a task, without mu.
func (c *control) settle(it item) {
	e, err := it.e, it.err
	if err != nil {
		err = c.failure(e, err)
	} else if it.hook != nil {
		err = c.hook(e.key, it.hook)
		if x := e.extra; x != nil && x.onError != nil && (err != nil || x.failed) {
			if err != nil {
				c.count(e, err)
			} else {
				err = x.err // of the fetch of a Poll
			}
			err = c.handle(e, err)
		}
	}
	if err != nil {
		c.fail(err)
	} else if e.planned() {
		c.plan(e)
	}
}

// finished ends the invocation of e. The caller holds mu.
func (c *control) finished(e *entry) {
	c.inflight--
	if c.inflight == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	if x := e.extra; x != nil {
		if !x.failed && !e.dropped {
			x.failures = 0
		}
		x.failed = false
		if x.member != nil {
			c.quit(x.member)
		}
	}
	c.over(e)
}

// over makes e one that is not running. The caller holds mu.
func (c *control) over(e *entry) {
	e.running, e.run = false, nil
	c.queue(e)
	if e.removed {
		c.forget(e)
	}
}

// queue puts e in line to be started, if it is ready for that. The caller holds
// mu.
func (c *control) queue(e *entry) {
	if e.ready && !e.running && !e.paused {
		if e.extra != nil && e.extra.member != nil {
			e.extra.member.wait()
		}
		c.ready.push(e)
	}
}

// enter waits for the turn, which is granted first come, first served.
func (c *control) enter(w *waiter) {
	c.mu.Lock()
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		return
	}
	c.q.push(item{wait: w})
	c.mu.Unlock()
	<-w.turn
}

// leave gives the turn back, to a goroutine of its own if anything is left to do.
func (c *control) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gone) > 0 {
		c.sweep()
	}
	if c.arm(); c.q.n > 0 || c.pending() {
		go c.work(nil)
		return
	}
	c.busy = false
}
