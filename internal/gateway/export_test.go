package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// SubjectOf is the subject to which the states of a topic are published.
var SubjectOf = subjectOf

// LogHooks has the log have each hook of the schedulers that are made from now on, until restore is called.
func LogHooks() (restore func()) {
	before := slowHook
	slowHook = 1
	return func() { slowHook = before }
}

// Lag is how late the followers of the store hear of a change.
var Lag time.Duration

// BeLate has the gateways of the tests that are run from now on keep their state in a store whose followers hear late of
// what happens.
func BeLate() {
	Lag = 50 * time.Millisecond
	memory := newStore
	newStore = func() snapshot.Store { return snapshottest.Distant(memory(), Lag) }
}

// MaxClientStreams is how many streams one address may have.
const MaxClientStreams = maxClientStreams

// ProblemTypes are the types of problems that say more than their status, with their titles.
var ProblemTypes = problem.Titles

// NewHandler is what a gateway answers with, which polls nothing, until stop is called.
func NewHandler(t testing.TB, cfg *config.Config) (handler http.Handler, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	g, err := open(ctx, cfg, "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g.api.Handler(), cancel
}

// Open makes a gateway whose polls, jobs and webhooks make their requests through transport. It returns what answers
// requests, what polls until its context ends, and what sets the wall clock ahead, or back.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, transport http.RoundTripper) (
	handler http.Handler, run func(context.Context) error, step func(time.Duration), err error,
) {
	g, err := open(ctx, cfg, "", Options{Logger: log, client: &http.Client{Transport: transport}}) // states are forwarded from now on
	if err != nil {
		return nil, nil, nil, err
	}
	return g.api.Handler(), g.scheduler.Run, func(d time.Duration) { g.clock.Step(d) }, nil
}

// A Gateway is one that serves nobody.
type Gateway struct{ *gateway }

// NewGateway makes a gateway on a configuration, which may be in files. It ends with ctx.
func NewGateway(t testing.TB, ctx context.Context, cfg *config.Config, opts Options) Gateway {
	g, err := open(ctx, cfg, "127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	return Gateway{g}
}

// TryOpen makes a gateway, and ends it, unless that fails or does not come to an end with ctx.
func TryOpen(ctx context.Context, cfg *config.Config, opts Options) error {
	_, err := open(ctx, cfg, "127.0.0.1:0", opts)
	return err
}

// Run polls, and loads the configuration again as the options say, until ctx ends.
func (g Gateway) Run(ctx context.Context) { <-g.Start(ctx) }

// Start is Run on a goroutine of its own, after polling has begun. It returns what is closed at the end.
func (g Gateway) Start(ctx context.Context) (over <-chan struct{}) {
	polls := lifecycle.Start(ctx, g.poll)
	<-polls.Started()
	return lifecycle.Loop(ctx, func(ctx context.Context) {
		g.loader.run(ctx)
		_ = polls.Stop()
	}).Ended()
}

// Step sets the wall clock ahead, or back.
func (g Gateway) Step(d time.Duration) { g.clock.Step(d) }

// Close has what waits to be stored written, when Run has ended.
func (g Gateway) Close(ctx context.Context) { g.home.close(ctx, g.log) }

// Handler is what it answers with.
func (g Gateway) Handler() http.Handler { return g.api.Handler() }

// StopJobs ends all runs, and has no further one start.
func (g Gateway) StopJobs() { g.jobs.Stop() }

// Change puts another configuration to work, while Run is not.
func (g Gateway) Change(t testing.TB, cfg *config.Config) {
	if err := g.TryChange(t, cfg); err != nil {
		t.Fatal(err)
	}
}

// Reload puts another configuration to work while Run is on.
func (g Gateway) Reload(t testing.TB, cfg *config.Config) {
	g.loader.busy <- struct{}{}
	defer func() { <-g.loader.busy }()
	id := configID(cfg, nil)
	if _, err := g.loader.apply(t.Context(), cfg, id); err != nil {
		t.Fatal(err)
	}
	g.configured(cfg, nil)
}

// Ask has polls and jobs make their requests through transport.
func (g Gateway) Ask(transport http.RoundTripper) { g.client.Transport = transport }

// TryChange is Change, which may fail.
func (g Gateway) TryChange(t testing.TB, cfg *config.Config) error {
	c, err := g.parts.prepare(t.Context(), cfg)
	if err != nil {
		return err
	}
	c.Apply()
	c.Finish(t.Context())
	return nil
}

// Block has a hook of the scheduler take that long.
func (g Gateway) Block(ctx context.Context, d time.Duration) error {
	return g.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error { time.Sleep(d); return nil })
}

