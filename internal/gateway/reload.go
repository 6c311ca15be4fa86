package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

const (
	// quietFor is how long files must stay as they are before they are read: whoever
	// writes them may have written a part.
	quietFor = 500 * time.Millisecond
)

var (
	// errUnsettled is why what was read is not put to work: it is being written.
	errUnsettled = errors.New("the configuration changed while it was read")
)

// A loader reads the configuration again and puts what it says to work, one time after the
// other. What cannot be read, or is not valid, changes nothing.
//
// Its run is a goroutine that serve starts, and that ends before the runs do.
type loader struct {
	scheduler *smartpoll.Scheduler // applies a change in a hook
	parts     parts
	clock     *clock.Clock
	log       *slog.Logger
	observer  *Observer
	audit     *audit.Log
	topic     *sse.Topic // has the [wire.Config]
	options   Options
	addr      string         // where the gateway listens
	started   *config.Config // with which the gateway began

	configured func(*config.Config, *config.Files) // is told which configuration is at work

	derived *derived

	storeError   func() error    // why state cannot be stored now
	forwardError func() error    // why states are not forwarded now
	faults       <-chan struct{} // gets a value when one of both begins and when it is over
	storeTold    func(why error) // is told of the first, nil when it is over

	// busy holds a token while somebody reads the configuration or looks at its files, who
	// may use the fields below then.
	busy    chan struct{}
	files   *config.Files  // nil: the configuration is in no file
	current *config.Config // the one at work, as the files say
	atWork  *config.Config // with the sources that are derived from it
	state   wire.Config
}

// open publishes that the configuration with which the gateway began is at work. Fields above busy are set.
func (l *loader) open() {
	l.busy, l.files, l.current = make(chan struct{}, 1), l.options.Files, l.started
	l.state = wire.Config{Key: wire.ConfigKey, LoadedAt: *l.clock.People(l.clock.Now()), Version: 1}
	if l.files != nil {
		l.state.File = l.files.Name()
	}
	l.publish()
	l.warn(l.started)
}

// publish tells the streams how it is.
func (l *loader) publish() {
	failed, err := l.state.StoreError != nil, l.storeError()
	l.state.StoreError, l.state.ForwardError = textOf(err), textOf(l.forwardError())
	if failed != (err != nil) {
		l.storeTold(err)
	}
	data, _ := json.Marshal(l.state) // times and texts encode
	_ = l.topic.Publish(sse.Event{Data: data})
}

// run reads the configuration again when its files have changed and stay so, and when
// asked to, until ctx ends.
func (l *loader) run(ctx context.Context) {
	var look <-chan time.Time
	timer := time.NewTimer(l.options.Look)
	defer timer.Stop()
	if l.options.Look > 0 && l.options.Files != nil {
		look = timer.C
	}
	reload := l.options.Reload
	var seen grammar.Sum // what the files held when they were last found changed
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-reload:
			if !ok {
				reload = nil
				continue
			}
			_, _ = l.reload(ctx, audit.Program(), false) // it has said itself what came of it
		case <-l.faults:
			l.tellFaults(ctx)
		case <-l.derived.changed:
			l.derive(ctx)
		case <-look:
			next := l.options.Look
			switch now, changed := l.look(ctx); {
			case changed && now == seen:
				_, _ = l.reload(ctx, audit.Program(), true)
			case changed:
				seen, next = now, min(next, quietFor)
			}
			timer.Reset(next)
		}
	}
}

// textOf is the text of an error, nil for nil.
func textOf(err error) *string {
	if err == nil {
		return nil
	}
	return new(err.Error())
}

// tellFaults tells the streams whether state is stored and forwarded now.
func (l *loader) tellFaults(ctx context.Context) {
	select {
	case l.busy <- struct{}{}:
		l.publish()
		<-l.busy
	case <-ctx.Done():
	}
}

// look looks whether the files are other ones than those that were read.
func (l *loader) look(ctx context.Context) (now grammar.Sum, changed bool) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
		return l.files.Look()
	case <-ctx.Done():
		return grammar.Sum{}, false
	}
}

// reload reads the configuration for somebody, puts to work what differs from what is, and
// records that. If it is settled, it must not change meanwhile. The error is [config.Problems] where those are
// the reason; api.ErrStopping if the gateway is, and ctx's; then, and for api.ErrNoFile and
// errUnsettled, nothing is said to anybody else.
func (l *loader) reload(ctx context.Context, who audit.Actor, settled bool) (*reconcile.Difference, error) {
	diff, err := l.tryReload(ctx, settled)
	switch {
	case errors.Is(err, errUnsettled):
	case err != nil:
		l.audit.Record(who, "reload", slog.String("error", api.Brief(err)))
	default:
		l.audit.Record(
			who, "reload", slog.Any("added", diff.Added), slog.Any("changed", diff.Changed),
			slog.Any("removed", diff.Removed),
		)
	}
	return diff, err
}

