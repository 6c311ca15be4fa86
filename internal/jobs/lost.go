package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// keepLost is how long the end of a lost run is kept if its job is not configured.
	keepLost = 24 * time.Hour
	// archiveWithin bounds a look into the archive for the end of a lost run.
	archiveWithin = 5 * time.Second
)

// LostDeps is what [Lost] uses. Every field must be set.
type LostDeps struct {
	Clock      *clock.Clock
	Definition func(job string) *config.Job // that is configured, nil if it is not
	Hub        *sse.Hub                     // serves the topics of the store
	Archive    archive.Runs                 // holds the runs that have ended, and what runs have printed
}

// Lost returns the Lost of [progress.Options] for the Tracker of a [Service], which may be open before that: a run whose
// process went away ends in its last state, in its own topic and in that of its job, and is kept as its job says. If its
// process came as far as to store the end in one place, that is its end in the others, too. Topics that are not those of
// jobs are left alone.
func Lost(deps LostDeps) func(topic string, last progress.Snapshot) (end any, keep time.Duration) {
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
			return lostEnd(snap, *deps.Clock.People(deps.Clock.Now()), nil), 0
		}
		keep = keepLost
		j := deps.Definition(snap.Job)
		if j != nil {
			keep = j.Keep.For
		}
		ctx, cancel := context.WithTimeout(context.Background(), archiveWithin)
		defer cancel()
		if run, ok := deps.endOf(ctx, snap.ID); ok {
			snap.Run = run
			return ofTopic(snap), keep
		}
		if part, err := deps.Archive.Output(ctx, snap.ID, 0, 0); err == nil && part.Size > 0 {
			const most = OutputTail + 1
			if part, err = deps.Archive.Output(ctx, snap.ID, max(0, part.Size-most), most); err == nil {
				snap.Output, snap.OutputBytes = lastLines(part.Text, OutputTail), part.Size
			}
		}
		switch {
		case j == nil || snap.Status == progress.StatusCancelling:
		case snap.Status == progress.StatusQueued && isUnattended(snap.Trigger):
			snap.Then = againOf(snap.Run)
		default:
			snap.Then = thenOf(j, snap.ID, progress.StatusLost)
		}
		now := deps.Clock.Now()
		return lostEnd(snap, *deps.Clock.People(now), deps.Clock.People(now.Add(keep))), keep
	}
}

// endOf returns the end of a run that is in its own topic or in the archive.
func (d *LostDeps) endOf(ctx context.Context, id string) (run wire.Run, ok bool) {
	if topic, found := d.Hub.Lookup(runTopic(id)); found && topic.Ended() {
		latest, _ := topic.Latest()
		ok = json.Unmarshal(latest.Data, &run) == nil && run.ID == id
	}
	if !ok {
		ended, err := d.Archive.Get(ctx, id)
		ok = err == nil && json.Unmarshal(ended.Data, &run) == nil
	}
	return run, ok && run.Status.Ended()
}

// lostEnd is the end of a lost run, given its last state, which is that of its job if it has a queue.
func lostEnd(snap wire.Job, now time.Time, expires *time.Time) any {
	text := "the process that ran it went away"
	snap.Status, snap.Error, snap.Position, snap.ETA = progress.StatusLost, &text, 0, nil
	snap.UpdatedAt, snap.FinishedAt, snap.ExpiresAt = now, &now, expires
	return ofTopic(snap)
}

// ofTopic is the end of a run as its topic has it, or as that of its job if there is a queue.
func ofTopic(snap wire.Job) any {
	if snap.Queue == nil {
		return snap.Run
	}
	snap.Queue, snap.Queued, snap.Beside, snap.Besides = []wire.Waiting{}, 0, nil, 0
	return snap
}