// Tasks are what the scheduler knows.
func (g Gateway) Tasks() map[any]smartpoll.TaskInfo {
	all := make(map[any]smartpoll.TaskInfo)
	for task := range g.scheduler.Tasks() {
		all[task.Key] = task
	}
	return all
}

// Topics are the names of the topics, in order, once these have heard of all that has ended.
func (g Gateway) Topics() []string {
	_ = g.store.Heard(context.Background())
	var names []string
	for topic := range g.hub.Topics() {
		names = append(names, topic.Name())
	}
	slices.Sort(names)
	return names
}

// Newest is the newest snapshot of a topic.
func (g Gateway) Newest(topic string) string {
	t, ok := g.hub.Lookup(topic)
	if !ok {
		return ""
	}
	latest, _ := g.store.Latest(t)
	return string(latest.Data)
}

// On returns the options of a gateway whose state is in store.
func On(store snapshot.Store) Options { return Options{store: store} }

// With returns opts with ended runs in an archive.
func With(opts Options, runs archive.Runs) Options {
	opts.runs = runs
	return opts
}

// ErrUnsettled is why what changed while it was read is not put to work.
var ErrUnsettled = errUnsettled

// LoadWhile reads the configuration again, calls meanwhile, and puts to work what was read, while Run is on.
func (g Gateway) LoadWhile(ctx context.Context, settled bool, meanwhile func()) error {
	cfg, files, err := g.loader.read()
	meanwhile()
	_, err = g.loader.use(ctx, settled, cfg, files, err)
	return err
}

// TryNew makes a gateway, which may fail.
func TryNew(ctx context.Context, cfg *config.Config, opts Options) (Gateway, error) {
	g, err := open(ctx, cfg, "127.0.0.1:0", opts)
	return Gateway{g}, err
}

// End stops a gateway whose Run is over, and closes its store.
func (g Gateway) End() {
	ctx := context.Background()
	g.jobs.Stop()
	g.sources.Stop(ctx)
	g.alerts.Flush(ctx)
	g.upstreams.Close()
	g.endSharing()
	g.Close(ctx)
}

// Status is what metrics are made of.
func (g Gateway) Status() Status { return g.status() }

// Alerts are those that are not clear.
func (g Gateway) Alerts() wire.Alerts { return g.alerts.Alerts() }

// Replica returns the options of a gateway that is one of the replicas whose state is in store, and which are asked by asking.
func Replica(store snapshot.Store, asking replica.Asking) Options {
	return Options{store: store, asking: asking}
}

// Among returns opts of one of the gateways that share a store.
func Among(opts Options, store snapshot.Store, asking replica.Asking) Options {
	opts.store, opts.asking = store, asking
	return opts
}

// Named returns opts of a replica of that name.
func Named(opts Options, name string) Options {
	opts.name = name
	return opts
}

// WithFormat returns options of a gateway that reads what replicas share up to a format.
func (o Options) WithFormat(format int) Options {
	o.format = format
	return o
}

// ZoneID identifies a time zone.
func ZoneID(zone *time.Location) string { return zoneID(zone) }

// InZone returns options of a gateway whose local time zone is that.
func (o Options) InZone(zone *time.Location) Options {
	o.zone = zone
	return o
}

// Refused is why it takes no part among the replicas.
func (g Gateway) Refused() error { return g.replica.Refused() }

// Leave has the gateway leave the other replicas.
func (g Gateway) Leave(ctx context.Context) { g.leave(ctx); g.replica.Close() }

// BeginStop is the beginning of a stop.
func (g Gateway) BeginStop() { g.beginStop() }

// Entries returns the topics in its store that begin in a way.
func (g Gateway) Entries(ctx context.Context, prefix string) (topics []string) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	_ = g.store.Follow(ctx, func(e snapshot.Entry) {
		if strings.HasPrefix(e.Topic, prefix) {
			topics = append(topics, e.Topic)
		}
	}, done)
	return topics
}

// ReplicaID is its id among the replicas.
func (g Gateway) ReplicaID() string { return g.replica.ID() }

// RunsHere reports whether a run has printed something in this process.
func (g Gateway) RunsHere(id string) bool {
	part, err := g.outputs.Runs.Output(context.Background(), id, 0, 0)
	return err == nil && part.Size > 0
}

// Refresh has sources polled at once.
func (g Gateway) Refresh(t testing.TB, names []string) {
	for _, name := range names {
		if _, err := g.sources.Refresh(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}
