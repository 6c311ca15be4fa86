package smartpoll

import (
	"context"
	"errors"
	"runtime"
)

// Hook will be called with the values `value, ok := <-ch`, where ch represents
// the channel this hook was configured with. The context will be a descendent of
// the [Scheduler.Run] context, and will be cancelled after the hook returns.
//
// If the channel is closed, the hook is called once per Run with ok false. An
// error ends Run, which returns it. A panic reaches the caller of Run with the
// same value, and runtime.Goexit ends the goroutine that called Run.
type Hook[T any] func(ctx context.Context, internal *Internal, value T, ok bool) error

// WithHook adds a [Hook] for the given channel.
//
// During each Run, a goroutine per hook receives from the channel and holds the value until the hook can run, so one
// value may already be received while another hook runs. A received value always reaches the hook, even if Run is about
// to end: then the hook's context is already done. Other values stay in the channel. Several hooks may share a channel:
// each value goes to one of them.
func WithHook[T any](ch <-chan T, hook Hook[T]) Option {
	return optionFunc(func(x *Scheduler) error {
		if ch == nil {
			return errors.New(`smartpoll: hook channel must not be nil`)
		}
		if hook == nil {
			return errors.New(`smartpoll: hook func must not be nil`)
		}
		x.hooks = append(x.hooks, func() { serve(&x.control, ch, hook) })
		return nil
	})
}

// errCrashed stops a Run whose hook has panicked or called runtime.Goexit. Run then does the same, so callers never see
// this error.
var errCrashed = errors.New(`smartpoll: hook crashed`)

// serve is the goroutine of a channel hook. It belongs to one Run, which waits for it, so that it cannot take a value
// away from the next one. It runs only its own hook, never the loop: a Goexit in a task's hook must not end this
// goroutine.
func serve[T any](c *control, ch <-chan T, hook Hook[T]) {
	stop := c.stop
	wait := newWaiter()
	inHook := false
	defer func() {
		if !inHook {
			return
		}
		crash := runtime.Goexit
		if value := recover(); value != nil {
			crash = func() { panic(value) }
		}
		c.mu.Lock()
		if c.crash == nil {
			c.crash = crash
		}
		c.mu.Unlock()
		c.fail(errCrashed)
		c.leave()
	}()
	for stop.Err() == nil {
		select {
		case <-stop.Done():
			return
		case value, ok := <-ch:
			c.enter(wait)
			inHook = true
			err := c.hook(nil, func(ctx context.Context, internal *Internal) error {
				return hook(ctx, internal, value, ok)
			})
			inHook = false
			if err != nil {
				c.fail(err)
			}
			c.leave()
			if !ok {
				return
			}
		}
	}
}
