package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse"
)

// lag is how late the followers of a store hear of a change, if they do, and Lag is how late they do now.
const lag = 50 * time.Millisecond

var Lag time.Duration

// OverDistant has the gateways of the tests that are run from now on keep their state in a store whose followers hear
// late of what happens. It reports false if there is no need to: for benchmarks and fuzzing.
func OverDistant() bool {
	for _, name := range []string{"test.bench", "test.fuzz", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	fmt.Println("again, over a store whose followers hear late")
	Lag = lag
	memory := newStore
	newStore = func() snapshot.Store { return snapshottest.Distant(memory(), lag) }
	return true
}

// MaxClientStreams is how many streams one address may have.
const MaxClientStreams = maxClientStreams

// ProblemTypes are the types of problems that say more than their status, with their titles.
var ProblemTypes = problem.Titles

// NewHandler is what a gateway answers with, which polls nothing, until stop is called.
func NewHandler(t testing.TB, cfg *config.Config) (handler http.Handler, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	g, err := open(ctx, ctx, cfg, "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g.api.Handler(), cancel
}

// Open makes a gateway whose polls and webhooks make their requests through transport. It
// returns what answers requests, and what polls until its context ends.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, transport http.RoundTripper) (http.Handler, func(context.Context) error, error) {
	handler, run, _, err := OpenStepping(ctx, cfg, log, transport)
	return handler, run, err
}

// OpenStepping is Open with a func that sets the wall clock ahead, or back.
func OpenStepping(ctx context.Context, cfg *config.Config, log *slog.Logger, transport http.RoundTripper) (http.Handler, func(context.Context) error, func(time.Duration), error) {
	g, err := open(ctx, ctx, cfg, "", Options{Logger: log})
	if err != nil {
		return nil, nil, nil, err
	}
	g.client.Transport = transport
	return g.api.Handler(), g.scheduler.Run, func(d time.Duration) { g.clock.Step(d) }, nil
}

// A Polling is the part of a gateway that polls, with fetches of the test's own.
type Polling struct {
	g     *gateway
	fetch func(name string) (any, error)
}

// NewPolling opens a gateway whose sources get their values from fetch, by name. It ends
// with ctx.
func NewPolling(ctx context.Context, cfg *config.Config, fetch func(name string) (any, error)) (Polling, error) {
	g, err := open(ctx, ctx, cfg, "", Options{})
	if err != nil {
		return Polling{}, err
	}
	g.client.Transport = nowhere{}
	p := Polling{g, fetch}
	p.takes(g.sources.all())
	return p, nil
}

// nowhere is a network without hosts. A bubble must not look up names: what the resolver makes then belongs to it, and
// the next bubble cannot use it.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no such host")
}

// takes has sources fetch what the test says.
func (p Polling) takes(sources []*poller) {
	for _, s := range sources {
		if s.from == nil {
			s.fetcher = kind.Values(func(context.Context) (any, error) { return p.fetch(s.Name) })
		}
	}
}

// Change puts another configuration to work.
func (p Polling) Change(ctx context.Context, cfg *config.Config) error {
	c, err := p.g.changeTo(ctx, cfg)
	if err != nil {
		return err
	}
	p.takes(c[1].(*sourceChange).Fresh)
	err = p.g.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		c.Apply()
		return nil
	})
	c.Finish(ctx)
	return err
}

func (p Polling) Run(ctx context.Context) error { return p.g.scheduler.Run(ctx) }

// Step sets the wall clock ahead, or back.
func (p Polling) Step(d time.Duration) { p.g.clock.Step(d) }

// Wall is what the wall clock says.
func (p Polling) Wall() time.Time { return p.g.clock.Wall() }

// Stall has the process stand still, as far as hooks are concerned.
func (p Polling) Stall(ctx context.Context, d time.Duration) {
	_ = p.g.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		time.Sleep(d)
		return nil
	})
}

func (p Polling) Topic(name string) *sse.Topic { return p.g.sources.find(name).topic }

// Newest is the newest snapshot of a source.
func (p Polling) Newest(name string) []byte {
	latest, _ := p.g.store.Latest(p.Topic(name))
	return latest.Data
}

func (p Polling) Refresh(ctx context.Context, name string) (time.Duration, error) {
	return p.g.refresh(ctx, p.g.sources.find(name))
}

// Steady is what is published of v, with the given deadbands, after a value in JSON.
func Steady(bands []config.Deadband, v any, published string) any {
	return steady(bands, v, json.RawMessage(published))
}

// A Gateway is one that serves nobody.
type Gateway struct{ *gateway }

// NewGateway makes a gateway on a configuration, which may be in files. It ends with ctx.
func NewGateway(t testing.TB, ctx context.Context, cfg *config.Config, opts Options) Gateway {
	g, err := open(ctx, ctx, cfg, "127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	return Gateway{g}
}

// Run polls, and loads the configuration again as the options say, until ctx ends.
func (g Gateway) Run(ctx context.Context) {
	polls := lifecycle.Start(ctx, g.poll)
	<-polls.Started()
	g.loader.run(ctx)
	_ = polls.Stop()
}

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
	if _, err := g.loader.apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// Ask has polls and jobs make their requests through transport.
func (g Gateway) Ask(transport http.RoundTripper) { g.client.Transport = transport }

// TryChange is Change, which may fail.
func (g Gateway) TryChange(t testing.TB, cfg *config.Config) error {
	c, err := g.changeTo(t.Context(), cfg)
	if err != nil {
		return err
	}
	c.Apply()
	c.Finish(t.Context())
	return nil
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
	g, err := open(ctx, ctx, cfg, "127.0.0.1:0", opts)
	return Gateway{g}, err
}
