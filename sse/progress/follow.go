package progress

import (
	"strconv"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// lost is the terminal of a run whose entry left the store before its end.
var lost = terminal("lost", "the job's process is gone: its state was removed before it had finished")

// follow begins to follow the store, in a goroutine that ends with t.ctx, and returns once its state is in the hub.
func (t *Tracker) follow() error {
	synced, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		err := t.store.Follow(t.ctx, t.apply, func() { close(synced) })
		select {
		case <-synced:
			if t.ctx.Err() == nil {
				t.log.Error("the store cannot be followed any more", "err", err)
			}
		default: // Open returns it
		}
		t.cancel(err)
		t.leave()
		close(t.over)
		failed <- err
	}()
	select {
	case <-synced:
		return nil
	case err := <-failed:
		return err
	}
}

// leave ends all topics of the Tracker in the hub, without a terminal. The store reports nothing any more when it is
// called.
func (t *Tracker) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, rec := range t.records {
		rec.topic.Remove(rec.run)
		delete(t.records, name)
	}
	t.changedLocked()
}

// apply updates the records and the hub from an entry of the store. The store calls it for one entry after another,
// possibly within the Tracker's own calls of Claim, Put, Finish and Forget. So it takes only mu and the locks after it
// in the lock order, and never blocks.
func (t *Tracker) apply(e snapshot.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec, known := t.records[e.Topic]
	defer t.changedLocked()
	if e.State == snapshot.Gone {
		if known && rec.run == e.Run { // otherwise a newer run has the topic
			t.removeLocked(e.Topic, rec)
		}
		return
	}
	if !known || rec.run != e.Run {
		if rec.job != nil {
			rec.job.end(ErrLost) // has no effect on a job that has finished
		}
		rec = record{topic: t.topic(e.Topic), run: e.Run}
		rec.topic.Open(e.Run)
		t.records[e.Topic] = rec
	}
	var err error
	switch {
	case e.State == snapshot.Final:
		err = rec.topic.Close(sse.Event{ID: e.Run + "-end", Data: e.Data})
		if rec.job != nil {
			rec.job.end(nil)
		}
	case e.N > 0:
		err = rec.topic.Publish(sse.Event{ID: e.Run + "-" + strconv.FormatUint(e.N, 10), Data: e.Data})
	}
	if err != nil {
		t.log.Error("the topic refused an entry of the store", "topic", e.Topic, "run", e.Run, "n", e.N, "err", err)
	}
}

// topic returns the topic of that name in the hub.
func (t *Tracker) topic(name string) *sse.Topic {
	var opts sse.TopicOptions
	if t.topicOpts != nil {
		opts = t.topicOpts(name)
	}
	opts.KeepData = true
	return t.hub.Topic(name, opts)
}

// removeLocked drops the record of a topic whose entry has left the store.
func (t *Tracker) removeLocked(name string, rec record) {
	if !rec.topic.Ended() {
		_ = rec.topic.Close(
			sse.Event{ID: rec.run + "-end", Data: t.lostEnd(name, rec)}) // fails only if the run has ended
	}
	rec.topic.Remove(rec.run)
	delete(t.records, name)
	if rec.job != nil {
		rec.job.end(ErrLost)
	}
}

// lostEnd returns the terminal of a run that is lost.
func (t *Tracker) lostEnd(name string, rec record) []byte {
	last, ok := rec.topic.Latest()
	if t.lost == nil || !ok || !ofRun(last, rec.run) {
		return lost
	}
	data, err := (&Job{tracker: t, topic: name, run: rec.run}).encode(lazy(func() any {
		return t.lost(Snapshot{Run: rec.run, Data: last.Data})
	}))
	if err != nil {
		t.log.Error("terminal replaced: it cannot be encoded", "topic", name, "run", rec.run, "err", err)
	}
	if err != nil || string(data) == "null" {
		return lost
	}
	return data
}
