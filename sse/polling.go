package sse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Publisher receives the values of a [PollingService]. Publish encodes data before it returns, so that the caller may
// reuse it, and never waits for a reader; it may be called from any goroutine.
type Publisher interface {
	Publish(data any)
}

// PollingService produces the values of topics while they have readers. [Polling] is one; an application may bring its
// own.
//
// A [Manager] never calls Start or Stop of a service from two goroutines at once, and calls them alternately: Start,
// Stop, Start, … A service that can end by itself may also have a method Running() bool: when a stream joins and
// Running is false, the Manager calls Stop and then Start again.
type PollingService interface {
	// Start begins to produce values for publisher and returns at once.
	Start(publisher Publisher)
	// Stop ends that; after Stop has returned, nothing is published any more. The Manager logs the error.
	Stop() error
}

// Polling is a [PollingService] that calls a function at an interval and
// publishes what it returns. Make one with [NewPolling]. All methods may be
// called from any goroutine.
//
// The first call is immediate. Calls never overlap: while one takes longer
// than the interval, the ticks that it misses are skipped.
//
// When the function fails or panics, a [PollingError] is published in place of a value, and polling continues. A panic
// in the methods of its error counts as a panic of the function. The status code is that of the first error in the
// chain with a method Code() int, if that lies between 100 and 599, and otherwise 500; a panic counts as 500.
//
// Each Start owns one goroutine. It ends with the next Stop or Start, or when the stop condition is met, and it begins
// to poll only when the goroutine of the previous Start has ended. So a Start never waits, there is never more than one
// polling loop, and Stop reaches all of them.
type Polling struct {
	fetch      func(context.Context) (any, error)
	log        *slog.Logger
	interval   time.Duration
	apiVersion string
	stopWhen   func(any) bool
	stopped    func()

	mu sync.Mutex // guards the fields below

	run *pollingRun // of the newest Start; nil before the first
}

// A pollingRun is the polling begun by one Start.
type pollingRun struct {
	ctx    context.Context // ends when fetching has to end
	cancel context.CancelFunc
	done   chan struct{} // closed when its goroutine has ended
}

// PollingOption configures a [Polling].
type PollingOption func(*Polling)

// WithCustomPollingInterval sets the time from one poll to the next. Zero and
// less mean 5 s.
func WithCustomPollingInterval(d time.Duration) PollingOption {
	return func(p *Polling) { p.interval = d }
}

// WithCustomApiVersion sets the apiVersion in errors. Empty means "v1".
func WithCustomApiVersion(version string) PollingOption {
	return func(p *Polling) { p.apiVersion = version }
}

// WithStopCondition ends polling once met returns true for a value, which is still published. It is not called for
// errors. A panic in it counts as a panic of the polled function. A stream that joins a [Manager] later starts polling
// again, but first gets the existing value.
func WithStopCondition(met func(data any) bool) PollingOption {
	return func(p *Polling) { p.stopWhen = met }
}

// WithStopCallback makes f run once after each Start, when its polling is over,
// for whatever reason. Stop waits for it.
func WithStopCallback(f func()) PollingOption {
	return func(p *Polling) { p.stopped = f }
}

// NewPolling returns a Polling of fetch. The context of fetch ends with Stop. Failures are logged to log; nil discards
// them.
func NewPolling(log *slog.Logger, fetch func(context.Context) (any, error), opts ...PollingOption) *Polling {
	p := &Polling{fetch: fetch, log: log}
	for _, opt := range opts {
		opt(p)
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.interval <= 0 {
		p.interval = 5 * time.Second
	}
	if p.apiVersion == "" {
		p.apiVersion = "v1"
	}
	return p
}

// Start begins to poll for publisher and returns at once. If p is polling already, that polling ends: a Polling has one
// publisher at a time.
func (p *Polling) Start(publisher Publisher) {
	ctx, cancel := context.WithCancel(context.Background())
	run := &pollingRun{ctx: ctx, cancel: cancel, done: make(chan struct{})}
	p.mu.Lock()
	before := p.run
	p.run = run
	p.mu.Unlock()
	if before != nil {
		before.cancel()
	}
	go func() {
		defer close(run.done)
		if before != nil {
			<-before.done
		}
		p.loop(run, publisher)
	}()
}

// Stop ends polling: it ends the context of a call in progress, and returns when that call and the stop callback have
// returned. A value that the call still returns is published first; an error is not. Before the first Start it does
// nothing. The polled function and the callbacks must not call Stop, which would wait for them for ever. The error is
// always nil.
func (p *Polling) Stop() error {
	p.mu.Lock()
	run := p.run
	p.mu.Unlock()
	if run == nil {
		return nil
	}
	run.cancel()
	<-run.done
	return nil
}

// Running reports whether more values may follow. It is false before Start, after Stop, and already when the value that
// met the stop condition is published.
func (p *Polling) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run != nil && p.run.ctx.Err() == nil
}

func (p *Polling) loop(run *pollingRun, publisher Publisher) {
	defer func() {
		run.cancel() // also when fetch has ended the goroutine
		if p.stopped != nil {
			defer contain(p.log, "StopCallback")
			p.stopped()
		}
	}()
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for run.ctx.Err() == nil {
		value, last, err := p.poll(run.ctx)
		if err != nil {
			if run.ctx.Err() != nil {
				return // mostly because polling was stopped
			}
			p.log.Error("poll failed", "err", err)
		}
		if last {
			run.cancel() // before the value is published: a reader that comes after the value finds polling over
		}
		p.publish(publisher, value)
		select {
		case <-ticker.C:
		case <-run.ctx.Done():
		}
	}
}

func (p *Polling) publish(publisher Publisher, value any) {
	defer contain(p.log, "Publisher.Publish") // Publish encodes the value by the value's own methods
	publisher.Publish(value)
}

// poll fetches one value. If that fails, it returns the error, and as value what is published in its place. last
// reports whether the value met the stop condition.
func (p *Polling) poll(ctx context.Context) (value any, last bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("poll panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("sse: polling panicked: %v", v)
			value, last = newPollingError(p.apiVersion, err), false
		}
	}()
	value, err = p.fetch(ctx)
	if err != nil {
		// Made within reach of recover, because the methods of err may panic too.
		return newPollingError(p.apiVersion, err), false, err
	}
	if p.stopWhen != nil {
		last = p.stopWhen(value)
	}
	return value, last, nil
}

// PollingError is published by a [Polling] in place of a value when a poll fails. A [Publisher] can tell it from a
// value by its type, a reader by its members.
type PollingError struct {
	ApiVersion string `json:"apiVersion"` // see WithCustomApiVersion
	Message    string `json:"message"`
	StatusCode int    `json:"statusCode"` // 100 to 599
}

func newPollingError(apiVersion string, err error) PollingError {
	e := PollingError{ApiVersion: apiVersion, Message: err.Error(), StatusCode: http.StatusInternalServerError}
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		if code := coded.Code(); code >= 100 && code <= 599 {
			e.StatusCode = code
		}
	}
	return e
}
