package smartpoll

import (
	"context"
	"sync"
	"time"
)

// batchSize bounds how many tasks become ready, and how many are started, in one pass of the loop, and so how long mu
// is held, and how long a hook waits behind starts.
const batchSize = 32

// control is the main loop, and the state it works on.
//
// The loop has no goroutine of its own. Goroutines take the turn instead: the right to run hooks, and to take from
// ready and q; busy is set while one of them has it. A goroutine whose task has returned leaves the result in q. If the
// turn is free, it takes the turn and runs the loop itself: it starts what is due, runs the hooks in q, and repeats
// until nothing is left to do. Otherwise it ends, because the holder of the turn looks at q again before giving it
// back. So only channel hooks, Do and Run wait for the turn, and a cycle of a task costs no goroutine switch: with a
// goroutine for the loop it took 2 to 4 times as long.
//
// Goroutines: each invocation has its own, see work, which may continue as the loop. The goroutines of channel hooks,
// see serve, end with their Run.
type control struct {
	// Written by New.

	base     time.Time // the origin of entry.at
	internal Internal
	limit    int       // of inflight; 0: any number
	observer *Observer // nil: none
	recovers bool      // see WithRecover
	plain    bool      // neither observer nor recovers

	// now, if not nil, maps a reading of the clock to the time of the wall clock. Only tests set it.
	now func(time.Time) time.Time

	// mu is held only for moments: never while user code runs, not even the String method of a key (the runtime hashes
	// and compares keys), nor across anything that blocks. Besides it there is only the lock of a group's limiter,
	// which is taken under it.
	mu sync.Mutex // guards the fields below

	tasks    map[any]*entry
	present  int               // entries of tasks that are not removed
	gone     []*entry          // removed entries, to be forgotten between hooks
	heirs    map[*entry]*entry // for a removed entry that still runs: the one that has its key now
	timed    heap
	ready    queue
	parked   int           // entries in the queues of groups
	plans    queue         // entries to be planned, see plan
	q        ring          // results that wait for their hook, goroutines that wait for the turn
	cur      *entry        // the one whose TaskHook is running; the holder of the turn reads it without mu
	planning bool          // an entry of plans is being planned; read like cur
	calls    []callCtx     // the rest of a slab, see newCall; for the holder of the turn
	busy     bool          // a goroutine has the turn
	due      bool          // the timer has fired: entries in timed may be due
	stopped  bool          // no starts and no TaskHooks: no Run is in progress, or it is ending
	inflight int           // entries that are running
	idle     chan struct{} // closed when inflight becomes 0; nil if nothing waits for that
	timer    *time.Timer   // calls fire
	armed    int64         // the time the timer is set to
	capped   bool          // that time was limited to wallCheck because of walls
	walls    int           // entries in timed that are due by the wall clock
	skew     int64         // wall clock less monotonic clock, when last read
	origin   time.Time     // the reading of the clock from which others are derived, see reading
	clock    int64         // the last reading of the clock
	fresh    bool          // clock was read since mu was taken

	// Of the current or last Run. The holder of the turn, and the goroutines of its tasks and hooks, read these without
	// mu.

	stop   context.Context // once done, nothing is started any more
	ctx    context.Context // the parent of all calls; differs from stop if there is a grace
	hooks  context.Context // derived from ctx: the parent of the contexts of hooks
	cancel func()          // ends both

	err   error  // the first error
	crash func() // panics or calls Goexit as a hook did
}

// work runs the task of e and whatever has to be done after it, on a goroutine of its own, which may go on to run the
// loop. With e nil it runs the loop from the start: the caller hands over its turn.
func (c *control) work(e *entry) {
	inTask, done := false, false
	defer func() {
		// A panic continues after this, and ends the process with its own stack.
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
	if e.planned() && !e.scheduled() && e.queue == nil && !e.removed {
		c.plans.push(e)
	}
	c.kick()
}

// loop is the main loop: it is entered with mu and the turn, and gives back both. If the only thing left to do is to
// start own again, it returns own, to be run by the same goroutine (0.3 µs a cycle against 0.6 with a fresh one), and
// otherwise nil.
func (c *control) loop(own *entry) *entry {
	var batch [batchSize]*entry
	for {
		c.fresh = false
		if len(c.gone) > 0 {
			c.sweep()
		}
		// Checked before entries are taken from ready: whatever is taken is started.
		if c.ctx.Err() != nil {
			c.stopped = true
		}
		n := 0
		if c.open() {
			c.arm() // for tasks that hooks have scheduled: q may never become empty
			if c.due {
				c.expire()
			}
			n = c.admit(&batch)
			if !c.plans.empty() {
				c.planFirst(batch[:n])
				if n = 0; c.q.n == 0 {
					continue
				}
			} // then a hook: there may be much to plan, and a Next may be slow
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
				c.startAndProcess(it, batch[:n])
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

// planFirst starts batch and plans the first entry of plans. The caller holds mu, which is unlocked meanwhile.
func (c *control) planFirst(batch []*entry) {
	e := c.plans.pop()
	c.planning = true
	c.mu.Unlock()
	c.start(batch)
	c.mu.Lock()
	c.plan(e)
	c.planning = false
}

// startAndProcess starts batch and handles a result. The caller holds mu, which is unlocked meanwhile.
func (c *control) startAndProcess(it item, batch []*entry) {
	c.cur = it.e
	if it.e.dropped {
		it.hook, it.err = nil, nil
	}
	c.mu.Unlock()
	c.start(batch)
	c.process(it)
	c.cur = nil
	c.finished(it.e)
}

// open reports whether tasks may be started.
func (c *control) open() bool { return !c.stopped && c.stop.Err() == nil }

// pending reports whether there may be something to start.
func (c *control) pending() bool {
	return (c.due || !c.plans.empty() || c.room() && !c.ready.empty()) && c.open()
}

// room reports whether [WithMaxRunning] admits one more.
func (c *control) room() bool { return c.limit == 0 || c.inflight < c.limit }

// admit fills batch with the entries to start now, and returns how many there are.
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
			c.clock, c.fresh = int64(time.Since(c.base)), true // half the cost of time.Now
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
			x.pending-- // it stays ready
		} else {
			e.ready = false
			e.next = time.Time{}
			if x != nil && x.schedule != nil && x.overlap == Replace {
				x.due = time.Time{}
				c.plans.push(e) // planned at once: the next time is when to replace this run
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

// process handles the result of a task. The caller does not hold mu when it calls process, and holds it afterwards.
func (c *control) process(it item) {
	e, err := it.e, it.err
	if err != nil {
		err = c.failure(e, err)
	} else if it.hook != nil {
		err = c.hook(e.key, it.hook)
		if x := e.options(); x != nil && x.onError != nil && (err != nil || x.failed) {
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
	}
	c.mu.Lock()
	if err == nil && e.planned() {
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

// over marks e as not running. The caller holds mu.
func (c *control) over(e *entry) {
	e.running, e.run = false, nil
	c.enqueueReady(e)
	if e.removed {
		c.forget(e)
	}
}

// enqueueReady puts e in the ready queue, if it can start. The caller holds mu.
func (c *control) enqueueReady(e *entry) {
	if e.ready && !e.running && !e.paused {
		if e.extra != nil && e.extra.member != nil {
			e.extra.member.wait()
		}
		c.ready.push(e)
	}
}

// enter waits for the turn, which is granted in the order of requests.
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

// leave gives the turn back, or passes it to a new goroutine if anything is left to do.
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
