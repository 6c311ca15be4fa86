package smartpoll

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	errAdmitInHook = errors.New(`smartpoll: Admit within a hook would wait for itself, call it elsewhere`)
	errAdmitInUse  = errors.New(`smartpoll: Admit: group in use by another scheduler, make one with NewGroup for each`)
)

// Admit waits until g admits one more, and returns the func that ends the admission. It is for work that is not a task
// but has to observe the limits of g, such as a request triggered in addition to the polls.
//
// An admission counts as a member of g that runs from the moment Admit returns until done is called: it takes a slot
// of Running and a start of Rate, and Gap begins when it is done. It waits in the same queue as the members, first
// come, first served, see [Group] and [HeadStart]. [WithMaxRunning] limits only tasks: an admission does not wait
// behind members that have not come to the queue yet because of it. But a member that has waited in the queue keeps its
// slot and its start while it then waits for WithMaxRunning. [Group.Delay] takes waiting admissions into account. If g
// has only a Rate, done may be called at once: then Admit is what Wait is for a [rate.Limiter].
//
// While g is paused, see [Group.Pause], nothing is admitted; afterwards admissions that wait come before members that
// became due during the pause. But an admission is not a task: it has no key, PauseAll does not affect it, an [Observer]
// does not see it, and [Scheduler.Run] does not wait for it. One in progress when Run ends keeps its slot in g, also in
// the next Run, until done is called.
//
// Admit fails with ctx.Err() if ctx is done before it is admitted, and with [ErrNotRunning] if no Run is in progress or
// it is ending. In a hook it fails at once. Like [In], it makes the Scheduler the owner of g, and fails if g has
// another owner. It panics if g is nil. Admit and done may be called from any goroutine; further calls of done do
// nothing.
func (x *Scheduler) Admit(ctx context.Context, g *Group) (done func(), err error) {
	if g == nil {
		panic(`smartpoll: Admit needs a group, use one made by NewGroup`)
	}
	if !x.made {
		panic(notMade)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &x.control
	if ctx.Value(hookKey{c}) != nil {
		return nil, errAdmitInHook
	}
	e := &entry{extra: &extra{member: &membership{groups: []*Group{g}}, admitted: make(chan struct{})}}
	stop, err := c.enqueue(e)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.extra.admitted:
		return sync.OnceFunc(func() { c.depart(e) }), nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-stop:
		err = ErrNotRunning
	}
	c.depart(e)
	return nil, err
}

// enqueue puts e, an admission, in the queue of its group, which admits it at once if it can. Stop is closed when the
// current Run begins to end.
func (c *control) enqueue(e *entry) (stop <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open() {
		return nil, ErrNotRunning
	}
	if !c.claimGroups(e) {
		return nil, errAdmitInUse
	}
	m := e.extra.member
	g := m.groups[0]
	e.at = c.since(time.Now())
	m.wait()
	g.queue.push(e)
	c.serve(g)
	c.kick() // the group's bell may have been set
	return c.stop.Done(), nil
}

// admitNow starts an admission that was the first in the queue of its group, which has a slot and a start for it. The
// caller holds mu.
func (c *control) admitNow(e *entry) {
	m := e.extra.member
	g := m.groups[0]
	m.due = false
	g.waiting--
	g.running++
	g.visits++
	if g.limiter != nil {
		g.limiter.ReserveN(time.Now(), 1) // even if another one was reserved meanwhile
	}
	close(e.extra.admitted)
}

// depart ends an admission, or takes it out of the queue in which it waits.
func (c *control) depart(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.queue != nil {
		c.dequeue(e)
	} else {
		e.extra.member.groups[0].visits--
		c.quit(e.extra.member)
	}
	c.kick() // another entry may be admitted now
}
