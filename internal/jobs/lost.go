package jobs

import (
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// Lost is the Lost of [progress.Options] for the Tracker of s: readers that follow a run which is lost see its last
// state with that end, which is stored a moment later. Of a nil Service, and for what is not a run, it is nil.
func (s *Service) Lost(last progress.Snapshot) any {
	var snap wire.Job
	if s == nil || json.Unmarshal(last.Data, &snap) != nil || snap.Job == "" {
		return nil
	}
	keep, now := keepLost, s.deps.Clock.Now()
	if j := s.Job(snap.Job); j != nil {
		keep = j.Keep.For
	}
	return lostEnd(snap, s.deps.Clock.People(now), s.deps.Clock.People(now.Add(keep)))
}

// lostEnd is the end of a lost run, given its last state, which is that of its job if it has a queue.
func lostEnd(snap wire.Job, now, expires *time.Time) any {
	text := "the process that ran it went away"
	snap.Status, snap.Error, snap.Position, snap.ETA = progress.StatusLost, &text, 0, nil
	snap.UpdatedAt, snap.FinishedAt, snap.ExpiresAt = *now, now, expires
	if snap.Queue == nil {
		return snap.Run
	}
	snap.Queue, snap.Queued = []wire.Waiting{}, 0
	return snap
}
