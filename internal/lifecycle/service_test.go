package lifecycle_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestStartedAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("did not end well")
		s := lifecycle.Start(t.Context(), func(ctx context.Context, started func()) error {
			time.Sleep(time.Second)
			started()
			<-ctx.Done()
			time.Sleep(time.Second)
			return failure
		})
		begun := time.Now()
		if isClosed(s.Started()) {
			t.Error("Started is closed before the service says so")
		}
		<-s.Started()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("Started took %v, want 1s", took)
		}
		if isClosed(s.Ended()) {
			t.Error("Ended is closed while the service runs")
		}
		for range 2 {
			if err := s.Stop(); err != failure {
				t.Errorf("Stop() = %v, want %v", err, failure)
			}
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("Stop returned after %v, want it to wait for the end at 2s", took)
		}
	})
}

// A service that ends by itself leaves nobody waiting, whether it has started or not.
func TestEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("no port")
		s := lifecycle.Start(t.Context(), func(context.Context, func()) error { return failure })
		<-s.Started()
		<-s.Ended()
		if err := s.Stop(); err != failure {
			t.Errorf("Stop() = %v, want %v", err, failure)
		}
	})
}

func TestEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := lifecycle.Loop(ctx, func(ctx context.Context) { <-ctx.Done() })
		synctest.Wait()
		if !isClosed(s.Started()) || isClosed(s.Ended()) {
			t.Error("a loop has not started, or has ended")
		}
		cancel()
		<-s.Ended()
	})
}

// StartReady returns once the service is ready, or what it has ended with before that.
func TestStartReady(t *testing.T) {
	s, err := lifecycle.StartReady(t.Context(), func(ctx context.Context, started func()) error {
		started()
		started()
		<-ctx.Done()
		return nil
	})
	if err != nil || isClosed(s.Ended()) {
		t.Fatalf("a service that is ready = %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	wrong := errors.New("wrong")
	for _, end := range []error{wrong, nil} {
		s, err := lifecycle.StartReady(t.Context(), func(context.Context, func()) error { return end })
		if s != nil || err == nil || end != nil && err != end {
			t.Errorf("a service that ends with %v before it is ready = %v, %v", end, s, err)
		}
	}
}

// Any number of goroutines start, await and stop services, in every order.
func TestStress(t *testing.T) {
	var running, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				s := lifecycle.Start(ctx, func(ctx context.Context, started func()) error {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					if i%3 > 0 {
						started()
					}
					if i%5 > 0 {
						<-ctx.Done()
					}
					started()
					return ctx.Err()
				})
				var users sync.WaitGroup
				users.Go(func() { <-s.Started() })
				users.Go(func() { _ = s.Stop() })
				if i%2 > 0 {
					users.Go(cancel)
				}
				_ = s.Stop()
				if !isClosed(s.Ended()) {
					t.Error("Stop has returned before the end")
				}
				users.Wait()
				cancel()
			}
		})
	}
	all.Wait()
	if n := running.Load(); n != 0 || most.Load() == 0 {
		t.Errorf("%d services run after all were stopped, %d at most before", n, most.Load())
	}
}
