package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

const (
	// maxData bounds the data of an entry. SQLite could hold four times as much.
	maxData = 256 << 20
	// putsWithin is how long the newest data of a run waits to be written. Data that is replaced before that costs nothing,
	// and what is written at once shares pages of the database.
	putsWithin = time.Second
	// finishWithin is how long an end waits for the disk before it counts in memory alone.
	finishWithin = stalledAfter + time.Second
	// skipped is added to N of a run that was live when the process ended: more than the puts that may have been told to
	// readers and not been written.
	skipped = 1 << 20
)

// snapshotTables has the newest entry of each topic. until is when the end of a run is forgotten, in milliseconds since 1970,
// and kept how long that was at first.
const snapshotTables = `CREATE TABLE snapshot (
	id INTEGER PRIMARY KEY, topic BLOB NOT NULL UNIQUE, run TEXT NOT NULL, n INTEGER NOT NULL, state INTEGER NOT NULL,
	until INTEGER NOT NULL, kept INTEGER NOT NULL, data BLOB) STRICT`

const (
	putSnapshot = `INSERT INTO snapshot (topic, run, n, state, until, kept, data) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (topic) DO UPDATE SET run=excluded.run, n=excluded.n, state=excluded.state, until=excluded.until,
		kept=excluded.kept, data=excluded.data`
	dropSnapshot = `DELETE FROM snapshot WHERE topic=?`
)

// Snapshots is a [snapshot.Store] whose entries survive the process: it is a [snapshot.Memory] that also writes them. A run
// that was live when the process ended is an orphan in the next one; N of it goes on with a gap of about a million, as
// states may have been told that were not written.
//
// A claim, and the change of a run to an orphan and back, is in the database when the call returns, so that it survives the
// process. An end is on disk before any follower is told of it, and survives the power. Data that is put is written
// within a second, and by Sync at once. If the disk fails, all of that happens in memory alone, until it works again: no call fails for it, and
// none waits longer than 6 s, once.
type Snapshots struct {
	memory *snapshot.Memory
	dir    *Dir

	mu sync.Mutex // guards the fields below; after the locks of claims and of memory

	changed map[string]row // by topic: what is to be written
	written map[string]row // by topic: what the transaction at work writes, and again if it fails
	round   uint64         // of that transaction
	queued  bool           // an op is, which writes all that has changed
	ends    map[string]row // by topic: the ends that are kept, without data: memory does not tell how long
	lazy    *time.Timer    // writes what was put
	armed   bool           // it runs
}

// row is what is to be written of a topic: its entry, or that it has none.
type row struct {
	snapshot.Entry
	until int64 // in milliseconds since 1970; of a Final entry
	kept  int64 // in milliseconds
}

// restore reads the entries of the process before, and has those from now on be written.
func (d *Dir) restore(ctx context.Context) error {
	s := &Snapshots{
		memory: snapshot.NewMemory(), dir: d, changed: make(map[string]row), written: make(map[string]row), ends: make(map[string]row),
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	follow, cancel := context.WithCancel(context.Background())
	synced, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.memory.Follow(follow, s.changes, func() { close(synced) })
	}()
	<-synced
	d.snapshots = s
	d.again = append(d.again, s.writeAgain)
	d.last = append(d.last, func() {
		cancel()
		<-ended
		s.flush(nil, false)
	})
	return nil
}

// Snapshots returns the newest states that the directory has.
func (d *Dir) Snapshots() *Snapshots { return d.snapshots }

