// Package gateway runs a configuration: it polls the sources, runs the jobs and
// serves both over HTTP, as JSON, as event streams and as a page.
//
// Every value takes one road. A poll's result is committed by the scheduler's
// hook, put into the snapshot store, and followed from there into the topic of
// its name by [progress.Tracker]; a job's progress takes the same road. The
// gateway keeps no second copy.
//
// The store may tell its followers late. So there are two ways to read:
//
//   - What this process owns it reads from its owner: [own.Store.Latest] is what
//     it has written last. Decisions are made of that (what is computed from
//     other sources, deadbands, which runs are kept), and it is what the API
//     answers: a client that was told of a run or a change finds it, and never
//     gets an older state afterwards.
//   - The topics of the hub are for those who read along: streams get what the
//     store tells, in its order. And they wake whatever depends on a change: a
//     long poll, a source that is computed from others. A topic changes after
//     its owner, so whoever then reads from the owner has missed nothing.
package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/jobs"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// retention is how long the end of a run can be asked for.
	retention = 24 * time.Hour
	// heartbeat is the silence after which a stream gets a comment; proxies
	// commonly close a connection that was silent for a minute.
	heartbeat = 15 * time.Second
	// drainWindow is the time over which streams are ended at a stop, so that
	// their clients do not all come back at one instant.
	drainWindow = time.Second
	// sharedDrainWindow is that of a replica: the others, which its clients come to, are at work.
	sharedDrainWindow = 500 * time.Millisecond
	// maxStreams is how many streams and long polls there may be at once. Each is a
	// connection, so the process needs as many file descriptors.
	maxStreams = 10_000
	// maxClientStreams is how many of them one address may have; a page needs one for all
	// of its tabs.
	maxClientStreams = 200
	// requestWithin is how long a request may take to come, with its body, and an answer to
	// be taken. It is longer than any long poll; streams have bounds of their own.
	requestWithin = 2 * time.Minute
	// hearWithin is how long a stop waits for the store to tell of the runs that it ended.
	hearWithin = 2 * time.Second
	// goodbye bounds a stop: what has not ended by then is closed.
	goodbye = 10 * time.Second
)

// slowHook is how long a hook of the scheduler may take before the log has it.
var slowHook = 5 * time.Second

// A gateway is one configuration at work.
//
// Its goroutines are the services that serve starts and stops. Those of the domains end when serve stops these; those
// of the hub and the tracker end with the context given to open.
type gateway struct {
	log        *slog.Logger
	store      *own.Store
	home                       // where its state is
	sharing                    // with other replicas
	stopping   context.Context // ends when the gateway begins to stop, by beginStop
	beginStop  context.CancelFunc
	faults     chan struct{} // of 1: the loader is to tell whether state is stored and forwarded
	runs       archive.Runs
	hub        *sse.Hub
	tracker    *progress.Tracker
	scheduler  *smartpoll.Scheduler
	clock      *clock.Clock
	client     *http.Client // of all polls and webhooks
	alerts     *alert.Service
	alerted    atomic.Int64 // how often alerts have changed
	past       past
	cfg        atomic.Pointer[config.Config] // what is configured now
	upstreams  upstream.Pool
	forwarders forwarders
	sources    *sources.Service
	pushes     *idempotency.Keys[access.Identity, bool] // of values that were sent to sources here: whether they counted
	jobs       *jobs.Service
	parts      parts
	derived    *derived
	loader     *loader
	guard      *access.Guard
	auditLog   *audit.Log
	events     archive.Events
	journal    *events.Journal // records in events
	clients    *slog.Logger    // gets what clients cause, as often as flooding lets it pass
	flooding   *flood.Handler
	observer   *Observer // not nil
	api        *api.API
	polling    func()      // called when the scheduler runs
	ready      atomic.Bool // the store is followed and requests are answered
}

// Options are what [Run] can do without.
type Options struct {
	// Logger gets what happens. Nil discards it.
	Logger *slog.Logger

	// Files is what the configuration was read from: [config.Open] has returned both. It is
	// read again when it changes, for each value of Reload, and at POST
	// /api/v1/config/reload. Nil means that the configuration stays as it is.
	Files *config.Files

	// Look is how often Files are looked at for changes. Zero or less means never.
	Look time.Duration

	// Reload asks for Files to be read again, whether they have changed or not.
	Reload <-chan os.Signal

	// TLS makes the gateway speak HTTPS, with HTTP/2. Nil means that it speaks HTTP.
	TLS *tls.Config

	// Observer is told what happens. Nil means nobody is.
	Observer *Observer

	// Metrics makes what answers GET /metrics to those who may view. It is called once, with
	// what says how the gateway is at a moment. Nil means that there are no metrics.
	Metrics func(now func() Status) http.Handler

	// Values makes what answers GET /metrics/values in the same way, with the newest snapshots of all sources, whichever
	// process polls them.
	Values func(now func() []wire.Source) http.Handler

	store snapshot.Store // where the newest state lives; nil: where the configuration says
	runs  archive.Runs   // where ended runs live; nil: where the configuration says

	name   string         // of this replica; empty: by where it listens
	asking replica.Asking // asks the other processes that share the store; nil: there are none
	format int            // the newest one of what they share that this one reads; 0: that of the program

	client  *http.Client           // of all polls and webhooks, for a test; nil: one of its own
	zone    *time.Location         // the local one, for a test; nil: that of the program
	joining func(*replica.Replica) // called before it joins the others; nil: nobody is told
}

