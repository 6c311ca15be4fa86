package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/snapshot"
)

// Records are small texts by key that all replicas read. Of one kind are those that somebody holds: one replica writes it,
// until that gives it up with [Records.Leave] or dies, and the next one goes on from what it has left. The others, for which
// the option Retain returns a time, are written once, by any replica, and stand for that long, whoever dies.
//
// [Records.Keep] does not block: a goroutine writes, in the order of the calls. Another one follows the store, and a third
// one tells of changes. They end with [Records.Close]. All methods may be called from any goroutine.
type Records struct {
	opts                     RecordsOptions
	follow, writing, telling *lifecycle.Service
	anyToWrite, anyToTell    chan struct{} // of 1

	mu      sync.Mutex                // guards the fields below; after the locks of the store, which calls heard within them
	known   map[string]snapshot.Entry // as the store has told, without those that are gone
	pending map[string][]byte         // what is to be written; nil: the record is to be removed
	order   []string                  // the keys of pending, in the order in which they came
	busy    string                    // the key that is being written
	held    map[string]*heldRecord
	changed map[string]bool // keys of which is to be told
	settled chan struct{}   // closed and replaced when something was written, or heard
	unread  unread
	fallen  map[string]string // by key: the run of a record whose process has died before it had written that
	failing map[string]bool   // keys of which the log says that they could not be written
}

// A heldRecord is one that this process holds.
type heldRecord struct {
	claim snapshot.Claim
	last  []byte // what was put last
}

// RecordsOptions are the options of [OpenRecords]. Store, Prefix and Log must be set.
type RecordsOptions struct {
	Store  snapshot.Store
	Prefix string // begins the names of their topics
	Log    *slog.Logger
	// Retain returns for how long a record stands that nobody holds, and 0 for one that is held. Nil means that all are held.
	Retain func(key string, data []byte) time.Duration
	// Told is called, without locks and by one goroutine, when a record is another one than before, whoever has written
	// it. Data is nil if there is none any more. Nil means that nobody is told.
	Told func(key string, data []byte)
	// Check returns why a record is none of this kind, as whoever may write to the store has made it: it counts as not there,
	// which is said once. It is called within the locks of the store. Nil means that all are.
	Check func(key string, data []byte) error
	// Mine reports whether this process should mend what another one has left in the middle of writing it, by the name of
	// the topic. Nil means that nobody does.
	Mine func(topic string) bool
}

const (
	recordsAgain = time.Second
	keptWithin   = time.Second
)

// OpenRecords returns the records that the store has, once all of them are known.
func OpenRecords(ctx context.Context, opts RecordsOptions) (*Records, error) {
	r := &Records{
		opts: opts, anyToWrite: make(chan struct{}, 1), anyToTell: make(chan struct{}, 1), known: map[string]snapshot.Entry{},
		pending: map[string][]byte{}, held: map[string]*heldRecord{}, changed: map[string]bool{}, settled: make(chan struct{}),
		fallen: map[string]string{}, failing: map[string]bool{},
	}
	var err error
	r.follow, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return opts.Store.Follow(ctx, r.heard, started)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the records of %s: %w", opts.Prefix, err)
	}
	r.writing = lifecycle.Loop(ctx, r.write)
	return r, nil
}

// Tell begins to call Told: at first with each record that is known.
func (r *Records) Tell(ctx context.Context) {
	r.mu.Lock()
	for key := range r.known {
		r.changed[key] = true
	}
	r.mu.Unlock()
	poke(r.anyToTell)
	r.telling = lifecycle.Loop(ctx, r.tell)
}

