package smartpoll

import (
	"context"
	"sync"
	"time"
)

// batchSize bounds how many tasks become ready, and how many are started, in one pass of the loop, and so how long mu
// is held, and how long a hook waits behind them.
const batchSize = 32

// control is the main loop, and the state it works on.
//
// The loop has no goroutine of its own. Goroutines take the turn instead: the right to run hooks, and to take from
// ready and q; busy is set while one of them has it. A goroutine whose task has returned leaves the result in q. If the
// turn is free, it takes the turn and runs the loop itself: it starts what is due, runs the hooks in q, and repeats
// until nothing is left to do. Otherwise the holder of the turn will do that, because it looks at q again before giving
// the turn back. So only channel hooks, Do and Run wait for the turn, and a cycle of a task costs no goroutine switch:
// with a goroutine for the loop it took 2 to 4 times as long.
//
// To start an entry is to put it in starts. A goroutine that has no turn, because it has not got it or has given it
// back, takes the first entry of starts and calls its task, and ends if there is none. So a goroutine calls one task
// after the other, as long as they return. Any of them may block, so while starts is not empty, another goroutine is
// always on its way there, see yield; when it takes an entry and leaves others, it sends the next one. With a goroutine
// for each start, a run among 10,000 tasks took almost three times the processor time.
//
// Goroutines: those that call tasks, see work, and may continue as the loop. The goroutines of channel hooks, see
// serve, end with their Run.
type control struct {
	// Written by New.

	base     time.Time // the origin of entry.at
	internal Internal
	limit    int       // of inflight; 0: any number
	observer *Observer // nil: none
	watch    watch     // for the Observer
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
	starts   starts        // entries that were started and wait for a goroutine to call their task, see yield
	helping  bool          // a goroutine is on its way to starts, always so if mu is free and starts is not empty
	pause    pause         // of all tasks
	plans    queue         // entries to be planned, see plan
	reports  []report      // events that the Observer is to be told
	q        ring          // results that wait for their hook, goroutines that wait for the turn
	cur      *entry        // the one whose TaskHook is running; the holder of the turn reads it without mu
	between  bool          // code of the user runs between hooks: a Schedule or a func of the Observer; read like cur
	calls    []callCtx     // the rest of a slab, see newCall; for the holder of the turn
	busy     bool          // a goroutine has the turn
	due      bool          // the timer has fired: entries in timed may be due
	stopped  bool          // no starts and no TaskHooks: no Run is in progress, or it is ending
	inflight int           // entries that are running
	idle     chan struct{} // closed when inflight becomes 0; nil if nothing waits for that
	timer    *time.Timer   // calls fire
	armed    int64         // the time the timer is set to
	capped   bool          // that time was limited to wallCheck because of walls
	roomed   int64         // with an Observer: when WithMaxRunning last ceased to hold up a start, or the Run began
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

// work calls the task of e and does whatever there is to do after it: the loop, and tasks of starts. With e nil it
// begins with the loop: the caller hands over its turn.
func (c *control) work(e *entry) {
	inTask, done := false, false
	defer func() {
		// A panic continues after this, and ends the process with its own stack.
		if done {
			return
		}
		if inTask {
			c.lost(e)
		} else if c.cur != nil || c.between { // in a TaskHook, the Next of a Schedule, or a func of the Observer
			c.fail(ErrPanicInTask)
			c.mu.Lock()
			if e := c.cur; e != nil {
				c.cur = nil
				c.finished(e)
			}
			c.between = false
			if e := c.loop(); e != nil {
				go c.work(e)
			}
		}
	}()
	for {
		turn := true
		if e == nil {
			c.mu.Lock()
		} else {
			inTask = true
			hook, err := c.call(e)
			inTask = false
			c.mu.Lock()
			turn = c.returned(e, hook, err)
		}
		if turn {
			e = c.loop()
		} else {
			e = c.next()
		}
		if e == nil {
			break
		}
	}
	done = true
}

// returned notes the result of e, and reports whether the caller takes the turn. The caller holds mu.
func (c *control) returned(e *entry, hook TaskHook, err error) (turn bool) {
	if e.dropped {
		hook, err = nil, nil
	}
	if c.stopped || hook == nil && err == nil && !e.planned() {
		c.finished(e)
	} else {
		c.q.push(item{e: e, hook: hook, err: err})
	}
	if c.busy || c.stopped {
		return false
	}
	c.busy = true
	return true
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

// loop is the main loop: it is entered with mu and the turn, and gives back both. It returns what next returns.
func (c *control) loop() *entry {
	for {
		c.fresh = false
		if len(c.gone) > 0 {
			c.sweep()
		}
		// Checked before entries are taken from ready: whatever is taken is started.
		if c.ctx.Err() != nil {
			c.stopped = true
		}
		if c.open() {
			c.arm() // for tasks that hooks have scheduled: q may never become empty
			if c.due {
				c.expire()
			}
			c.admit()
			if !c.plans.empty() {
				c.planFirst()
				if c.q.n == 0 {
					continue
				}
			} // then a hook: there may be much to plan, and a Next may be slow
			if len(c.reports) > 0 {
				c.tell()
			}
		}
		if c.q.n > 0 {
			it := c.q.pop()
			switch {
			case it.wait != nil:
				e := c.next()
				it.wait.turn <- true
				return e
			case c.stopped:
				c.finished(it.e)
			default:
				c.cur = it.e
				if it.e.dropped {
					it.hook, it.err = nil, nil
				}
				c.yield()
				c.process(it)
				c.cur = nil
				c.finished(it.e)
			}
			continue
		}
		if c.arm(); !c.pending() {
			c.busy = false
			return c.next()
		}
		c.yield()
		c.mu.Lock()
	}
}

// planFirst plans the first entry of plans. The caller holds mu, which is unlocked meanwhile.
func (c *control) planFirst() {
	e := c.plans.pop()
	c.between = true
	c.yield()
	c.mu.Lock()
	c.plan(e)
	c.between = false
}

// open reports whether tasks may be started.
func (c *control) open() bool { return !c.stopped && c.stop.Err() == nil }

// pending reports whether there may be something to start, or to tell the Observer.
func (c *control) pending() bool {
	return (c.due || !c.plans.empty() || len(c.reports) > 0 || c.room() && !c.ready.empty()) && c.open()
}

// room reports whether [WithMaxRunning] admits one more.
func (c *control) room() bool { return c.limit == 0 || c.inflight < c.limit }

// admit starts entries that are ready, at most a batch of them.
func (c *control) admit() {
	for range batchSize {
		if c.ready.empty() || !c.room() {
			break
		}
		e := c.ready.pop()
		x := e.extra
		if p := c.pauseOf(e); p != nil {
			if x != nil && x.member != nil {
				c.release(x.member)
			}
			p.held.push(e)
			continue
		}
		if x != nil && x.member != nil && !c.join(e) {
			continue
		}
		if !c.fresh {
			c.clock, c.fresh = int64(time.Since(c.base)), true // half the cost of time.Now
		}
		if c.observer != nil {
			c.noteLateness(e)
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
		c.starts.push(e)
	}
}

// finished ends the invocation of e. The caller holds mu.
func (c *control) finished(e *entry) {
	if c.observer != nil {
		c.noteEnd(e)
	}
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
	c.line(e)
	if e.removed {
		c.forget(e)
	}
}

// enqueueReady puts e, which was held up until now, in the ready queue, if it can start. The caller holds mu.
func (c *control) enqueueReady(e *entry) {
	c.noteFreed(e)
	c.line(e)
}

// line puts e in the ready queue, if it can start. The caller holds mu.
func (c *control) line(e *entry) {
	if e.ready && !e.running && !e.paused() {
		if p := c.pauseOf(e); p != nil {
			p.held.push(e)
			return
		}
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
