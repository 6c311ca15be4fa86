package jobs

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// keepLost is how long the end of a lost run is kept if its job is not configured.
const keepLost = 24 * time.Hour

// Lost returns the Lost of [progress.Options] for the Tracker of a [Service], which may be open before that: a run whose
// process went away ends in its last state, in its own topic and in that of its job, and is kept as its job says.
// definition returns a job that is configured, nil if it is not. Topics that are not those of jobs are left alone.
func Lost(clock *clock.Clock, definition func(job string) *config.Job) func(string, progress.Snapshot) (any, time.Duration) {
	return func(topic string, last progress.Snapshot) (end any, keep time.Duration) {
		job, ofJob := strings.CutPrefix(topic, wire.JobKey(""))
		if !ofJob {
			job = ""
		}
		if !ofJob && !strings.HasPrefix(topic, runTopic("")) {
			return nil, 0
		}
		var snap wire.Job
		if json.Unmarshal(last.Data, &snap) != nil || snap.ID == "" {
			// It had published nothing, so nobody was told that there is a run.
			snap = wire.Job{Run: wire.Run{ID: last.Run, Job: job}}
			return lostEnd(snap, *clock.People(clock.Now()), nil), 0
		}
		now := clock.Now()
		keep = keepLost
		if j := definition(snap.Job); j != nil {
			keep = j.Keep.For
		}
		return lostEnd(snap, *clock.People(now), clock.People(now.Add(keep))), keep
	}
}

// lostEnd is the end of a lost run, given its last state, which is that of its job if it has a queue.
func lostEnd(snap wire.Job, now time.Time, expires *time.Time) any {
	text := "the process that ran it went away"
	snap.Status, snap.Error, snap.Position, snap.ETA = progress.StatusLost, &text, 0, nil
	snap.UpdatedAt, snap.FinishedAt, snap.ExpiresAt = now, &now, expires
	if snap.Queue == nil {
		return snap.Run
	}
	snap.Queue, snap.Queued = []wire.Waiting{}, 0
	return snap
}
