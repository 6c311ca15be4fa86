package smartpoll

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// callCtx is the context of one call of a task or hook: a child of Run's
// context that is cancelled when the call returns.
//
// The cancellable context behind it is made on the first use of Done only,
// since most calls never wait for one: two context.WithCancel cost 0.5 µs and
// four allocations a cycle, more than all the rest of it. For the same reason a call
// that ends without such a use costs one atomic operation, and no lock.
type callCtx struct {
	parent context.Context

	// used is nil until there is something to remember, and returned if there was
	// nothing when the call returned. It is set from either to the one usedCtx.
	used atomic.Pointer[usedCtx]
}

// usedCtx is what is known of a call that ends otherwise than by returning, or whose
// context was used.
type usedCtx struct {
	mu sync.Mutex // guards the fields below; a leaf

	parent context.Context // that of the callCtx, or what limit has made of it

	// real is what Done, Value and Err stand on once it exists: then the context
	// package finds its own type behind Value, and contexts derived from this one
	// cost no goroutine.
	real   context.Context
	cancel context.CancelCauseFunc // of real
	err    error                   // not nil once the call has ended; what Err says for ever
	cause  error                   // not nil if it ended while the parent was live
	fetch  error                   // see failed
}

// returned stands for the usedCtx of a call that has returned, its parent being live, and
// whose context nobody had used.
var returned = new(usedCtx)

// slab is how many contexts are allocated at once. One that is kept after its call,
// or for as long as its task runs, keeps a slab of 768 bytes.
const slab = 32

// newCall returns a context for a call, derived from parent. An allocation for each was
// a sixth of the time of a cycle. The caller has the turn.
func (c *control) newCall(parent context.Context) *callCtx {
	if len(c.calls) == 0 {
		c.calls = make([]callCtx, slab)
	}
	ctx := &c.calls[0]
	c.calls = c.calls[1:]
	ctx.parent = parent
	return ctx
}

// hookKey is what contexts of hooks have a value for, and callKey what the context of a
// call answers with itself.
type (
	hookKey struct{ *control }
	callKey struct{}
)

// String keeps package fmt from reading the fields of a context that is in use, as
// GoString does.
func (c *callCtx) String() string { return "smartpoll.callContext" }

// GoString is String.
func (c *callCtx) GoString() string { return c.String() }

// use returns the usedCtx of c, made if need be.
func (c *callCtx) use() *usedCtx {
	for {
		u := c.used.Load()
		if u != nil && u != returned {
			return u
		}
		made := &usedCtx{parent: c.parent}
		if u == returned {
			made.err, made.cause = context.Canceled, context.Canceled
		}
		if c.used.CompareAndSwap(u, made) {
			return made
		}
	}
}

func (c *callCtx) Deadline() (time.Time, bool) {
	parent := c.parent
	if u := c.used.Load(); u != nil && u != returned {
		u.mu.Lock()
		parent = u.parent
		u.mu.Unlock()
	}
	return parent.Deadline()
}

func (c *callCtx) Done() <-chan struct{} {
	u := c.use()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.realLocked().Done()
}

func (c *callCtx) Err() error {
	u := c.used.Load()
	switch u {
	case nil:
		return c.parent.Err()
	case returned:
		return context.Canceled
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.err != nil:
		return u.err
	case u.real != nil:
		return u.real.Err()
	default:
		return u.parent.Err()
	}
}

func (c *callCtx) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	if c.used.Load() == nil {
		return c.parent.Value(key)
	}
	u := c.use()
	u.mu.Lock()
	on := u.real
	switch {
	case on == nil && u.err != nil:
		// context.Cause asks through Value, and the parent's answer may change
		// after the call has returned.
		on = u.realLocked()
	case on == nil:
		on = u.parent
	}
	u.mu.Unlock()
	return on.Value(key)
}

// realLocked returns u.real, made if need be.
func (u *usedCtx) realLocked() context.Context {
	if u.real == nil {
		parent := u.parent
		if u.cause != nil {
			parent = context.WithoutCancel(parent)
		}
		u.real, u.cancel = context.WithCancelCause(parent)
		if u.cause != nil {
			u.cancel(u.cause)
		}
	}
	return u.real
}

// end is called when the call has returned.
func (c *callCtx) end() {
	if c.parent.Err() != nil || !c.used.CompareAndSwap(nil, returned) {
		c.cancel(context.Canceled)
	}
}

// cancel ends the call with the given cause. The first one counts, also if that was end.
func (c *callCtx) cancel(cause error) {
	u := c.use()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return
	}
	if u.real != nil {
		u.cancel(cause) // runs no code of the user's: AfterFunc has goroutines of its own
		u.err = u.real.Err()
		return
	}
	u.err = u.parent.Err()
	if u.err == nil {
		u.err, u.cause = context.Canceled, cause
	}
}

// limit lets the call take d. It is called before the call begins, and release
// when it has returned.
func (c *callCtx) limit(d time.Duration) (release func()) {
	u := c.use() // which somebody may cancel meanwhile
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parent, release = context.WithTimeoutCause(u.parent, d, ErrTaskTimeout)
	return release
}

// failed notes, while the call lasts, that the fetch of a [Poll] in it has failed.
func (c *callCtx) failed(err error) {
	u := c.use()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.fetch = err
	}
}

// failure returns what failed has noted, while the call lasts.
func (c *callCtx) failure() error {
	u := c.used.Load()
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return nil
	}
	return u.fetch
}
