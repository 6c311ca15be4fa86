package sources

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// Lag is how late the followers of the store hear of a change.
var Lag time.Duration

// BeLate has the stores of the tests that are run from now on tell their followers late of what happens.
func BeLate() { Lag = 50 * time.Millisecond }

// A Polling is a Service in a scheduler, a store and a hub of its own, with fetches of the test's own.
type Polling struct {
	*Service
	parts []part
	fetch func(name string) (any, error)
	polls *polls
}

// polls are what the observer has been told of.
type polls struct {
	mu  sync.Mutex // guards the field below
	all []Poll
}

func (p *polls) add(poll Poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, poll)
}

// Observed returns the polls that the observer has been told of, and forgets them.
func (p Polling) Observed() (all []Poll) {
	p.polls.mu.Lock()
	defer p.polls.mu.Unlock()
	all, p.polls.all = p.polls.all, nil
	return all
}

// A part takes part in a change of the configuration.
type part interface {
	Prepare(context.Context, *config.Config) (reconcile.Change, error)
}

// NewPolling has sources get their values from fetch, by name. It ends with ctx.
func NewPolling(ctx context.Context, cfg *config.Config, fetch func(name string) (any, error)) (Polling, error) {
	return NewPollingOn(ctx, NewStore(), cfg, fetch)
}

// Kept has the meanings of sources, for a test of several processes; nil in others.
var Kept Meanings

// NewStore returns an empty store.
func NewStore() snapshot.Store {
	if Lag > 0 {
		return snapshottest.Distant(snapshot.NewMemory(), Lag)
	}
	return snapshot.NewMemory()
}

// NewPollingOn is NewPolling on a store that the sources of others may be in.
func NewPollingOn(
	ctx context.Context, store snapshot.Store, cfg *config.Config, fetch func(name string) (any, error),
) (Polling, error) {
	scheduler, err := smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: 10 * time.Second}))
	if err != nil {
		return Polling{}, err
	}
	observed := new(polls)
	deps := Deps{
		Scheduler: scheduler,
		Store:     own.New(store),
		Hub:       sse.NewHub(ctx, nil),
		Log:       slog.New(slog.DiscardHandler),
		Clock:     clock.New(),
		Client:    &http.Client{Transport: nowhere{}},
		Upstreams: new(upstream.Pool),
		Samples:   archive.NewMemorySamples(),
		Spans:     archive.NewMemorySpans(),
		Meanings:  Kept,
		Changed:   func(_, _, _ string, _ *string) {},
		ClockSet:  func() {},
		Observer:  &Observer{Polled: observed.add},
	}
	deps.Alerts = alert.New(alert.Deps{
		Scheduler: scheduler, Client: deps.Client, Log: deps.Log, Clock: deps.Clock, Changed: func(_, _, _ string) {},
	})
	svc := New(deps)
	leave := func(string, progress.Snapshot) (any, time.Duration) { return nil, 0 }
	opts := &progress.Options{Hub: deps.Hub, Topic: svc.TopicOptions, Lost: leave}
	if _, err := progress.Open(ctx, deps.Store.ForHub(), opts); err != nil {
		return Polling{}, err
	}
	if err := svc.Open(ctx); err != nil {
		return Polling{}, err
	}
	p := Polling{svc, []part{deps.Upstreams, svc}, fetch, observed}
	c, err := p.prepare(ctx, cfg)
	if err != nil {
		return Polling{}, err
	}
	c.Apply()
	return p, nil
}

// prepare prepares a change whose new sources fetch what the test says.
func (p Polling) prepare(ctx context.Context, cfg *config.Config) (reconcile.All, error) {
	var all reconcile.All
	for _, part := range p.parts {
		c, err := part.Prepare(ctx, cfg)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for _, s := range all[len(all)-1].(*change).Fresh {
		if s.Polled() {
			s.fetcher = kind.Values(func(context.Context) (any, error) { return p.fetch(s.Name) })
		}
	}
	return all, nil
}

// nowhere is a network without hosts. A bubble must not look up names: what the resolver makes then belongs to it, and
// the next bubble cannot use it.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no such host")
}

// Change puts another configuration to work.
func (p Polling) Change(ctx context.Context, cfg *config.Config) error {
	c, err := p.prepare(ctx, cfg)
	if err != nil {
		return err
	}
	err = p.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		c.Apply()
		return nil
	})
	c.Finish(ctx)
	return err
}

func (p Polling) Run(ctx context.Context) error { return p.deps.Scheduler.Run(ctx) }

// Step sets the wall clock ahead, or back.
func (p Polling) Step(d time.Duration) { p.deps.Clock.Step(d) }

// Wall is what the wall clock says.
func (p Polling) Wall() time.Time { return p.deps.Clock.Wall() }

// Stall has the process stand still, as far as hooks are concerned.
func (p Polling) Stall(ctx context.Context, d time.Duration) {
	_ = p.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		time.Sleep(d)
		return nil
	})
}

// Due has the tasks of a source begin that are about its age and its alert.
func (p Polling) Due(name string) {
	s := p.find(name)
	p.deps.Scheduler.Schedule(staleKey(s.key), 0)
	if s.alert != nil {
		p.deps.Scheduler.Schedule(s.alert.Key(), 0)
	}
}

// LateChange returns a func that tells the Service that an input of a source has changed, as one may that was on its way
// when the source was removed.
func (p Polling) LateChange(name string) func() {
	s := p.find(name)
	return func() { p.inputChanged(s) }
}

// Changed is how many sources are to be looked at because their inputs have changed.
func (p Polling) Changed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.changed)
}

// Newest is the newest snapshot of a source.
func (p Polling) Newest(name string) []byte {
	latest, _ := p.deps.Store.Latest(p.Topic(name))
	return latest.Data
}

// ApplyDeadband is what is published of v, with the given deadbands, after a value in JSON.
func ApplyDeadband(bands []config.Deadband, v any, published string) any {
	return applyDeadband(bands, v, json.RawMessage(published))
}
