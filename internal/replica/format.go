package replica

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Format is the version of what replicas store for each other, and of what they ask each other. A program reads its own
// version and all before it; what it finds without a version is of the first. It ignores members of JSON that it does not
// know, so a new one needs another version only if a replica of the version before would do harm by leaving it out.
//
// What clients get, too, has no version: the entries of sources, jobs and runs change as the API does.
//
// Replicas write the oldest version that all of them read, see [Replica.Format]. When all of them read a newer one, the
// first that notices marks the store with it, by the topic replica/format/N, which stays. From then on who reads less
// takes no part: the entries would be strange to it, and it would replace them.
const Format = 1

const (
	// formatPrefix begins the names of the topics that mark the store.
	formatPrefix = prefix + "format/"
	// formatFor is for ever.
	formatFor = 100 * 365 * 24 * time.Hour
)

// A FormatError is why a replica takes no part, or does not take an entry: that was written by a newer program.
type FormatError struct{ Found, Reads int }

// Error says what to do.
func (e *FormatError) Error() string {
	return fmt.Sprintf("the store has format %d, of a newer version of the program, and this one reads formats up to %d: update it", e.Found, e.Reads)
}

// formats is what a replica knows of formats. Its fields are guarded by Replica.mu.
type formats struct {
	reads  int
	marks  map[int]bool // of the store, as it has told
	heard  int          // the newest of marks, at least 1
	synced int          // the newest mark that was heard before the last Sync: all that joined before it are known
}

// hear takes note of a mark. It reports whether the newest is another one than before.
func (f *formats) hear(e snapshot.Entry) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(e.Topic, formatPrefix))
	if err != nil {
		return false
	}
	switch e.State {
	case snapshot.Final:
		f.marks[n] = true
	case snapshot.Gone: // the stream is another one
		delete(f.marks, n)
	}
	before := f.heard
	f.heard = 1
	for n := range f.marks {
		f.heard = max(f.heard, n)
	}
	f.synced = min(f.synced, f.heard)
	return f.heard != before
}

// heardFormat takes note of a mark of the store.
func (r *Replica) heardFormat(e snapshot.Entry) {
	r.mu.Lock()
	changed := r.formats.hear(e)
	r.mu.Unlock()
	r.wakeUp()
	if changed {
		r.tell()
	}
}

// Format is the version in which this process writes now: the oldest one that all replicas read, and not a newer one than
// that with which the store is marked. It may be called within the locks of the store.
func (r *Replica) Format() int {
	if r == nil {
		return Format
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.formats.synced, r.oldestLocked())
}

// oldestLocked returns the oldest version of those that the replicas read.
func (r *Replica) oldestLocked() int {
	oldest := r.formats.reads
	for _, m := range r.members {
		oldest = min(oldest, cmp.Or(m.Format, 1))
	}
	return oldest
}

// Reads returns why this process cannot read what was written in a version, a [*FormatError], or nil.
func (r *Replica) Reads(version int) error {
	reads := Format
	if r != nil {
		reads = r.formats.reads // is not modified
	}
	if version > reads {
		return &FormatError{Found: version, Reads: reads}
	}
	return nil
}

// Refused returns why this process takes no part, a [*FormatError], or nil.
func (r *Replica) Refused() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusedLocked()
}

func (r *Replica) refusedLocked() error { return r.Reads(r.formats.heard) }

// agree brings the version in which this process writes to what the replicas read, and marks the store if that has no
// mark of it yet.
func (r *Replica) agree(ctx context.Context) error {
	r.mu.Lock()
	oldest, heard, synced := r.oldestLocked(), r.formats.heard, r.formats.synced
	isMember := r.isMemberLocked()
	r.mu.Unlock()
	if isMember && oldest > heard {
		if err := r.mark(ctx, oldest); err != nil {
			return err
		}
		r.mu.Lock()
		heard = r.formats.heard
		r.mu.Unlock()
	}
	if heard == synced {
		return nil
	}
	if err := r.deps.Store.Sync(ctx); err != nil { // a replica that has joined before the mark is known then
		return err
	}
	r.mu.Lock()
	r.formats.synced = min(heard, r.formats.heard)
	r.mu.Unlock()
	r.deps.Log.Info("the replicas change to a newer format of what they share, which all of them read", "format", heard)
	return nil
}

// mark marks the store with a version, unless somebody else does.
func (r *Replica) mark(ctx context.Context, version int) error {
	topic := formatPrefix + strconv.Itoa(version)
	claim, _, err := snapshot.ClaimOrAdopt(ctx, r.deps.Store, topic, snapshot.ClaimOptions{KeepFinal: true})
	if err != nil || claim == nil {
		return err
	}
	return claim.Finish(ctx, []byte(strconv.Quote(r.deps.Version)), formatFor)
}
