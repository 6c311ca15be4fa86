package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// openJobs opens what runs the jobs.
func (g *gateway) openJobs(ctx context.Context) (*jobs.Service, error) {
	deps := jobs.Deps{
		Scheduler: g.scheduler,
		Store:     g.store,
		Tracker:   g.tracker,
		Hub:       g.hub,
		Archive:   g.runs,
		Log:       g.log,
		Clock:     g.clock,
		Client:    g.client,
		Upstreams: &g.upstreams,
		Alerts:    g.alerts,
		Audit:     func(action string, attrs ...slog.Attr) { g.auditLog.Record(audit.Program(), action, attrs...) },
		Refresh:   sharedSources{g.sources, g}.Refresh,
		Start: func(ctx context.Context, j *jobs.Job, opts jobs.StartOptions) error {
			_, _, err := sharedJobs{g.jobs, g}.Start(ctx, j, opts)
			return err
		},
		Source: func(name string) (sse.Event, bool) {
			topic := g.sources.Topic(name)
			if topic == nil {
				return sse.Event{}, false
			}
			return g.store.Latest(topic)
		},
		RunPath:  func(id string) string { return api.RunPath(g.cfg.Load(), id) },
		Observer: g.observer.Jobs,
	}
	if g.replica != nil {
		deps.Replicas = g.replica
	}
	if g.dir != nil {
		deps.Keys, deps.Before = g.dir.StartKeys(), g.dir.Before()
	}
	return jobs.Open(ctx, deps)
}

// lost returns what ends the runs of a process that is gone, by the configuration at work: until there is one, cfg.
func (g *gateway) lost(cfg *config.Config) func(topic string, last progress.Snapshot) (end any, keep time.Duration) {
	definition := func(name string) *config.Job {
		all := cmp.Or(g.cfg.Load(), cfg).Jobs
		if i := slices.IndexFunc(all, func(j *config.Job) bool { return j.Name == name }); i >= 0 {
			return all[i]
		}
		return nil
	}
	lost := jobs.Lost(jobs.LostDeps{Clock: g.clock, Definition: definition, Hub: g.hub, Archive: g.runs})
	return func(topic string, last progress.Snapshot) (end any, keep time.Duration) {
		end, keep = lost(topic, last)
		g.lostRun(end, definition)
		return end, keep
	}
}
