package gateway

import (
	"context"
	"log/slog"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/store"
)

// openStore opens where cfg keeps its state, unless opts has a store, and puts it and the archive into opts. changed, which has room for one,
// gets a value when the store begins to fail and when it works again. It returns nil for a store in memory.
func openStore(live context.Context, cfg *config.Config, opts *Options, changed chan<- struct{}) (*store.Dir, error) {
	if opts.store != nil || cfg.Store == nil {
		if opts.store == nil {
			opts.store = newStore()
		}
		if opts.runs == nil {
			opts.runs = archive.NewMemoryRuns(nil)
		}
		return nil, nil
	}
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
		return nil, err
	}
	opts.store, opts.runs = dir.Snapshots(), dir.Runs()
	return dir, nil
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

// closeStore writes what waits, within the time of a stop.
func closeStore(live context.Context, dir *store.Dir, log *slog.Logger) {
	if dir == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(live), goodbye)
	defer done()
	if err := dir.Close(ctx); err != nil {
		log.Error("some of the state was not stored", "err", err)
	}
}

// storeError returns why state cannot be stored now, nil if it can.
func (g *gateway) storeError() error {
	if g.dir == nil {
		return nil
	}
	_, err := g.dir.Failing()
	return err
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
	if g.dir == nil {
		return nil
	}
	if err := g.guard.KeepSessions(ctx, g.dir.Sessions()); err != nil {
		return err
	}
	return g.alerts.Restore(ctx, g.dir.Alerts())
}
