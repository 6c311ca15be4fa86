// Package lifecycle starts and stops what runs beside everything else.
//
// A [Service] is one goroutine from its start to its end. Whoever starts it holds the
// handle, and stops it:
//
//	poller := lifecycle.Start(ctx, poller.Run)
//	<-poller.Started()
//	defer poller.Stop()
//
// A program with several services starts them in an order in which each finds what it
// needs, and stops them in one in which none loses what it still needs. That order is
// written down in one place, which needs no channel for each goroutine.
package lifecycle

import (
	"context"
	"errors"
	"sync"
)

// A Service is a function that runs on a goroutine of its own until it returns by itself
// or is stopped. Make one with [Start]. Its methods may be called from any goroutine.
type Service struct {
	cancel  context.CancelFunc
	started chan struct{} // closed when run has called started, or has returned
	ended   chan struct{} // closed when run has returned
	err     error         // of run; written before ended is closed
}

// Start calls run on a goroutine of its own. run calls started, once or more, when others
// may rely on the service, and returns soon after its context has ended: with ctx, or by
// [Service.Stop].
func Start(ctx context.Context, run func(ctx context.Context, started func()) error) *Service {
	ctx, cancel := context.WithCancel(ctx)
	s := &Service{cancel: cancel, started: make(chan struct{}), ended: make(chan struct{})}
	started := sync.OnceFunc(func() { close(s.started) })
	go func() {
		defer cancel()
		defer close(s.ended)
		defer started() // nobody waits for a service that did not get that far
		s.err = run(ctx, started)
	}()
	return s
}

// StartReady is Start that returns once others may rely on the service. If it ends without
// getting that far, the error is what it has ended with.
func StartReady(ctx context.Context, run func(ctx context.Context, started func()) error) (*Service, error) {
	ready := false // written before started is called
	s := Start(ctx, func(ctx context.Context, started func()) error {
		return run(ctx, sync.OnceFunc(func() { ready = true; started() }))
	})
	if <-s.started; ready {
		return s, nil
	}
	if err := s.Stop(); err != nil {
		return nil, err
	}
	return nil, errors.New("it ended before others could rely on it")
}

// Loop is Start for a function that others may rely on as soon as it is called, and that
// has no error to return.
func Loop(ctx context.Context, run func(ctx context.Context)) *Service {
	return Start(ctx, func(ctx context.Context, started func()) error {
		started()
		run(ctx)
		return nil
	})
}

// Started returns a channel that is closed once others may rely on the service, or once it
// has ended without getting that far.
func (s *Service) Started() <-chan struct{} { return s.started }

// Ended returns a channel that is closed once the service has ended.
func (s *Service) Ended() <-chan struct{} { return s.ended }

// Stop ends the service, waits until it has ended, and returns the error that it ended
// with. It may be called again, and after the service has ended by itself.
func (s *Service) Stop() error {
	s.cancel()
	<-s.ended
	return s.err
}
