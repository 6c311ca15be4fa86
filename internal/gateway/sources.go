package gateway

import (
	"context"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
)

// newSources returns what polls the sources.
func (g *gateway) newSources() *sources.Service {
	deps := sources.Deps{
		Scheduler: g.scheduler,
		Store:     g.store,
		Hub:       g.hub,
		Log:       g.log,
		Clock:     g.clock,
		Client:    g.client,
		Upstreams: &g.upstreams,
		Alerts:    g.alerts,
		Samples:   g.past.samples,
		Spans:     g.past.spans,
		Mine:      g.mine(),
		Rows:      func(source string, rows []config.Row) { g.derived.setRows(source, rows) },
		Changed:   g.journal.SourceChanged,
		ClockSet:  func() { g.jobs.ClockSet(); g.alerts.ClockSet() },
		Observer:  g.observer.Sources,
	}
	if self, _ := g.replica.Self(); g.replica != nil {
		deps.Replica, deps.Alike, deps.Away = self.Name, g.replica.Agree, g.replica.Away
	}
	if g.dir != nil {
		deps.Meanings, deps.LeftRows = g.dir.Meanings(), g.dir.LeftRows()
	}
	if g.watched != nil {
		deps.Watched = g.watched.set
	}
	return sources.New(deps)
}

// hubStore is the store as the topics of the hub follow it.
func (g *gateway) hubStore() snapshot.Store {
	if g.replica == nil {
		return g.store.ForHub()
	}
	return public{g.store.ForHub()}
}

// publicTopics begin the names of the topics that people can read. What replicas tell each other has none of them.
var publicTopics = []string{wire.SourceKey(""), wire.JobKey(""), "run/"}

// A public store tells its followers of what has topics in the hub, and not of what replicas tell each other: sessions
// are among that.
type public struct{ snapshot.Store }

// Follow implements [snapshot.Store].
func (p public) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	return p.Store.Follow(ctx, func(e snapshot.Entry) {
		if slices.ContainsFunc(publicTopics, func(public string) bool { return strings.HasPrefix(e.Topic, public) }) {
			fn(e)
		}
	}, synced)
}
