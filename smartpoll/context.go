package smartpoll

import (
	"context"
	"sync"
	"time"
)

// callCtx is the context of one call of a task or hook: a child of Run's
// context that is cancelled when the call returns.
//
// The cancellable context behind it is made on the first use of Done only,
// since most calls never wait for one: two context.WithCancel cost 0.5 µs and
// four allocations a cycle, more than all the rest of it.
type callCtx struct {
	parent context.Context

	mu sync.Mutex // guards the fields below; a leaf

	// real is what Done, Value and Err stand on once it exists: then the context
	// package finds its own type behind Value, and contexts derived from this one
	// cost no goroutine.
	real  *realCtx
	err   error // not nil once the call has ended; what Err says for ever
	cause error // not nil if it ended while the parent was live
}

// slab is how many contexts are allocated at once. One that is kept after its call,
// or for as long as its task runs, keeps a slab of about 1 KB.
const slab = 16

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

type realCtx struct {
	context.Context
	cancel context.CancelCauseFunc
}

func (c *callCtx) Deadline() (time.Time, bool) { return c.parent.Deadline() }

func (c *callCtx) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.realLocked().Done()
}

func (c *callCtx) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.real != nil:
		return c.real.Err()
	default:
		return c.parent.Err()
	}
}

func (c *callCtx) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	c.mu.Lock()
	real := c.real
	if real == nil && c.err != nil {
		// context.Cause asks through Value, and the parent's answer may change
		// after the call has returned.
		real = c.realLocked()
	}
	c.mu.Unlock()
	if real == nil {
		return c.parent.Value(key)
	}
	return real.Value(key)
}

func (c *callCtx) realLocked() *realCtx {
	if c.real == nil {
		parent := c.parent
		ended := c.err != nil && c.cause != nil
		if ended {
			parent = context.WithoutCancel(parent)
		}
		c.real = new(realCtx)
		c.real.Context, c.real.cancel = context.WithCancelCause(parent)
		if ended {
			c.real.cancel(c.cause)
		}
	}
	return c.real
}

// end is called when the call has returned, with [context.Canceled] for a cause,
// or earlier to cancel it with another one. The first one counts.
func (c *callCtx) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if c.real != nil {
		c.real.cancel(cause) // runs no code of the user's: AfterFunc has goroutines of its own
		c.err = c.real.Err()
		return
	}
	c.err, c.cause = c.parent.Err(), nil
	if c.err == nil {
		c.err, c.cause = context.Canceled, cause
	}
}

// limit lets the call take d. It is called before the call begins, and release
// when it has returned.
func (c *callCtx) limit(d time.Duration) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parent, release = context.WithTimeoutCause(c.parent, d, ErrTaskTimeout)
	return release
}

// failed notes, while the call lasts, that the fetch of a [Poll] in it has failed.
func (c *callCtx) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.cause = err
	}
}

// failure returns what failed has noted.
func (c *callCtx) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	return c.cause
}
