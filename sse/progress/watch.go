package progress

import (
	"context"
	"iter"
	"strings"
)

// Snapshot is the newest state of a run, as yielded by [Tracker.Watch].
type Snapshot struct {
	Run   string // the run's id, see [Job.ID]
	Final bool   // this is the terminal
	Data  []byte // JSON; must not be modified
}

// Watch yields the snapshots of a stream of topic ([Tracker.Serve]): the newest one at once if there is one, then later
// ones, and the terminal, after which it ends. A slow loop body skips snapshots. If it cannot continue, the last pair
// is an error without a snapshot: ctx's, or [ErrNoTopic] if topic has no run or the Tracker has ended.
func (t *Tracker) Watch(ctx context.Context, topic string) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		rec, ok := t.find(ctx, topic, "")
		for begun := false; ok && !begun; {
			for ev := range rec.topic.WatchRun(ctx, rec.run) {
				run, n, _ := strings.Cut(ev.ID, "-")
				s := Snapshot{Run: run, Final: n == "end", Data: ev.Data}
				begun = true
				if !yield(s, nil) || s.Final {
					return
				}
			}
			before := rec.run
			rec, ok = t.lookup(topic)
			ok = ok && rec.run != before // a newer run took the topic before the loop began
		}
		if ctx.Err() != nil {
			yield(Snapshot{}, context.Cause(ctx))
			return
		}
		yield(Snapshot{}, ErrNoTopic)
	}
}
