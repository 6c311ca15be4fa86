package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/sources"
)

// sharedSources are the sources, whichever replica polls them.
type sharedSources struct {
	*sources.Service
	g *gateway
}

// pollerOf returns the ID of the replica that polls a source, or that should; empty: there is none. One with
// another configuration keeps what it has.
func (g *gateway) pollerOf(cfg *config.Source) string {
	if id := g.replica.Keeper(g.sources.PublishedBy(cfg.Name)); id != "" {
		return id
	}
	return g.replica.Owner(sources.UnitOf(cfg))
}

// Refresh has a source polled at once by the replica that polls it; of one that is computed, its inputs are.
func (s sharedSources) Refresh(ctx context.Context, name string) (time.Duration, error) {
	cfg := s.Definition(name)
	if s.g.replica == nil || cfg == nil {
		return s.Service.Refresh(ctx, name)
	}
	if computed, ok := cfg.Spec.(kind.Computed); ok {
		return s.refreshAny(ctx, s.origins(computed.Inputs()))
	}
	return s.refreshOwned(ctx, cfg)
}

// origins are the sources of which some get their values: of rows the one that is split.
func (s sharedSources) origins(names []string) (all []string) {
	known := map[string]bool{}
	for _, name := range names {
		if cfg := s.Definition(name); cfg != nil && cfg.SplitFrom != "" {
			name = cfg.SplitFrom
		}
		if !known[name] {
			known[name] = true
			all = append(all, name)
		}
	}
	return all
}

// refreshAny refreshes sources, of which it is enough that one may be.
func (s sharedSources) refreshAny(ctx context.Context, names []string) (wait time.Duration, err error) {
	err = kind.ErrNotAsked
	for _, name := range names {
		w, failed := s.Refresh(ctx, name)
		switch {
		case failed == nil && (err != nil || w < wait):
			wait, err = w, nil
		case failed != nil && err != nil && !errors.Is(failed, kind.ErrNotAsked):
			err = failed
		}
	}
	return wait, err
}

// refreshOwned refreshes a source that is not computed.
func (s sharedSources) refreshOwned(ctx context.Context, cfg *config.Source) (wait time.Duration, err error) {
	here := func() error {
		wait, err = s.Service.Refresh(ctx, cfg.Name)
		return err
	}
	a, err := s.atPoller(ctx, cfg.Name, question{Op: toRefresh, Source: cfg.Name}, here)
	switch {
	case err != nil || a == nil:
		return wait, err
	case a.NotAsked:
		return 0, kind.ErrNotAsked
	}
	return a.Wait, nil
}

// atPoller does something here, if this replica polls a source, and else asks the one that does, for as long as the source may be
// about to move. The answer is nil if it was done here, or failed.
func (s sharedSources) atPoller(ctx context.Context, name string, q question, here func() error) (*answer, error) {
	for end := time.Now().Add(holderWithin); ; {
		err := here()
		cfg := s.Definition(name)
		if !errors.Is(err, sources.ErrElsewhere) || s.g.replica == nil || cfg == nil {
			return nil, err
		}
		a, failed := s.g.ask(ctx, s.g.pollerOf(cfg), q)
		switch {
		case a.OK, a.NotAsked:
			return &a, nil
		case failed != nil && !errors.Is(failed, replica.ErrNoReplica):
			return nil, failed
		case errors.Is(failed, replica.ErrBusy), !askAgain(ctx, end):
			return nil, replica.ErrNoReplica
		}
	}
}