// load puts the stored entries into memory.
func (s *Snapshots) load(ctx context.Context) error {
	rows, err := s.dir.read().QueryContext(ctx, "SELECT topic, run, n, state, until, kept, data FROM snapshot")
	if err != nil {
		return err
	}
	defer rows.Close()
	now := time.Now().UnixMilli()
	for rows.Next() {
		var r row
		var topic []byte
		if err := rows.Scan(&topic, &r.Run, &r.N, &r.State, &r.until, &r.kept, &r.Data); err != nil {
			return err
		}
		r.Topic = string(topic)
		// The clock may have been set back meanwhile: nothing is kept longer than it was to be at first.
		left := min(r.until-now, r.kept)
		if r.State == snapshot.Live {
			r.N += skipped
		}
		if err := s.memory.Restore(r.Entry, asDuration(left)); err != nil {
			return fmt.Errorf("%s is damaged: %w", s.dir.name, err)
		}
		switch {
		case r.State != snapshot.Final:
			r.State = snapshot.Orphan
			s.changed[r.Topic] = r // N too
		case left <= 0:
			s.changed[r.Topic] = row{Entry: snapshot.Entry{Topic: r.Topic, State: snapshot.Gone}}
		default:
			r.Data = nil
			s.ends[r.Topic] = r
		}
	}
	return rows.Err()
}

func asDuration(millis int64) time.Duration {
	return time.Duration(min(millis, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// changes notes what memory tells to its followers. It runs under the lock of memory.
func (s *Snapshots) changes(e snapshot.Entry) {
	if e.State == snapshot.Final {
		return // Finish has written it before
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[e.Topic] = row{Entry: e}
	delete(s.ends, e.Topic)
	if s.armed {
		return
	}
	s.armed = true
	if s.lazy == nil {
		s.lazy = time.AfterFunc(putsWithin, func() { s.flush(nil, false) })
		return
	}
	s.lazy.Reset(putsWithin)
}

// flush has what has changed be written. done is told when it is; nil if nobody waits, and then one flush is enough for all.
func (s *Snapshots) flush(done chan<- error, full bool) {
	s.mu.Lock()
	s.armed = false
	enough := done == nil && s.queued
	s.queued = true
	s.mu.Unlock()
	if !enough {
		s.dir.queue.add(op{run: s.write, full: full, done: done}, done != nil)
	}
}

// write is the op that writes what has changed, in the order of topics, so that neighbours share pages.
func (s *Snapshots) write(t *tx) error {
	for _, r := range s.take(t) {
		var err error
		if r.State == snapshot.Gone {
			_, err = t.exec(dropSnapshot, []byte(r.Topic))
		} else {
			_, err = t.exec(putSnapshot, []byte(r.Topic), r.Run, int64(r.N), int64(r.State), r.until, r.kept, r.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take returns what has changed since it was called in the same transaction, and all that was not written by an earlier one.
func (s *Snapshots) take(t *tx) []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	if s.round != t.round {
		s.round = t.round
		for topic, r := range s.written { // by a transaction that failed
			if _, newer := s.changed[topic]; !newer {
				s.changed[topic] = r
			}
		}
		clear(s.written)
		t.committed(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			clear(s.written)
		})
	}
	rows := make([]row, 0, len(s.changed))
	for topic, r := range s.changed {
		rows = append(rows, r)
		s.written[topic] = r
	}
	clear(s.changed)
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Topic, b.Topic) })
	return rows
}

// writeAgain has everything that memory has be written once more. What waits to be written is as new or newer: memory learns
// of an end after the disk.
func (s *Snapshots) writeAgain() {
	ctx, cancel := context.WithCancel(context.Background())
	_ = s.memory.Follow(ctx, func(e snapshot.Entry) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, isChanged := s.changed[e.Topic]
		_, isWritten := s.written[e.Topic]
		if isChanged || isWritten {
			return
		}
		r := s.ends[e.Topic]
		r.Entry = e
		s.changed[e.Topic] = r
	}, cancel)
	s.mu.Lock()
	s.queued = false // the op may have been dropped
	s.mu.Unlock()
	s.flush(nil, false)
}

// settle waits until what has changed is written, or until that turns out to be impossible now; the error is why.
func (s *Snapshots) settle(ctx context.Context, full bool) error {
	if _, err := s.dir.Failing(); err != nil {
		s.flush(nil, full)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, finishWithin)
	defer cancel()
	done := make(chan error, 1)
	s.flush(done, full)
	return wait(ctx, done)
}

// Claim implements [snapshot.Store].
func (s *Snapshots) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	inner, e, err := s.memory.Claim(ctx, topic, opts)
	if inner == nil || err != nil {
		return nil, e, err
	}
	_ = s.settle(ctx, false) // the Dir says that it fails
	return &claim{Claim: inner, store: s, topic: topic, n: e.N}, e, nil
}

// Follow implements [snapshot.Store].
func (s *Snapshots) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	return s.memory.Follow(ctx, fn, synced)
}