// tryReload is reload without the record.
func (l *loader) tryReload(ctx context.Context, settled bool) (*reconcile.Difference, error) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.files == nil {
		return nil, api.ErrNoFile
	}
	l.observer.reloading(true)
	defer l.observer.reloading(false)
	cfg, files, err := l.read()
	return l.use(ctx, settled, cfg, files, err)
}

// use puts to work what was read, or says why that is wrong. The caller holds busy.
func (l *loader) use(
	ctx context.Context, settled bool, cfg *config.Config, files *config.Files, err error,
) (*reconcile.Difference, error) {
	if _, changed := files.Look(); changed && settled {
		return nil, errUnsettled
	}
	l.files = files // of what is not valid, too: it may be mended in any of them
	var diff *reconcile.Difference
	if err == nil {
		diff, err = l.apply(ctx, cfg, configID(cfg, files))
	}
	if err == nil {
		l.configured(cfg, files)
	}
	if errors.Is(err, api.ErrStopping) || ctx.Err() != nil {
		return nil, err
	}
	l.observer.reloaded(err)
	log := l.log.With("file", files.Name())
	if err != nil {
		log.Error("configuration not loaded, the previous one stays in effect")
		for line := range strings.Lines(err.Error()) {
			l.log.Error("configuration problem", "problem", strings.TrimSuffix(line, "\n"))
		}
		text := api.Brief(err)
		l.state.Error = &text
		l.publish()
		return nil, err
	}
	log.Info(
		"configuration loaded", "added", diff.Added, "changed", diff.Changed, "removed", diff.Removed, "unchanged",
		diff.Unchanged,
	)
	if len(diff.Restart) > 0 {
		log.Warn("configuration needs a restart", "keys", diff.Restart)
	}
	return diff, nil
}

// warn logs what may well be right in a configuration that is put to work.
func (l *loader) warn(cfg *config.Config) {
	for _, p := range cfg.Warnings {
		l.log.Warn("the configuration is worth a look", "warning", p.String())
	}
}

// read reads the files. A panic there is a defect, but none that should end the gateway.
func (l *loader) read() (cfg *config.Config, files *config.Files, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("reading the configuration panicked", "panic", p, "stack", string(debug.Stack()))
			files, err = l.files, errors.New("internal error; the log says more")
		}
	}()
	return config.Open(l.files.Name())
}

// apply puts to work what cfg, whose files are identified by id, says otherwise, and tells the streams.
func (l *loader) apply(ctx context.Context, cfg *config.Config, id string) (*reconcile.Difference, error) {
	if err := config.CheckListen(l.addr, cfg); err != nil {
		return nil, err
	}
	diff, err := l.put(ctx, l.derived.expand(cfg, id))
	if err != nil {
		return nil, err
	}
	l.current = cfg
	l.warn(cfg)
	if cfg.Listen != l.started.Listen || cfg.Socket != l.started.Socket {
		diff.Restart = append(diff.Restart, "listen")
	}
	if !config.Same(cfg.Store, l.started.Store) || !config.Same(cfg.NATS, l.started.NATS) {
		diff.Restart = append(diff.Restart, "store")
	}
	if !config.Same(cfg.TLS, l.started.TLS) {
		diff.Restart = append(diff.Restart, "tls")
	}
	l.state.LoadedAt, l.state.Error = *l.clock.People(l.clock.Now()), nil
	if diff.Any() {
		l.state.Version++
	}
	l.publish() // last: whoever asks for the lists now gets the new ones
	return diff, nil
}

// put puts to work what cfg says otherwise.
func (l *loader) put(ctx context.Context, cfg *config.Config) (*reconcile.Difference, error) {
	c, err := l.parts.prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = l.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		c.Apply()
		return nil
	})
	rest := context.WithoutCancel(ctx)
	if err != nil {
		c.Withdraw(rest)
		if errors.Is(err, smartpoll.ErrNotRunning) {
			err = api.ErrStopping
		}
		return nil, err
	}
	c.Finish(rest)
	l.atWork = cfg
	l.derived.atWork(cfg)
	diff := c.Difference()
	return &diff, nil
}

// reload puts the configuration to work that the files have now.
func (g *gateway) reload(ctx context.Context, who audit.Actor) (wire.Difference, error) {
	diff, err := g.loader.reload(ctx, who, false)
	if err != nil {
		return wire.Difference{}, err
	}
	return wire.Difference{
		Added:     diff.Added,
		Changed:   diff.Changed,
		Removed:   diff.Removed,
		Unchanged: diff.Unchanged,
		Restart:   diff.Restart,
	}, nil
}
