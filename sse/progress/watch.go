package progress

import (
	"context"
	"iter"
	"strings"
)

// Snapshot is the newest state of a run, as [Tracker.Watch] sees it.
type Snapshot struct {
	Run   string // the run's id, see [Job.ID]
	Final bool   // this is the terminal
	Data  []byte // JSON; must not be modified
}

// Watch yields what a stream of topic would get ([Tracker.Serve]): the newest snapshot at once if there is one, then
// later ones, and the terminal, after which it ends. A slow loop body skips snapshots. If it cannot go on, the last
// pair is an error and no snapshot: [ErrNoTopic] if topic has no run, or none any more because the Tracker ended; or
// ctx's.
func (t *Tracker) Watch(ctx context.Context, topic string) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		if rec, ok := t.lookup(topic); ok {
			for ev := range rec.topic.Watch(ctx) {
				run, n, _ := strings.Cut(ev.ID, "-")
				s := Snapshot{Run: run, Final: n == "end", Data: ev.Data}
				if !yield(s, nil) || s.Final {
					return
				}
			}
		}
		if ctx.Err() != nil {
			yield(Snapshot{}, context.Cause(ctx))
			return
		}
		yield(Snapshot{}, ErrNoTopic)
	}
}
