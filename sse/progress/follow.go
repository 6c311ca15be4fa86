package progress

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// lost is the terminal of a run whose process is gone, or whose entry left the store before its end.
var lost = terminal("lost", "the process of the run is gone, or what it had stored, and how the run ended is not known")

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
	if strings.HasPrefix(e.Topic, asking) {
		t.askedLocked(e)
		return
	}
	rec, known := t.records[e.Topic]
	defer t.changedLocked()
	if e.State == snapshot.Gone {
		if known && rec.run == e.Run { // otherwise a newer run has the topic
			t.removeLocked(e.Topic, rec)
		}
		return
	}
	if !known || rec.run != e.Run {
		rec.orphan.settle()
		if rec.job != nil {
			rec.job.end(ErrLost) // has no effect on a job that has finished
		}
		rec = record{topic: t.topic(e.Topic), run: e.Run}
		rec.topic.Open(e.Run)
		t.records[e.Topic] = rec
	}
	delete(t.parting, e.Topic) // it is back, or has another run
	isKnown := false
	if e.State == snapshot.Orphan || rec.orphan != nil {
		isKnown = t.orphanLocked(&rec, e)
	}
	var err error
	switch {
	case e.State == snapshot.Final:
		err = rec.topic.Close(sse.Event{ID: e.Run + "-end", Data: e.Data})
		if rec.job != nil {
			rec.job.end(nil)
		}
	case e.N > 0 && !isKnown:
		err = rec.topic.Publish(sse.Event{ID: eventID(e), Data: e.Data})
	}
	if err != nil {
		t.log.Error("the topic refused an entry of the store", "topic", e.Topic, "run", e.Run, "n", e.N, "err", err)
	}
}

// eventID returns the id of the event that shows an entry which is not Final.
func eventID(e snapshot.Entry) string { return e.Run + "-" + strconv.FormatUint(e.N, 10) }

// topic returns the topic of that name in the hub.
func (t *Tracker) topic(name string) *sse.Topic {
	var opts sse.TopicOptions
	if t.topicOpts != nil {
		opts = t.topicOpts(name)
	}
	opts.KeepData = true
	return t.hub.Topic(name, opts)
}

// removeLocked drops the record of a topic whose entry has left the store. If the run had not ended, the record stays until
// Lost has made its end: Lost may block, and the store calls apply within its locks.
func (t *Tracker) removeLocked(name string, rec record) {
	rec.orphan.settle()
	if rec.job != nil {
		rec.job.end(ErrLost)
	}
	if rec.topic.Ended() || t.lost == nil {
		t.dropLocked(name, rec, lost)
		return
	}
	rec.job, rec.orphan = nil, nil
	t.records[name] = rec
	if t.parting == nil {
		t.parting = map[string]string{}
		go t.partAll()
	}
	t.parting[name] = rec.run
}

// dropLocked drops a record. If the topic has no end yet, it gets this one first.
func (t *Tracker) dropLocked(name string, rec record, end []byte) {
	if !rec.topic.Ended() {
		_ = rec.topic.Close(sse.Event{ID: rec.run + "-end", Data: end}) // fails only if the run has ended
	}
	rec.topic.Remove(rec.run)
	delete(t.records, name)
}

// partAll is the goroutine that gives the runs in t.parting their ends, until there are none left. [Tracker.Shutdown] waits
// for it.
func (t *Tracker) partAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.parting) > 0 {
		for name, run := range t.parting { // others may come and go
			t.partLocked(name, run)
		}
	}
	t.parting = nil
	t.changedLocked()
}

// partLocked gives a run that is gone its end. It releases mu while Lost makes that.
func (t *Tracker) partLocked(name, run string) {
	rec, ok := t.records[name]
	if !ok || rec.run != run { // the Tracker has ended
		delete(t.parting, name)
		return
	}
	last := Snapshot{Run: run}
	if latest, ok := rec.topic.Latest(); ok && ofRun(latest, run) {
		last.Data = latest.Data
	}
	t.mu.Unlock()
	end, isMine := t.lostEnd(name, last)
	if !isMine {
		end.data = lost
	}
	t.mu.Lock()
	if t.parting[name] != run { // it is back, or has another run
		return
	}
	delete(t.parting, name)
	if rec, ok := t.records[name]; ok {
		t.dropLocked(name, rec, end.data)
	}
	t.changedLocked()
}

// lostEnd is the terminal of a lost run, and for how long it is kept.
type lostEnd struct {
	data []byte
	keep time.Duration
}

// lostEnd returns the end of a lost run, and whether it is the Tracker's to end.
func (t *Tracker) lostEnd(topic string, last Snapshot) (end lostEnd, isMine bool) {
	if strings.HasPrefix(topic, asking) {
		return lostEnd{}, true
	}
	if t.lost == nil {
		return lostEnd{lost, t.retention}, true
	}
	end.keep = t.retention // if Lost panics
	data, err := (&Job{tracker: t, topic: topic, run: last.Run}).encode(lazy(func() any {
		made, keep := t.lost(topic, last)
		end.keep = keep
		return made
	}))
	if err != nil {
		t.log.Error("terminal replaced: it cannot be encoded", "topic", topic, "run", last.Run, "err", err)
		data = lost
	}
	end.data = data
	return end, string(data) != "null"
}
