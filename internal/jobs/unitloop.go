package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// unitAgain is the pause after the store has failed.
	unitAgain = 500 * time.Millisecond
	// unitBegins is how often is looked whether the scheduler runs.
	unitBegins = 20 * time.Millisecond
	// unitLook is how often is looked whether a unit is lost.
	unitLook = 2 * time.Second
)

// run takes and gives up units until ctx ends.
func (u *units) run(ctx context.Context) {
	said := "" // of the last failure: as long as the same fails, it is said once
	nothing := func(context.Context, *smartpoll.Internal) error { return nil }
	for {
		err := u.s.deps.Scheduler.Do(ctx, nothing)
		isRunning := !errors.Is(err, smartpoll.ErrNotRunning)
		if err == nil {
			err = u.settle(ctx)
		}
		wait, wake := time.Minute, u.wake
		if err == nil {
			said = ""
		}
		switch {
		case !isRunning: // yet
			wait, wake = unitBegins, nil
		case err != nil && ctx.Err() == nil:
			if err.Error() != said {
				u.s.deps.Log.Warn("jobs were not taken over or given up", "again", unitAgain, "err", err)
			}
			said = err.Error()
			wait, wake = unitAgain, nil // what was tried has changed the store, which wakes
		}
		u.mu.Lock()
		if len(u.held) > 0 {
			wait = min(wait, unitLook) // some may be lost
		}
		u.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}
