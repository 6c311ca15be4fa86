package gateway

import (
	"context"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// tidyEvery is how often a replica looks for what is left in the store of sources and jobs that no replica has any more.
const tidyEvery = time.Minute

// tidy ends the alerts of these, until ctx ends. A replica that removes a source or a job does so itself, but one that was
// stopped, and started again with another configuration, does not know what it had.
func (g *gateway) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.forgetAlerts()
		case <-ctx.Done():
			return
		}
	}
}

func (g *gateway) forgetAlerts() {
	if !g.replica.Agree() {
		return
	}
	var left []string
	for _, key := range g.records.Vacant() {
		if g.isRemoved(key) && g.replica.Mine(key) {
			left = append(left, key)
		}
	}
	g.alerts.ForgetLeft(left)
}

// isRemoved reports whether a key is that of a source or a job which is not configured.
func (g *gateway) isRemoved(key string) bool {
	if job, ok := strings.CutPrefix(key, wire.JobKey("")); ok {
		return g.jobs.Job(job) == nil
	}
	source, ok := strings.CutPrefix(key, wire.SourceKey(""))
	return ok && g.sources.Definition(source) == nil
}
