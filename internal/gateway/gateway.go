// Package gateway runs a configuration: it polls the sources, runs the jobs and
// serves both over HTTP, as JSON, as event streams and as a page.
//
// Every value takes one road. A poll's result is committed by the scheduler's
// hook, put into the snapshot store, followed from there into the topic of its
// name, and read from that topic by the API and by the streams alike; a job's
// progress takes the same road through [progress.Tracker]. The gateway keeps no
// second copy: what the API answers is what the streams sent.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
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
	// goodbye bounds a stop: what has not ended by then is closed.
	goodbye = 10 * time.Second
)

// errStopping is why runs end when the gateway does.
var errStopping = errors.New("tidewire is stopping")

// A gateway is one configuration at work.
//
// Goroutines: the scheduler's loop, the HTTP server and one goroutine a run are
// started by serve and by trigger, and serve waits for all of them. The hub's and
// the tracker's end with the context given to open.
type gateway struct {
	log       *slog.Logger
	store     snapshot.Store
	hub       *sse.Hub
	tracker   *progress.Tracker
	scheduler *smartpoll.Scheduler
	plan      atomic.Pointer[plan] // what is configured now
	guard     *access.Guard
	auditing  auditLog
	stopping  context.Context // done when the gateway begins to stop
	ready     atomic.Bool     // the store is followed and requests are answered

	mu     sync.Mutex // guards closed, and orders runs.Add before runs.Wait
	closed bool       // no run may start any more
	runs   sync.WaitGroup
}

// A plan is what the gateway makes of a configuration. It is replaced as a whole and
// never changed, so whoever answers a request loads it once.
type plan struct {
	cfg     *config.Config
	sources []*poller
	jobs    []*job
}

// source returns the source of that name, nil if there is none.
func (p *plan) source(name string) *poller {
	if i := slices.IndexFunc(p.sources, func(s *poller) bool { return s.Name == name }); i >= 0 {
		return p.sources[i]
	}
	return nil
}

// job returns the job of that name, nil if there is none.
func (p *plan) job(name string) *job {
	if i := slices.IndexFunc(p.jobs, func(j *job) bool { return j.Name == name }); i >= 0 {
		return p.jobs[i]
	}
	return nil
}

// Run serves cfg on ln until ctx ends, then stops in order: polling, runs, streams,
// server. It returns nil after such a stop, and an error when it could not start or
// when the server failed. ln is closed when Run returns.
func Run(ctx context.Context, cfg *config.Config, ln net.Listener, log *slog.Logger) error {
	defer ln.Close()
	// Topics and streams outlive ctx for as long as the goodbye takes.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, err := open(ctx, live, cfg, log)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return g.serve(ctx, live, ln)
}

// open builds a gateway whose topics live as long as live and whose runs are told to
// end with stopping.
func open(stopping, live context.Context, cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{
		log:   log,
		store: snapshot.NewMemory(),
		hub: sse.NewHub(live, &sse.HubOptions{
			Heartbeat:   heartbeat,
			DrainWindow: drainWindow,
			OnSubscribe: maySee,
			Subject:     func(r *http.Request) any { return userOf(r) },
			Logger:      log,
		}),
		auditing: auditLog{log: log},
		stopping: stopping,
	}
	g.guard = access.New(func() *config.Config { return g.plan.Load().cfg })
	var err error
	if cfg.Audit != "" {
		if _, err = g.auditing.open(cfg.Audit); err != nil {
			return nil, err
		}
	}
	g.tracker, err = progress.Open(live, g.store, &progress.Options{Retention: retention, Hub: g.hub, Logger: log})
	if err != nil {
		return nil, err
	}
	p := &plan{cfg: cfg}
	for _, cfg := range cfg.Jobs {
		p.jobs = append(p.jobs, newJob(g, cfg))
	}
	if err := g.openSources(live, p); err != nil {
		return nil, err
	}
	g.plan.Store(p)
	return g, nil
}

// serve runs the gateway until ctx ends or a part of it fails.
func (g *gateway) serve(ctx, live context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           g.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return live },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
	}
	polling, stopPolling := context.WithCancel(live)
	defer stopPolling()
	served, polled := make(chan error, 1), make(chan error, 1)
	g.ready.Store(true) // first: whoever is answered at all finds it so
	go func() { served <- server.Serve(sse.NewListener(ln)) }()
	go func() { polled <- g.scheduler.Run(polling) }()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		g.watchAccess(polling)
	}()

	var failure error
	select {
	case <-ctx.Done():
	case err := <-served:
		failure = fmt.Errorf("gateway: serve: %w", err)
		served <- err
	case err := <-polled:
		// Poll failures are state, not errors: only a defect of ours ends the loop.
		failure = fmt.Errorf("gateway: poll: %w", err)
		polled <- err
	}

	g.ready.Store(false)
	stopPolling()
	<-watched
	if err := <-polled; errors.As(err, new(*smartpoll.DrainError)) {
		g.log.Warn("some polls did not end", "err", err)
	}
	g.stopRuns()
	bye, done := context.WithTimeout(live, goodbye)
	defer done()
	drained := make(chan error, 1)
	go func() { drained <- g.hub.Drain(bye) }()
	if err := server.Shutdown(bye); err != nil {
		server.Close()
		g.log.Warn("some requests were cut off", "err", err)
	}
	<-drained
	<-served
	g.auditing.close()
	return failure
}

// startRun counts one run in, unless the gateway has begun to stop. Whoever gets
// true calls g.runs.Done when the run is over.
func (g *gateway) startRun() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.runs.Add(1)
	return true
}

// stopRuns lets no further run start, ends those in progress and waits for them.
func (g *gateway) stopRuns() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	for _, j := range g.plan.Load().jobs {
		j.cancel("", errStopping)
	}
	g.runs.Wait()
}
