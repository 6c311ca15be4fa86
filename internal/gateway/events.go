package gateway

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// memoryEvents is how many events are kept in memory.
const memoryEvents = 10_000

// openJournal opens the journal of what happens, on the archive of events, and records the start in it.
func (g *gateway) openJournal(ctx context.Context) (err error) {
	var before time.Time
	if g.dir != nil {
		g.events, before = g.dir.Events(), g.dir.Before()
	} else {
		g.events = archive.NewMemoryEvents(archive.NewEventBounds(memoryEvents))
	}
	topic := g.eventsTopic()
	deps := events.Deps{
		Archive: g.events, Clock: g.clock, Before: before,
		Wake: func(id int64) { _ = topic.Publish(sse.Event{ID: strconv.FormatInt(id, 10)}) },
	}
	if g.replica != nil {
		return g.openSharedJournal(ctx, deps)
	}
	g.journal, err = events.Open(ctx, deps)
	return err
}

// eventsTopic returns the topic that has the ID of the newest event, see [api.Deps].
func (g *gateway) eventsTopic() *sse.Topic { return g.hub.Topic("events", sse.TopicOptions{}) }

// countEvents records how many events were left out, once a second, until ctx ends.
func (g *gateway) countEvents(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			g.journal.Report()
		}
	}
}

// lostRun records a run of a process that is gone, given how it ends. The jobs may not be open yet.
func (g *gateway) lostRun(end any, definition func(job string) *config.Job) {
	if run, ok := end.(wire.Run); ok && run.Job != "" && run.Status == progress.StatusLost {
		lane := ""
		if j := definition(run.Job); j != nil {
			lane = jobs.LaneText(j, run.Args)
		}
		g.journal.RunLost(run.Job, run.ID, lane)
	}
}

// alertChanged records that the alert of a source or a job has changed.
func (g *gateway) alertChanged(key, state, reason string) {
	if job, ok := strings.CutPrefix(key, wire.JobKey("")); ok {
		g.journal.AlertChanged("", job, state, reason)
	} else {
		g.journal.AlertChanged(strings.TrimPrefix(key, wire.SourceKey("")), "", state, reason)
	}
}

// alertTold records what became of a message about alerts.
func (g *gateway) alertTold(m alert.Told) { g.journal.Told(events.Message(m)) }
