package progress

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// An orphan is a run that nobody writes: its writer is gone, and whoever may have adopted it has written nothing yet.
// The Tracker adopts it to give it its end, in a few goroutines, and so does a start that meets it before that.
//
// Its fields are guarded by Tracker.mu.
type orphan struct {
	entry    snapshot.Entry // the newest that was an Orphan
	isQueued bool           // it is in Tracker.orphans
	settled  bool
	over     chan struct{} // closed when settled is set: it has an end, is written again, or is left to others
}

// settle has nobody wait for the end of o any more. o may be nil.
func (o *orphan) settle() {
	if o != nil && !o.settled {
		o.settled = true
		close(o.over)
	}
}

// orphanLocked takes note of an entry that makes an orphan, or is about one. It reports whether the topic of rec has been
// told of it before.
func (t *Tracker) orphanLocked(rec *record, e snapshot.Entry) (isKnown bool) {
	latest, _ := rec.topic.Latest()
	isKnown = latest.ID == eventID(e)
	switch {
	case e.State == snapshot.Orphan:
		if rec.orphan == nil || rec.orphan.settled {
			rec.orphan = &orphan{over: make(chan struct{})}
		}
		if rec.job != nil && rec.job.claim != nil {
			rec.job.end(ErrLost)
			rec.job = nil
		}
		rec.orphan.entry = e
		t.queueLocked(rec.orphan)
	case e.State == snapshot.Live && e.N == rec.orphan.entry.N: // somebody has adopted it
	default:
		rec.orphan.settle()
		rec.orphan = nil
	}
	t.records[e.Topic] = *rec
	return isKnown
}

// queueLocked has an orphan adopted.
func (t *Tracker) queueLocked(o *orphan) {
	if o.isQueued || o.settled || t.accepting.Err() != nil {
		return
	}
	o.isQueued = true
	t.orphans = append(t.orphans, o)
	if t.adopting == 0 {
		t.adopting = 1
		go t.adoptAll()
	}
}

const (
	maxAdopting    = 16                     // orphans that are being ended at once: a store can write several ends together
	adoptAgain     = 100 * time.Millisecond // the pause after a failure, doubled after each further one
	adoptAgainMost = 30 * time.Second
)

// adoptAll is one of the goroutines that give the runs in t.orphans their ends, until there are none left or the Tracker
// accepts no new ones. [Tracker.Shutdown] waits for them. The first has more of them help when the store takes an end, and
// is alone again when it does not.
func (t *Tracker) adoptAll() {
	pause := time.Duration(0)
	for {
		o, e := t.nextOrphan()
		if o == nil {
			return
		}
		err := t.adopt(o, e)
		if err == nil {
			pause = 0
			t.shareOrphans()
			continue
		}
		if t.giveBack(o) {
			return
		}
		pause = min(max(2*pause, adoptAgain), adoptAgainMost)
		t.log.Error("a lost run has no end yet", "topic", e.Topic, "run", e.Run, "again", pause, "err", err)
		select {
		case <-time.After(pause):
		case <-t.accepting.Done():
		}
	}
}

// shareOrphans has one more goroutine help if there is enough to do.
func (t *Tracker) shareOrphans() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.orphans) > 1 && t.adopting < maxAdopting {
		t.adopting++
		go t.adoptAll()
	}
}

// giveBack queues an orphan again whose end the store did not take. It reports whether others are at work, so that the
// caller is to end.
func (t *Tracker) giveBack(o *orphan) (isDone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queueLocked(o)
	if t.adopting > 1 {
		t.adopting--
		return true
	}
	return false
}

// nextOrphan returns the orphan to end next. If there is none, it takes note that the caller, adoptAll, ends.
func (t *Tracker) nextOrphan() (*orphan, snapshot.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.orphans) > 0 && t.accepting.Err() == nil {
		o := t.orphans[0]
		t.orphans = t.orphans[1:]
		o.isQueued = false
		if !o.settled {
			return o, o.entry
		}
	}
	t.adopting--
	if t.adopting == 0 {
		t.orphans = nil // also the room for them
	}
	t.changedLocked()
	return nil, snapshot.Entry{}
}

// adopt ends the run of e, the state of o, unless that is left to others or somebody else is faster.
func (t *Tracker) adopt(o *orphan, e snapshot.Entry) error {
	end, isMine := t.lostEnd(e.Topic, Snapshot{Run: e.Run, Data: e.Data})
	if !isMine {
		t.mu.Lock()
		defer t.mu.Unlock()
		o.settle()
		return nil
	}
	_, err := t.endOrphan(t.ctx, e, end)
	return err
}

// endOrphan adopts the run of an Orphan and ends it. It reports false if somebody else has adopted it.
func (t *Tracker) endOrphan(ctx context.Context, e snapshot.Entry, end lostEnd) (ended bool, err error) {
	claim, now, err := t.store.Claim(ctx, e.Topic, snapshot.ClaimOptions{Adopt: e.Run})
	if claim == nil || err != nil {
		return false, err
	}
	if now.N != e.N { // it has been adopted, written and lost again meanwhile
		if newer, isMine := t.lostEnd(now.Topic, Snapshot{Run: now.Run, Data: now.Data}); isMine {
			end = newer
		}
	}
	ctx, cancel := t.finishing() // what it has begun it ends, as a Job does
	defer cancel()
	err = claim.Finish(ctx, end.data, end.keep)
	switch {
	case err == nil:
		t.log.Warn("run lost: its writer is gone", "topic", e.Topic, "run", e.Run)
		return true, nil
	case errors.Is(err, snapshot.ErrLost), errors.Is(err, snapshot.ErrOver):
		return false, nil
	}
	_ = claim.Release(ctx) // if it fails, the store will notice that nobody holds it
	return false, err
}

// meetOrphan is for a start that got entry instead of a claim. If that is an Orphan, it ends the run, or waits for whoever
// does, and reports that the start has to try again; or it adopts the run if that is the one to begin. Any other entry
// is returned, to be joined, unless its run has ended since.
func (t *Tracker) meetOrphan(
	ctx context.Context, entry snapshot.Entry, opts StartOptions,
) (claim snapshot.Claim, joined snapshot.Entry, again bool, err error) {
	if entry.State == snapshot.Orphan {
		end, isMine := t.lostEnd(entry.Topic, Snapshot{Run: entry.Run, Data: entry.Data})
		switch {
		case !isMine && entry.Run == opts.Run:
			claim, entry, err = t.store.Claim(ctx, entry.Topic, snapshot.ClaimOptions{Adopt: entry.Run})
			return claim, entry, false, err
		case !isMine:
			return nil, entry, false, nil
		}
		if again, err = t.endOrphan(ctx, entry, end); again || err != nil {
			return nil, entry, again, err
		}
	}
	t.mu.Lock()
	rec := t.records[entry.Topic] // as Claim has told it
	isOver := rec.run != entry.Run || rec.topic.Ended()
	isOpen := !isOver && rec.orphan != nil && !rec.orphan.settled
	t.mu.Unlock()
	switch {
	case t.accepting.Err() != nil:
		return nil, entry, false, ErrEnded
	case !isOpen: // what has ended since is not joined: it may be an orphan that was adopted for that
		return nil, entry, entry.State == snapshot.Orphan || isOver && entry.State == snapshot.Live, nil
	}
	select {
	case <-rec.orphan.over:
		return nil, entry, true, nil
	case <-ctx.Done():
		return nil, entry, false, context.Cause(ctx)
	case <-t.accepting.Done():
		return nil, entry, false, ErrEnded
	}
}