// Run serves cfg on ln until ctx ends, then stops in order: polling, runs, streams,
// server. It returns nil after such a stop, and an error when it could not start or
// when the server failed. ln is closed when Run returns. opts may be nil.
func Run(ctx context.Context, cfg *config.Config, ln net.Listener, opts *Options) error {
	defer ln.Close()
	if opts == nil {
		opts = &Options{}
	}
	// Topics and streams outlive ctx for as long as the goodbye takes.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var g *gateway
	var joining atomic.Pointer[replica.Replica]
	prepare := func() (err error) {
		opts := *opts
		opts.joining = joining.Store
		g, err = open(live, cfg, config.ListenAddress(ln.Addr()), opts)
		return err
	}
	var err error
	if cfg.NATS == nil {
		err = prepare()
	} else { // this may take as long as no server can be reached, or as what the others write cannot be read
		opening := context.AfterFunc(ctx, end)
		err = answerWhile(live, ln, opts.TLS, func() error { return joining.Load().Refused() }, prepare)
		if !opening() {
			if err == nil { // it was open already
				g.replica.Leave(context.WithoutCancel(live))
				g.home.close(live, g.log)
			}
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return g.serve(ctx, live, ln, opts.TLS)
}

// open builds a gateway whose topics live as long as live. Its runs end with [jobs.Service.Stop].
func open(live context.Context, cfg *config.Config, addr string, opts Options) (_ *gateway, err error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Observer == nil {
		opts.Observer = &Observer{}
	}
	faults := make(chan struct{}, 1)
	name := cmp.Or(opts.name, replicaName(cfg))
	at, err := openStore(live, cfg, name, &opts, faults)
	if err != nil {
		return nil, err
	}
	g := &gateway{
		log: opts.Logger, clock: clock.New(), home: at, faults: faults,
		store:     own.New(opts.store),
		runs:      opts.runs,
		past:      pastIn(at.dir),
		observer:  opts.Observer,
		client:    cmp.Or(opts.client, httpkind.NewClient()),
		polling:   func() {},
		upstreams: upstream.Pool{Log: opts.Logger},
		flooding:  flood.NewHandler(opts.Logger.Handler()),
	}
	g.stopping, g.beginStop = context.WithCancel(live)
	if opts.asking != nil {
		err = g.openReplica(live, name, opts)
	}
	if err == nil {
		err = g.assemble(live, cfg, opts)
	}
	if err != nil {
		at.close(live, g.log)
		return nil, err
	}
	g.loader = &loader{
		scheduler: g.scheduler, parts: g.parts, clock: g.clock, log: g.log, observer: g.observer, audit: g.auditLog,
		topic: g.configTopic(), options: opts, addr: addr, started: cfg,
		derived: g.derived, atWork: g.cfg.Load(), storeError: g.storeError, forwardError: g.forwarders.failing, faults: faults, storeTold: g.journal.StoreChanged,
		configured: g.configured,
	}
	g.loader.open()
	return g, nil
}

// assemble makes the parts of a gateway, and puts the configuration to work.
func (g *gateway) assemble(live context.Context, cfg *config.Config, opts Options) (err error) {
	g.clients = slog.New(g.flooding)
	g.forwarders = openForwarders(live, g.log, g.faultChanged)
	g.store.OnWrite(g.forwarders.written)
	g.guard = access.New(func() *config.Config { return g.cfg.Load() })
	g.hub = g.newHub(live)
	if err = g.openJournal(live); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			g.journal.Failed()
		}
	}()
	g.auditLog = audit.New(audit.Options{
		File: g.auditFile, Clock: g.clock, Logger: g.log, Lost: g.observer.auditFailed, Tell: g.journal.Audited,
		Replica: g.replica.Name(),
	})
	if g.scheduler, err = g.newScheduler(); err != nil {
		return err
	}
	g.alerts = alert.New(alert.Deps{
		Scheduler: g.scheduler, Client: g.client, Upstream: g.calls().call, Log: g.log, Clock: g.clock,
		Changed: g.alertChanged, Told: g.alertTold, Link: g.link, ListChanged: g.publishAlerts, Newest: g.newest,
		Observer: g.observer.Alerts,
	})
	g.publishAlerts()
	if err = g.resume(live); err != nil {
		return err
	}
	g.sources, g.pushes = g.newSources(), idempotency.New[access.Identity](idempotency.Options[bool]{})
	if g.tracker, err = progress.Open(live, g.hubStore(), &progress.Options{
		Retention: retention, Hub: g.hub, Topic: g.sources.TopicOptions, Logger: g.log, Lost: g.lost(cfg),
	}); err != nil {
		return err
	}
	if err := g.sources.Open(live); err != nil {
		return err
	}
	if g.jobs, err = g.openJobs(live); err != nil {
		return err
	}
	g.api = g.newAPI(opts)
	if cfg, err = g.join(live, cfg, configID(cfg, opts.Files)); err != nil {
		return err
	}
	g.parts = parts{&g.upstreams, &forwarding{g.forwarders, g.calls(), nil}, &alerting{g.alerts, nil}, g.sources, g.jobs, &settings{&g.cfg, g.api}}
	change, err := g.parts.prepare(live, cfg)
	if err != nil {
		return err
	}
	change.Apply()
	if err = g.beginSharing(live); err != nil {
		return err
	}
	g.alerts.Forget()
	return nil
}

