package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/wire"
)

// listReplicas answers with the processes that share the store.
func (a *API) listReplicas(w http.ResponseWriter, r *http.Request) {
	a.serveState(w, r, func() (state, bool) { return stateOf(a.deps.Replicas()), true }, a.general()...)
}

// replicasPage draws the gateways that share the store.
func (a *API) replicasPage(w http.ResponseWriter, r *http.Request) {
	a.draw(w, r, http.StatusOK, "replicas", web.Page{
		Title: "Replicas", Tab: "replicas", Script: "alerts-page.js", Follow: []string{wire.ReplicasKey}, Body: a.look(r).Replicas(a.deps.Replicas().Replicas),
	})
}

// awaitEnd waits for the end of a run of another replica, for at most that long, until ctx ends or this one stops, and returns
// its newest state.
func (a *API) awaitEnd(ctx context.Context, run wire.Run, within time.Duration) wire.Run {
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	changed := make(chan struct{}, 1)
	for {
		record, err := a.deps.Runs.Lookup(ctx, run.ID)
		if err != nil {
			return run
		}
		record.Coalesced = run.Coalesced
		run = record.Run
		if run.Status.Ended() || record.Topic == nil {
			return run
		}
		stop := record.Topic.OnPublish(func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		if latest, err := a.deps.Runs.Lookup(ctx, run.ID); err == nil && latest.Event.ID != record.Event.ID {
			stop() // it has changed before it was listened to
			continue
		}
		select {
		case <-changed:
			stop()
		case <-a.deps.Stopping:
			stop()
			return run
		case <-ctx.Done():
			stop()
			return run
		}
	}
}