// Close writes what waits, within a second, and ends. What is held is left to others.
func (r *Records) Close() {
	if r == nil {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), keptWithin)
	defer done()
	_ = r.Kept(ctx)
	for _, s := range []*lifecycle.Service{r.writing, r.telling, r.follow} {
		if s != nil {
			_ = s.Stop()
		}
	}
	r.mu.Lock()
	held := r.held
	r.held = map[string]*heldRecord{}
	r.mu.Unlock()
	for _, h := range held {
		_ = h.claim.Release(ctx) // otherwise the store notices
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// heard takes note of a change in the store, which calls it within its locks.
func (r *Records) heard(e snapshot.Entry) {
	key, ok := strings.CutPrefix(e.Topic, r.opts.Prefix)
	if !ok || e.State == snapshot.Live && len(e.Data) == 0 { // it is only about to be written
		return
	}
	r.mu.Lock()
	before := r.known[key].Data
	r.heardFallenLocked(key, &e)
	r.unread.check(key, &e, r.opts.Check)
	if e.State == snapshot.Gone || e.State == snapshot.Final && len(e.Data) == 0 {
		delete(r.known, key)
		e.Data = nil
	} else {
		r.known[key] = e
	}
	changed := !bytes.Equal(before, e.Data)
	if changed {
		r.changed[key] = true
	}
	r.settledLocked()
	mend := len(r.fallen) > 0 || len(r.unread.untold) > 0
	r.mu.Unlock()
	if changed {
		poke(r.anyToTell)
	}
	if mend {
		poke(r.anyToWrite)
	}
}

func (r *Records) settledLocked() {
	close(r.settled)
	r.settled = make(chan struct{})
}

// Each calls f for each record that is known and that nobody holds. It does not fail.
func (r *Records) Each(_ context.Context, f func(key string, data []byte)) error {
	r.mu.Lock()
	all := map[string][]byte{}
	for key, e := range r.known {
		if r.retain(key, e.Data) > 0 {
			all[key] = e.Data
		}
	}
	r.mu.Unlock()
	for key, data := range all {
		f(key, data)
	}
	return nil
}

func (r *Records) retain(key string, data []byte) time.Duration {
	if r.opts.Retain == nil {
		return 0
	}
	return r.opts.Retain(key, data)
}

// Vacant returns the keys of the records that somebody has held and nobody holds now.
func (r *Records) Vacant() (keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, e := range r.known {
		if e.State == snapshot.Orphan {
			keys = append(keys, key)
		}
	}
	return keys
}

// Left returns the newest record of a key, nil if there is none.
func (r *Records) Left(key string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data, waits := r.pending[key]; waits {
		return data
	}
	return r.known[key].Data
}

// Keep replaces a record; nil removes it. It does not block.
func (r *Records) Keep(key string, data []byte, _ bool) {
	r.mu.Lock()
	if _, waits := r.pending[key]; !waits {
		r.order = append(r.order, key)
	}
	r.pending[key] = data
	r.mu.Unlock()
	poke(r.anyToWrite)
}

// Kept waits until the store has all that was kept before, for a second at most.
func (r *Records) Kept(ctx context.Context) error {
	return r.wait(ctx, func() bool {
		if len(r.order) > 0 || r.busy != "" {
			return false
		}
		for key, h := range r.held {
			if !bytes.Equal(r.known[key].Data, h.last) {
				return false
			}
		}
		return true
	})
}

// wait waits until a condition holds, which is called with mu held, for a second at most.
func (r *Records) wait(ctx context.Context, holds func() bool) error {
	ctx, done := context.WithTimeout(ctx, keptWithin)
	defer done()
	for {
		r.mu.Lock()
		ok, settled := holds(), r.settled
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Leave gives up a record that is held, as it was kept last, for another replica to go on with.
func (r *Records) Leave(ctx context.Context, key string) {
	_ = r.wait(ctx, func() bool { // otherwise that one goes on with less
		_, waits := r.pending[key]
		return !waits && r.busy != key
	})
	r.mu.Lock()
	h := r.held[key]
	delete(r.held, key)
	if _, waits := r.pending[key]; waits { // written later, it would take the record from that one
		delete(r.pending, key)
		r.order = slices.DeleteFunc(r.order, func(other string) bool { return other == key })
	}
	r.mu.Unlock()
	if h != nil {
		if err := h.claim.Release(ctx); err != nil && !errors.Is(err, snapshot.ErrLost) {
			r.opts.Log.Warn("a record was not given up cleanly", "record", r.opts.Prefix+key, "err", err)
		}
	}
}

// tell tells of changes until ctx ends.
func (r *Records) tell(ctx context.Context) {
	for {
		select {
		case <-r.anyToTell:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		news := map[string][]byte{}
		for key := range r.changed {
			news[key] = r.known[key].Data
		}
		clear(r.changed)
		r.mu.Unlock()
		if r.opts.Told == nil {
			continue
		}
		for key, data := range news {
			r.opts.Told(key, data)
		}
	}
}

// write writes what is to be written until ctx ends.
func (r *Records) write(ctx context.Context) {
	for {
		select {
		case <-r.anyToWrite:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		untold := r.unread.take()
		r.mu.Unlock()
		sayUnread(r.opts.Log, r.opts.Prefix, untold)
		for ctx.Err() == nil {
			key, data, ok := r.next()
			if !ok {
				break
			}
			err := r.store(ctx, key, data)
			if err != nil {
				r.again(key, data)
			}
			r.wrote(ctx, key, err)
		}
		if err := r.mend(ctx); err != nil {
			r.pause(ctx)
			poke(r.anyToWrite)
		}
	}
}

// wrote takes note of how the writing of a record has ended, of which the log says once that it fails.
func (r *Records) wrote(ctx context.Context, key string, err error) {
	r.mu.Lock()
	isSaid := r.failing[key]
	if err == nil {
		r.busy = ""
		delete(r.failing, key)
		r.settledLocked()
	} else if ctx.Err() == nil {
		r.failing[key] = true
	}
	r.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		return
	}
	if !isSaid {
		r.opts.Log.Warn("a record is not stored yet", "record", r.opts.Prefix+key, "again", recordsAgain, "err", err)
	}
	r.pause(ctx)
}

// pause waits before the store is tried again.
func (r *Records) pause(ctx context.Context) {
	select {
	case <-time.After(recordsAgain):
	case <-ctx.Done():
	}
}

// next takes what is to be written next.
func (r *Records) next() (key string, data []byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		return "", nil, false
	}
	key = r.order[0]
	r.order = r.order[1:]
	data = r.pending[key]
	delete(r.pending, key)
	r.busy = key
	return key, data, true
}

// again has what could not be written be written after all else that waits, which may have nothing to do with the reason,
// unless there is something newer by now.
func (r *Records) again(key string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = ""
	if _, newer := r.pending[key]; !newer {
		r.pending[key] = data
		r.order = append(r.order, key)
	}
}
