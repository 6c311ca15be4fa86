// Package subscription keeps a source subscribed that is told its values instead of asking for them.
//
// What the source emits goes into a slot that holds the newest message. [Subscription.Fetch] takes it from there, so
// a message takes the road of a polled value from then on. Nothing waits for anything: neither the source, whose
// messages replace each other, nor whoever takes them, who is told that there is one.
//
// # States
//
// Whenever the link is down, Fetch returns why, once. A message that came just before is taken first. Once the link
// is up again without a message, Fetch returns [ErrConnected], once.
//
// # Goroutines
//
// A Subscription has two: one is in the source's Subscribe, or pauses before the next call of it; the other one calls
// Ready. They end soon after [Subscription.End], as soon as the source's Subscribe and Ready return;
// [Subscription.Wait] waits for that.
package subscription

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/lifecycle"
)

// The pauses before a source is subscribed again: the first one, which doubles with each further failure, and the
// longest.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// ErrConnected is returned once when the link is up after it was down, or for the first time, and there is no message
// yet.
var ErrConnected = errors.New("connected, and no message yet")

// errEnded is the reason if a source's Subscribe returns without one.
var errEnded = errors.New("the subscription has ended")

// Options say what a [Subscription] does.
type Options struct {
	// AtMost is the least time from one call of Ready for a message to the next one; what comes meanwhile replaces
	// what is in the slot. Zero means none.
	AtMost time.Duration

	// Ready is called when there is something to Fetch. It may block.
	Ready func()

	// Log gets the stack of a panic. Nil discards it.
	Log *slog.Logger
}

// A Subscription is one source that is subscribed from [Subscription.Start] to [Subscription.End]. It is a
// [kind.Fetcher]. Its methods may be called from any goroutine.
type Subscription struct {
	source  kind.Subscriber // nil: there is none
	options Options
	news    chan struct{} // has one element if there is something to take
	urgent  chan struct{} // the same, which waits for no pause

	mu sync.Mutex // guards the fields below

	ended   bool
	cancel  context.CancelFunc // nil: it has not started
	loops   []*lifecycle.Service
	message kind.FetchFunc // the newest one that was not taken; nil: none
	down    error          // why the link is down, if that was not taken; nil: it is up, or was taken
	up      bool           // the link is up, which was not taken
	asked   bool           // [Subscription.Ask] was called, which was not taken
	heard   bool           // the link has been up since the last call of Subscribe
}

// New returns what subscribes source, which is not subscribed yet. If that is nil, all messages are those of
// [Subscription.Tell], and there are no goroutines.
func New(source kind.Subscriber, options Options) *Subscription {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Subscription{source: source, options: options, news: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
}

// Start subscribes the source, until ctx ends or [Subscription.End] is called. It does not block. It may be called
// once, and does nothing after End.
func (s *Subscription) Start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.cancel != nil || s.source == nil {
		return
	}
	ctx, s.cancel = context.WithCancel(ctx)
	s.loops = []*lifecycle.Service{lifecycle.Loop(ctx, s.subscribe), lifecycle.Loop(ctx, s.notify)}
}

// End ends the subscription. It does not wait for that: what is emitted from now on is dropped.
func (s *Subscription) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.cancel != nil {
		s.cancel()
	}
}

// Wait waits until a subscription that was told to end has ended, or ctx has: then the error is the cause of that.
func (s *Subscription) Wait(ctx context.Context) error {
	s.mu.Lock()
	loops := s.loops
	s.mu.Unlock()
	for _, loop := range loops {
		select {
		case <-loop.Ended():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// subscribe calls the source's Subscribe again and again.
func (s *Subscription) subscribe(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if s.heard {
			pause = firstPause
		}
		s.heard, s.up, s.down = false, false, err
		s.mu.Unlock()
		signal(s.urgent)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
}

// once calls the source's Subscribe. Its error is never nil.
func (s *Subscription) once(ctx context.Context) (err error) {
	over := false // guarded by s.mu
	defer func() {
		if p := recover(); p != nil {
			s.options.Log.Error("a subscription panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error (%v); the log says more", p)
		}
		s.mu.Lock()
		over = true
		s.mu.Unlock()
		if err == nil {
			err = errEnded
		}
	}()
	return s.source.Subscribe(ctx, func(message kind.FetchFunc) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case over, s.ended:
			return
		case message != nil:
			s.message, s.down, s.up, s.heard = message, nil, false, true
		case !s.heard:
			s.up, s.heard = true, true
		default:
			return
		}
		signal(s.news)
	})
}

// notify calls Ready for what is in the slot.
func (s *Subscription) notify(ctx context.Context) {
	for {
		select {
		case <-s.news:
		case <-s.urgent:
		case <-ctx.Done():
			return
		}
		s.options.Ready()
		if s.options.AtMost <= 0 {
			continue
		}
		pause := time.NewTimer(s.options.AtMost)
		for waiting := true; waiting; {
			select {
			case <-pause.C:
				waiting = false
			case <-s.urgent:
				s.options.Ready()
			case <-ctx.Done():
				pause.Stop()
				return
			}
		}
	}
}

// signal makes sure that there is an element in c.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Ask has the next Fetch ask the source, if there is nothing in the slot.
func (s *Subscription) Ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
}

// Tell puts a message into the slot, as a source does by its [kind.Emit]. But Ready is not called: whoever tells sees to the
// Fetch.
func (s *Subscription) Tell(message kind.FetchFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.message = message
	}
}

// Fetch implements [kind.Fetcher]. It takes what is in the slot: the newest message, then why the link is down, then
// [ErrConnected]. Without any of that it returns [kind.ErrNothingYet].
func (s *Subscription) Fetch(ctx context.Context) (got kind.Result, err error) {
	s.mu.Lock()
	message, down, up, asked := s.message, s.down, s.up, s.asked
	s.asked = false
	switch {
	case message != nil:
		s.message = nil
		if down != nil || up {
			signal(s.urgent)
		}
	case down != nil:
		s.down = nil
		if up {
			signal(s.urgent)
		}
	default:
		s.up = false
	}
	s.mu.Unlock()
	switch {
	case message != nil:
		defer func() {
			if p := recover(); p != nil {
				s.options.Log.Error("a message panicked", "panic", p, "stack", string(debug.Stack()))
				err = fmt.Errorf("internal error (%v); the log says more", p)
			}
		}()
		return message(ctx)
	case down != nil:
		return kind.Result{}, down
	case up:
		return kind.Result{}, ErrConnected
	case asked:
		return s.source.Fetch(ctx)
	}
	return kind.Result{}, kind.ErrNothingYet
}
