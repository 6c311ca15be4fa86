package sources

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/subscription"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// endWithin is how long a reload, or the stop, waits for subscriptions to end.
	endWithin = 5 * time.Second
	// hearWithin is how long a poll by a person waits for the first message of a source that is told its values.
	hearWithin = 10 * time.Second
)

// subscribe has s told its values by to. A message wakes the task of s, as an input does a computed source; the
// subscription begins with the first run of that.
func (s *poller) subscribe(to kind.Subscriber) {
	s.subscription = subscription.New(to, subscription.Options{
		AtMost: s.AtMost, Ready: func() { s.svc.inputChanged(s) }, Log: s.log,
	})
	s.fetcher = s.subscription
}

// connected brings s, which could not be reached, to what it is once it can be: it has no value yet. One that had a
// value stays stale until there is a message, since some may have been missed.
func (s *poller) connected() {
	if s.published.State != wire.SourceFailing {
		return
	}
	after := s.published
	after.State, after.Error, after.Cause = wire.SourcePending, nil, ""
	s.alertOn(&after, false, alert.Evaluation{})
	s.put(after)
}

// ask has s asked for its value, and reports whether it can be.
func (s *poller) ask(internal *smartpoll.Internal) bool {
	if !kind.CanAsk(s.opened) {
		return false
	}
	s.subscription.Ask()
	internal.Schedule(s.key, 0)
	return true
}

// findTold finds out whether s cannot be asked: it, the source of which it is a child, or everything that it is computed from is
// told its values. Known has what was found out already.
func (s *poller) findTold(known map[*poller]bool) bool {
	isTold, ok := known[s]
	switch {
	case ok:
	case s.from != nil:
		isTold = !slices.ContainsFunc(s.uses, func(input *poller) bool { return !input.findTold(known) })
	default:
		opened := s.origin().opened
		_, tells := opened.(kind.Subscriber)
		isTold = tells && !kind.CanAsk(opened)
	}
	known[s], s.isTold = isTold, isTold
	return isTold
}

// release waits until what s has opened has ended, and closes it, once. The tasks of s are gone.
func (s *poller) release(ctx context.Context) {
	if s.released {
		return
	}
	s.released = true
	if s.subscription != nil {
		s.subscription.End()
		if err := s.subscription.Wait(ctx); err != nil {
			s.log.Warn("a subscription has not ended", "err", err)
		}
	}
	if c, ok := s.opened.(io.Closer); ok {
		if err := c.Close(); err != nil {
			s.log.Warn("a source was not closed cleanly", "err", err)
		}
	}
}

// releaseAll releases sources within the time of a stop.
func releaseAll(ctx context.Context, all []*poller) {
	ctx, cancel := context.WithTimeoutCause(ctx, endWithin, errStillSubscribed)
	defer cancel()
	for _, s := range all {
		if s.subscription != nil {
			s.subscription.End() // all at once
		}
	}
	for _, s := range all {
		s.release(ctx)
	}
}

var errStillSubscribed = errors.New("it is still subscribed after " + clock.Words(endWithin))

// Stop ends the subscriptions of all sources, waits for that, and closes what sources have opened. The scheduler has
// ended, and no change is prepared.
func (svc *Service) Stop(ctx context.Context) {
	svc.closeOwners()
	svc.deps.Spans.Lived(svc.deps.Clock.Wall())
	releaseAll(ctx, svc.all())
}

// hear waits for the first message of a source that is told its values.
func (s *poller) hear(ctx context.Context) (kind.Result, error) {
	if s.Pushed() {
		return kind.Result{}, errors.New("values are sent to it while a gateway runs: there is nothing to ask")
	}
	to := s.opened.(kind.Subscriber)
	ctx, cancel := context.WithTimeoutCause(ctx, hearWithin, errors.New("no message for "+clock.Words(hearWithin)))
	defer cancel()
	ready := make(chan struct{}, 1)
	heard := subscription.New(to, subscription.Options{Log: s.log, Ready: func() {
		select {
		case ready <- struct{}{}:
		default:
		}
	}})
	heard.Start(ctx)
	defer func() {
		heard.End()
		_ = heard.Wait(context.Background()) // what it shows in the trace comes before what follows
	}()
	for {
		got, err := heard.Fetch(ctx)
		if !errors.Is(err, kind.ErrNothingYet) && !errors.Is(err, subscription.ErrConnected) {
			return got, err
		}
		if err != kind.ErrNothingYet {
			kind.TraceOf(ctx).Section("connected after %s", kind.TraceOf(ctx).Took())
			continue
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return kind.Result{}, context.Cause(ctx)
		}
	}
}
