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
// The cancellable context behind it is made on the first use of Done only, since most calls never wait for one: two
// context.WithCancel cost 0.5 µs and four allocations a cycle, more than the rest of the cycle. For the same reason a
// call that ends without such a use costs one atomic operation, and no lock.
type callCtx struct {
	parent context.Context

	// used is nil until there is something to remember, and becomes returned if there was nothing when the call
	// returned. Either is replaced by the one usedCtx when that is made.
	used atomic.Pointer[usedCtx]
}

// usedCtx is the state of a call whose context was used, or that ended before it returned.
type usedCtx struct {
	mu sync.Mutex // guards the fields below; a leaf

	parent context.Context // that of the callCtx, or what limit has made of it

	// real answers Done, Value and Err once it exists: then the context package finds its own type behind Value, and
	// contexts derived from this one cost no goroutine.
	real   context.Context
	cancel context.CancelCauseFunc // of real
	err    error                   // not nil once the call has ended; then always the result of Err
	cause  error                   // not nil if it ended while the parent was live
	fetch  error                   // see failed
}

// returned stands for the usedCtx of a call that returned while its parent was live, and whose context was never used.
var returned = new(usedCtx)

// slab is how many contexts are allocated at once. A context that is kept after its call, or during a long one, keeps a
// slab of 768 bytes.
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

// hookKey is a key that contexts of hooks have a value for; for callKey, the context of a call returns itself.
type (
	hookKey struct{ *control }
	callKey struct{}
)

// String keeps package fmt from reading the fields of a context that is in use; so does GoString.
func (c *callCtx) String() string { return "smartpoll.callContext" }

// GoString returns the same as String.
func (c *callCtx) GoString() string { return c.String() }

// use returns the usedCtx of c, and makes it if necessary.
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

// realLocked returns u.real, and makes it if necessary.
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

// cancel ends the call with the given cause. The first cause counts, even if it came from end.
func (c *callCtx) cancel(cause error) {
	u := c.use()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return
	}
	if u.real != nil {
		u.cancel(cause) // runs no user code: AfterFunc starts goroutines
		u.err = u.real.Err()
		return
	}
	u.err = u.parent.Err()
	if u.err == nil {
		u.err, u.cause = context.Canceled, cause
	}
}

// limit gives the call a timeout of d. It is called before the call begins; release is called when the call has
// returned.
func (c *callCtx) limit(d time.Duration) (release func()) {
	u := c.use() // which may be cancelled meanwhile
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