// Forget implements [snapshot.Store].
func (s *Snapshots) Forget(ctx context.Context, topic, run string) error {
	return s.memory.Forget(ctx, topic, run)
}

// Sync implements [snapshot.Store]. What was put before survives the process when it returns, unless the disk fails, which the
// Dir says.
func (s *Snapshots) Sync(ctx context.Context) error {
	_ = s.Stored(ctx)
	return s.memory.Sync(ctx)
}

// Stored returns nil when what was put before survives the process. The error is why it would not, or ctx's.
func (s *Snapshots) Stored(ctx context.Context) error {
	s.mu.Lock()
	dirty := len(s.changed)+len(s.written) > 0
	s.mu.Unlock()
	if err := ctx.Err(); err != nil || !dirty {
		return err
	}
	return s.settle(ctx, false)
}

// MaxData implements [snapshot.Store].
func (s *Snapshots) MaxData() int { return maxData }

// claim writes an entry of memory, and its end to the disk before that.
type claim struct {
	snapshot.Claim
	store *Snapshots
	topic string

	mu sync.Mutex // guards the fields below; before all other locks

	n     uint64 // of the entry
	over  bool   // Finish was called: nothing else counts from there on
	fence bool   // Release was
}

// Put implements [snapshot.Claim].
func (c *claim) Put(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.fence || len(data) > maxData {
		return
	}
	c.n++
	c.Claim.Put(data)
}

// Finish implements [snapshot.Claim].
func (c *claim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	if len(data) > maxData {
		return fmt.Errorf("store: the end of run %s of %q has %d bytes, more than %d", c.Run(), c.topic, len(data), maxData)
	}
	c.mu.Lock()
	switch {
	case c.over:
		c.mu.Unlock()
		return fmt.Errorf("%w: run %s of %q", snapshot.ErrOver, c.Run(), c.topic)
	case c.fence:
		c.mu.Unlock()
		return fmt.Errorf("%w: run %s of %q", snapshot.ErrLost, c.Run(), c.topic)
	}
	c.over = true
	end := row{Entry: snapshot.Entry{Topic: c.topic, Run: c.Run(), N: c.n + 1, State: snapshot.Final, Data: data}}
	c.mu.Unlock()
	c.store.end(ctx, end, retention)
	return c.Claim.Finish(ctx, data, retention)
}

// end writes the end of a run to the disk. Nobody else changes its topic meanwhile: in memory the run is still live.
func (s *Snapshots) end(ctx context.Context, end row, retention time.Duration) {
	end.kept = retention.Milliseconds()
	now := time.Now().UnixMilli()
	end.until = now + min(end.kept, math.MaxInt64-now)
	if retention <= 0 {
		end.State = snapshot.Gone
	}
	s.mu.Lock()
	s.changed[end.Topic] = end
	if retention > 0 {
		end.Data = nil
		s.ends[end.Topic] = end
	}
	s.mu.Unlock()
	_ = s.settle(ctx, true)
}

// Release implements [snapshot.Claim].
func (c *claim) Release(ctx context.Context) error {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return fmt.Errorf("%w: run %s of %q", snapshot.ErrOver, c.Run(), c.topic)
	}
	c.fence = true
	err := c.Claim.Release(ctx)
	c.mu.Unlock()
	if err == nil {
		_ = c.store.settle(ctx, false)
	}
	return err
}
