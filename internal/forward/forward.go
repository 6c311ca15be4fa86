// Package forward publishes the states that this process stores, of sources and jobs, for other programs. Of several replicas
// the one that polls a source, or starts the runs of a job, stores its states, so no other one publishes them.
//
// Only the newest unpublished state of each topic waits. So memory is bounded by the number of topics, and a receiver that
// cannot be reached delays nothing. Once it can be reached again it gets the newest states, not those in between.
package forward

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// within bounds one attempt to publish.
	within = 5 * time.Second
	// again is the pause after one that failed.
	again = time.Second
)

// Publish publishes a state under the name of its topic with a dot, such as source.tank. It returns when ctx ends at the
// latest. After an error it is called again, with that state or a newer one.
type Publish func(ctx context.Context, name string, data []byte) error

// A Forwarder publishes states. Its methods may be called from any goroutine.
type Forwarder struct {
	log     *slog.Logger
	publish atomic.Pointer[Publish] // nil: nobody gets them
	wake    chan struct{}           // of 1
	loop    *lifecycle.Service

	mu      sync.Mutex // guards the fields below; after all other locks
	waiting map[string][]byte
}

// Open returns a Forwarder that publishes nothing yet.
func Open(ctx context.Context, log *slog.Logger) *Forwarder {
	f := &Forwarder{log: log, wake: make(chan struct{}, 1), waiting: map[string][]byte{}}
	f.loop = lifecycle.Loop(ctx, f.run)
	return f
}

// To has states published by p from now on; nil: they are not.
func (f *Forwarder) To(p Publish) {
	if p != nil {
		f.publish.Store(&p)
		return
	}
	f.publish.Store(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.waiting)
}

// Written takes the newest state of a topic. It neither waits nor copies data, which must not be changed any more.
func (f *Forwarder) Written(topic string, data []byte) {
	if f.publish.Load() == nil || !strings.HasPrefix(topic, wire.SourceKey("")) && !strings.HasPrefix(topic, wire.JobKey("")) {
		return
	}
	f.put(topic, data, true)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Close publishes what waits, for as long as ctx lasts, and ends what Open has started.
func (f *Forwarder) Close(ctx context.Context) {
	_ = f.loop.Stop()
	f.all(ctx)
}

func (f *Forwarder) run(ctx context.Context) {
	var failing error
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		err := f.all(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && failing == nil:
			f.log.Warn("states are not forwarded: the newest ones will be as soon as that is possible", "err", err)
		case err == nil && failing != nil:
			f.log.Info("states are forwarded again")
		}
		if failing = err; err == nil {
			continue
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return
		}
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// all publishes what waits, until one fails.
func (f *Forwarder) all(ctx context.Context) error {
	f.mu.Lock()
	list := f.waiting
	f.waiting = map[string][]byte{}
	f.mu.Unlock()
	var failed error
	for topic, data := range list {
		if failed == nil {
			failed = f.one(ctx, topic, data)
		}
		if failed == nil {
			continue
		}
		f.put(topic, data, false)
	}
	return failed
}

// put has a state wait, instead of the one that does if it is newer. None waits if nobody gets them: it could be old when
// somebody does again.
func (f *Forwarder) put(topic string, data []byte, newer bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.publish.Load() != nil && (newer || f.waiting[topic] == nil) {
		f.waiting[topic] = data
	}
}

func (f *Forwarder) one(ctx context.Context, topic string, data []byte) error {
	publish := f.publish.Load()
	if publish == nil {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	return (*publish)(ctx, strings.Replace(topic, "/", ".", 1), data)
}
