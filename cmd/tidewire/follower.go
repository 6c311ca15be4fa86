package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// outputPatience is how long the command waits for the rest of the output of an ended run.
	outputPatience = 10 * time.Second
	// unreachable is how long a gateway may be unreachable before the command gives up.
	unreachable = 2 * time.Minute
)

// An update is news of a run: its state, output, a connection that was made or has broken, or the reason why nothing
// more follows.
type update struct {
	state     wire.Run
	printed   []string // lines as they are shown
	connected bool
	retry     time.Duration // for a broken connection: the time until the next attempt
	err       error
}

// A follower follows one run of a gateway and shows it. Its goroutines end with live: one receives the states of the
// run, one its output, and one requests its cancellation.
type follower struct {
	gw      *remote
	job     string
	live    context.Context
	client  *progress.Client
	run     *progress.Run
	printed chan struct{} // closed when all output has been passed on
	updates chan update
	view    *runView

	away time.Time // since when the gateway has been unreachable; zero: it is reachable
}

// tell passes an update to await.
func (f *follower) tell(u update) {
	select {
	case f.updates <- u:
	case <-f.live.Done():
	}
}

// start starts the run, or joins one.
func (f *follower) start(ctx context.Context, body wire.Start) (err error) {
	f.client = &progress.Client{
		URL:       f.gw.url("jobs", f.job, "runs").String(),
		Header:    f.gw.header,
		HTTP:      &http.Client{Transport: f.gw.dial},
		Silence:   silence,
		OnConnect: func(*http.Response) { f.tell(update{connected: true}) },
		OnRetry:   func(err error, wait time.Duration) { f.tell(update{retry: wait, err: err}) },
	}
	f.run, err = f.client.Start(ctx, body)
	return err
}

// follow begins to receive the states of the run and, if output is set, its output. The view must be there.
func (f *follower) follow(output bool) {
	go func() {
		for snap, err := range f.run.Follow(f.live) {
			var u update
			if u.err = err; err == nil {
				u.err = json.Unmarshal(snap.Data, &u.state)
			}
			f.tell(u)
		}
	}()
	f.printed = make(chan struct{})
	if !output {
		close(f.printed)
		return
	}
	screen := f.view.screen
	go func() {
		defer close(f.printed)
		followOutput(f.live, f.gw, f.run.ID, screen, func(lines []string) { f.tell(update{printed: lines}) })
	}()
}

// await shows the run until it has ended and all of its output is shown. The first interrupt requests the end of the
// run.
func (f *follower) await(interrupted <-chan struct{}) error {
	tick := time.NewTicker(f.view.interval())
	defer tick.Stop()
	var over <-chan struct{}    // closed when there is nothing more to show; nil until the run has ended
	var enough <-chan time.Time // ends the wait for the output
	for {
		select {
		case <-over:
			return nil
		case <-enough:
			return nil
		case u := <-f.updates:
			if err := f.take(u); err != nil {
				return err
			}
			if over == nil && f.view.state.Status.Ended() {
				interrupted, over, enough = nil, f.printed, time.After(outputPatience)
			}
		case now := <-tick.C:
			f.view.draw(now)
		case <-interrupted:
			interrupted = nil
			if err := f.interrupt(); err != nil {
				return err
			}
		}
	}
}

// take processes and shows an update.
func (f *follower) take(u update) error {
	switch {
	case u.connected:
		f.away, f.view.retryAt = time.Time{}, time.Time{}
	case u.retry > 0:
		if f.away.IsZero() {
			f.away = time.Now()
		} else if time.Since(f.away) > unreachable {
			return fmt.Errorf(
				"%s has not answered for %s; the run may still be in progress there: %w", f.gw, clock.Words(unreachable),
				f.gw.explained(u.err),
			)
		}
		f.view.lost(u.err, time.Now().Add(u.retry))
	case u.err != nil:
		return followError(f.gw, u.err)
	case u.printed != nil:
		for _, line := range u.printed {
			f.view.note(line)
		}
	default:
		f.view.update(u.state, f.run.Coalesced)
	}
	return nil
}

// interrupt requests the end of the run, unless others triggered it too: then it only stops following.
func (f *follower) interrupt() error {
	if f.view.state.Requests > 1 {
		f.view.note(
			fmt.Sprintf("%s continues, because others triggered it too; it can be cancelled on the page", f.job),
		)
		return exitStatus(exitInterrupted)
	}
	f.view.note(fmt.Sprintf("%s has been asked to end; press Ctrl-C again to stop waiting for it", f.job))
	go func() {
		if err := f.run.Cancel(f.live); err != nil {
			f.tell(update{err: err})
		}
	}()
	return nil
}