// newHub returns what serves the topics.
func (g *gateway) newHub(live context.Context) *sse.Hub {
	window := drainWindow
	if g.replica != nil {
		window = sharedDrainWindow
	}
	return sse.NewHub(live, &sse.HubOptions{
		Heartbeat:   heartbeat,
		DrainWindow: window,
		MaxStreams:  maxStreams,
		Quotas:      []sse.Quota{api.Quota(g.guard, maxClientStreams)},
		OnSubscribe: api.Authorise,
		Subject:     api.Subject,
		TurnAway:    g.turnAway,
		Observer:    g.observer.Streams,
		Logger:      g.clients,
	})
}

// newScheduler returns what starts polls, jobs and deliveries at their times.
func (g *gateway) newScheduler() (*smartpoll.Scheduler, error) {
	return smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: goodbye}),
		smartpoll.WithRunHook(func(context.Context, *smartpoll.Internal) error {
			g.polling()
			return nil
		}),
		smartpoll.WithObserver(&smartpoll.Observer{
			OnStart: g.observer.Sources.OnStart(),
			OnSlowHook: func(key any, took time.Duration) {
				g.log.Warn("a hook holds up all polls, jobs and deliveries", "task", key, "took", took)
			},
			SlowHook: slowHook,
		}))
}

// configTopic returns the topic that has the [wire.Config].
func (g *gateway) configTopic() *sse.Topic {
	return g.hub.Topic(wire.ConfigKey, sse.TopicOptions{KeepData: true})
}

// newAPI returns what answers requests.
func (g *gateway) newAPI(opts Options) *api.API {
	deps := api.Deps{
		Sources:       sharedSources{g.sources, g},
		Jobs:          sharedJobs{g.jobs, g},
		Runs:          sharedJobs{g.jobs, g},
		Samples:       sharedSamples{g.past.samples, g},
		Spans:         g.past.spans,
		Alerts:        sharedAlerts{g.alerts, g},
		AlertsTopic:   g.alertsTopic(),
		Clock:         g.clock,
		Config:        g.cfg.Load,
		ConfigTopic:   g.configTopic(),
		Reload:        g.reload,
		Events:        g.events,
		EventsTopic:   g.eventsTopic(),
		Latest:        g.store.Latest,
		Hub:           g.hub,
		Guard:         g.guard,
		Audit:         g.auditLog,
		Log:           g.log,
		Clients:       g.flooding,
		Replicas:      g.replicas,
		ReplicasTopic: g.replicasTopic(),
		Ready:         g.isReady,
		Newer:         func() bool { return g.replica.Refused() != nil },
		Stopping:      g.stopping.Done(),
		Behind:        g.isBehind,
		StoreFails:    func() bool { return g.storeError() != nil },
	}
	if opts.Metrics != nil {
		deps.Metrics = opts.Metrics(g.status)
	}
	if opts.Values != nil {
		deps.Values = opts.Values(g.values)
	}
	return api.New(deps)
}

// auditFile is the file in which is recorded who does what, empty if there is none.
func (g *gateway) auditFile() string {
	if cfg := g.cfg.Load(); cfg != nil {
		return cfg.Audit
	}
	return "" // the first configuration is being put to work
}
