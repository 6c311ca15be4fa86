package snapshot

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] inside the process. Its claims are never lost, and it calls its followers for every change before
// the call that made the change returns, on the goroutine of that call, one change after another.
//
// It owns no goroutine. All entries share one timer, which runs while a Final entry waits for the end of its
// retention; it fires at the earliest of them.
//
// Make one with [NewMemory].
type Memory struct {
	born time.Time // origin of the clock, which does not jump with the wall clock

	mu sync.Mutex // guards the fields below, and is held while followers are called; the package has no other lock

	cells     map[string]*cell
	followers []*func(Entry) // by address: functions cannot be compared
	retained  expiries       // the Final cells, earliest first
	timer     *time.Timer    // runs expire at retained[0].expires; nil until first needed
}

// cell is a topic's entry, and the claim that wrote it. A new claim, also of the same run, gets a new cell.
type cell struct {
	m       *Memory
	entry   Entry
	expires int64 // when Final: the end of its retention, on m's clock
	index   int   // when Final: its place in m.retained
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{born: time.Now(), cells: make(map[string]*cell)} }

// now is the time on m's clock.
func (m *Memory) now() int64 { return int64(time.Since(m.born)) }

// Claim implements [Store]. It never waits; it fails only if ctx has ended already.
func (m *Memory) Claim(ctx context.Context, topic string, opts ClaimOptions) (Claim, Entry, error) {
	run := opts.Run
	if run == "" {
		run = NewRun()
	}
	if err := CheckRun(run); err != nil {
		panic(err.Error())
	}
	if opts.Adopt != "" && (opts.Run != "" || opts.KeepFinal) {
		panic("snapshot: Adopt begins no run: Run and KeepFinal must not be set")
	}
	if err := ctx.Err(); err != nil {
		return nil, Entry{}, fmt.Errorf("snapshot: claim %q: %w", topic, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.cells[topic]
	if opts.Adopt != "" {
		return m.adoptLocked(old, opts.Adopt)
	}
	if old != nil {
		if old.entry.State != Final || opts.KeepFinal {
			return nil, old.entry, nil
		}
		heap.Remove(&m.retained, old.index)
	}
	c := &cell{m: m, entry: Entry{Topic: topic, Run: run, State: Live}}
	m.cells[topic] = c
	m.notifyLocked(c.entry)
	return c, c.entry, nil
}

// adoptLocked makes a new cell for the run of an Orphan, so that the claim before, which has the old one, is fenced off.
func (m *Memory) adoptLocked(old *cell, run string) (Claim, Entry, error) {
	switch {
	case old == nil:
		return nil, Entry{}, nil
	case old.entry.State != Orphan || old.entry.Run != run:
		return nil, old.entry, nil
	}
	c := &cell{m: m, entry: old.entry}
	c.entry.State = Live
	m.cells[c.entry.Topic] = c
	m.notifyLocked(c.entry)
	return c, c.entry, nil
}

// Restore puts in place what a topic had in an earlier process. It is for a store that keeps its entries elsewhere too,
// such as on disk, and is a Memory while it runs: it restores them before anybody else uses the Memory. A Live entry
// becomes an [Orphan], for its writer is gone, and so does one that was an Orphan already; retention has no meaning for
// them. A Final one is kept for retention from now on, and followers do not see it if that is zero or less. N, the run and
// the data are those of e.
//
// It fails, and changes nothing, if the topic has an entry, if e is neither of these, or if the id of its run has
// another form than [CheckRun] wants. e.Data must not be modified afterwards.
func (m *Memory) Restore(e Entry, retention time.Duration) error {
	if err := CheckRun(e.Run); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells[e.Topic] != nil {
		return fmt.Errorf("snapshot: restore %q: the topic has an entry", e.Topic)
	}
	c := &cell{m: m, entry: e}
	switch e.State {
	case Live, Orphan:
		c.entry.State = Orphan
	case Final:
		if retention <= 0 {
			return nil
		}
		m.retainLocked(c, retention)
	default:
		return fmt.Errorf("snapshot: restore %q: its entry is %v, want live, orphan or final", e.Topic, e.State)
	}
	m.cells[e.Topic] = c
	m.notifyLocked(c.entry)
	return nil
}

// Forget implements [Store]. It never waits; it fails only with [ErrLive], or if ctx has ended already.
func (m *Memory) Forget(ctx context.Context, topic, run string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("snapshot: forget %q: %w", topic, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cells[topic]
	if c == nil || c.entry.Run != run {
		return nil
	}
	if c.entry.State != Final {
		return fmt.Errorf("%w: run %s of %q", ErrLive, run, topic)
	}
	heap.Remove(&m.retained, c.index)
	m.forgetLocked(c)
	return nil
}

// Sync implements [Store]. There is nothing to wait for; it fails only if ctx has ended.
func (m *Memory) Sync(ctx context.Context) error { return ctx.Err() }

// MaxData implements [Store]: there is no bound but the machine's.
func (m *Memory) MaxData() int { return math.MaxInt }

// Follow implements [Store].
func (m *Memory) Follow(ctx context.Context, fn func(Entry), synced func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.attach(&fn, synced)
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers = slices.DeleteFunc(m.followers, func(f *func(Entry)) bool { return f == &fn })
	return ctx.Err()
}

// attach calls fn with all current entries and makes it a follower, with no change in between.
func (m *Memory) attach(fn *func(Entry), synced func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cells {
		(*fn)(c.entry)
	}
	if synced != nil {
		synced()
	}
	m.followers = append(m.followers, fn)
}

// notifyLocked calls the followers for a change.
func (m *Memory) notifyLocked(e Entry) {
	for _, fn := range m.followers {
		(*fn)(e)
	}
}

// Run implements [Claim].
func (c *cell) Run() string { return c.entry.Run }

// Lost implements [Claim]: within one process nothing can take a claim away that was not released.
func (c *cell) Lost() <-chan struct{} { return nil }

// Put implements [Claim].
func (c *cell) Put(data []byte) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.entry.State != Live {
		return
	}
	c.entry.N++
	c.entry.Data = data
	c.m.notifyLocked(c.entry)
}

// Finish implements [Claim]. It never waits, so it ignores ctx.
func (c *cell) Finish(_ context.Context, data []byte, retention time.Duration) error {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := c.writableLocked(); err != nil {
		return err
	}
	c.entry.N++
	c.entry.State = Final
	c.entry.Data = data
	m.notifyLocked(c.entry)
	if retention <= 0 {
		m.forgetLocked(c)
		return nil
	}
	m.retainLocked(c, retention)
	return nil
}

// retainLocked has a Final cell forgotten after retention.
func (m *Memory) retainLocked(c *cell, retention time.Duration) {
	now := m.now()
	c.expires = now + min(int64(retention), math.MaxInt64-now)
	heap.Push(&m.retained, c)
	if c.index == 0 {
		m.armLocked()
	}
}

// Release implements [Claim]. It never waits, so it ignores ctx.
func (c *cell) Release(context.Context) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if err := c.writableLocked(); err != nil {
		return err
	}
	c.entry.State = Orphan
	c.m.notifyLocked(c.entry)
	return nil
}

// writableLocked returns why the claim can no longer write, nil if it can.
func (c *cell) writableLocked() error {
	switch c.entry.State {
	case Live:
		return nil
	case Orphan:
		return fmt.Errorf("%w: run %s of %q", ErrLost, c.entry.Run, c.entry.Topic)
	}
	return fmt.Errorf("%w: run %s of %q", ErrOver, c.entry.Run, c.entry.Topic)
}

// forgetLocked drops a cell that is the current one of its topic and not in m.retained.
func (m *Memory) forgetLocked(c *cell) {
	c.entry.State = Gone
	c.entry.Data = nil
	delete(m.cells, c.entry.Topic)
	m.notifyLocked(c.entry)
}

// expire forgets the cells whose retention is over; the timer calls it. It may find none, because Claim and Forget do not
// change the timer when they remove the earliest cell.
func (m *Memory) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for now := m.now(); len(m.retained) > 0 && m.retained[0].expires <= now; {
		m.forgetLocked(heap.Pop(&m.retained).(*cell))
	}
	if len(m.retained) > 0 {
		m.armLocked()
	}
}

// armLocked sets the timer to the earliest expiry.
func (m *Memory) armLocked() {
	d := time.Duration(m.retained[0].expires - m.now())
	if m.timer == nil {
		m.timer = time.AfterFunc(d, m.expire)
		return
	}
	m.timer.Reset(d)
}

// expiries is a heap of Final cells that hold their index, so that a replaced one can be removed.
type expiries []*cell

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *expiries) Push(x any) {
	c := x.(*cell)
	c.index = len(*h)
	*h = append(*h, c)
}

func (h *expiries) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
