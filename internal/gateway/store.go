package gateway

import (
	"context"
	"errors"
	"log/slog"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// newStore makes the store of a gateway whose configuration names no directory.
var newStore = func() snapshot.Store { return snapshot.NewMemory() }

// A home is where a gateway keeps its state, beside the snapshots and the runs. Its zero value is the memory.
type home struct {
	dir  *store.Dir
	nats *natsstore.Store
}

// openStore opens where cfg keeps its state, unless opts has a store, and puts it and the archive into opts. changed, which has room for one,
// gets a value when the store begins to fail and when it works again. name is what people call this replica.
func openStore(live context.Context, cfg *config.Config, name string, opts *Options, changed chan<- struct{}) (h home, err error) {
	switch {
	case opts.store != nil:
	case cfg.NATS != nil:
		if h.nats, err = openNATS(cfg.NATS, name, opts.Logger); err != nil {
			return h, err
		}
		opts.store, opts.asking = h.nats, asking{h.nats}
	case cfg.Store == nil:
		opts.store = newStore()
	default:
		return openDir(live, cfg, opts, changed)
	}
	if opts.runs == nil {
		opts.runs = archive.NewMemoryRuns(&archive.MemoryOptions{AsAdded: opts.asking != nil})
	}
	return h, nil
}

// openDir opens the directory in which cfg keeps its state.
func openDir(live context.Context, cfg *config.Config, opts *Options, changed chan<- struct{}) (home, error) {
	dir, err := store.Open(live, cfg.Store.Dir, store.Options{
		Logger: opts.Logger, Keep: cfg.Store.Keep, MaxSize: cfg.Store.MaxSize, Written: opts.Observer.StoreWritten,
		Changed: func() {
			select {
			case changed <- struct{}{}:
			default: // whoever takes it finds the newest state
			}
		},
	})
	if err != nil {
		return home{}, err
	}
	opts.store, opts.runs = dir.Snapshots(), dir.Runs()
	return home{dir: dir}, nil
}

// A past is where the gateway keeps what has happened.
type past struct {
	samples archive.Samples
	spans   archive.Spans
}

// pastIn returns the past in a directory; without one, a past that ends with the process.
func pastIn(dir *store.Dir) past {
	if dir == nil {
		return past{archive.NewMemorySamples(), archive.NewMemorySpans()}
	}
	return past{dir.Samples(), dir.Spans()}
}

// close writes what waits, within the time of a stop.
func (h home) close(live context.Context, log *slog.Logger) {
	ctx, done := context.WithTimeout(context.WithoutCancel(live), goodbye)
	defer done()
	var err error
	switch {
	case h.dir != nil:
		err = h.dir.Close(ctx)
	case h.nats != nil:
		err = h.nats.Close(ctx)
	}
	if err != nil {
		log.Error("some of the state was not stored", "err", err)
	}
}

// storeError returns why state cannot be stored now, nil if it can.
func (g *gateway) storeError() error {
	switch {
	case g.dir != nil:
		_, err := g.dir.Failing()
		return err
	case g.nats != nil:
		return g.nats.Status().Err
	}
	return nil
}

// isReady reports whether this process should get requests: it is at work, and if it shares the store, it is one of the
// replicas. It is while its servers choose another leader, which all replicas wait for at once: a balancer would have
// nobody left.
func (g *gateway) isReady() bool {
	return g.ready.Load() && (g.replica == nil || g.replica.IsMember())
}

// storeStatus says how the store is now, nil for one in memory.
func (g *gateway) storeStatus() *StoreStatus {
	if g.dir == nil {
		return nil
	}
	return &StoreStatus{Failing: g.storeError() != nil, Bytes: g.dir.Size(), Dropped: g.dir.Dropped()}
}

// resume takes up the sessions and alerts that the process before has left.
func (g *gateway) resume(ctx context.Context) error {
	if g.replica != nil {
		return errors.Join(g.resumeShared(ctx), g.shareSessions(ctx), g.shareWatched(ctx))
	}
	if g.dir == nil {
		return nil
	}
	if err := g.guard.KeepSessions(ctx, g.dir.Sessions()); err != nil {
		return err
	}
	return g.alerts.Restore(ctx, g.dir.Alerts())
}
