package archive

import (
	"context"
	"strings"
	"time"
)

// A Run is a run of a job that has ended.
type Run struct {
	ID      string // at most 40 letters and digits
	Job     string
	Status  string // how it ended
	Trigger string // what started it

	// Times are those of the wall clock, to the millisecond.

	Created  time.Time // when it was asked for, by which runs are listed
	Finished time.Time // when it ended, by which the oldest of a job are forgotten
	Expires  time.Time // from when on it is forgotten

	Data []byte // the record, as JSON
}

// Key is the place of the run in lists.
func (r Run) Key() RunKey { return RunKey{r.Created, r.ID} }

// A RunKey is the place of a run in lists, which are newest first. The place of a run does not change.
type RunKey struct {
	Created time.Time
	ID      string
}

// Compare is negative if k is older than l, and positive if it is newer.
func (k RunKey) Compare(l RunKey) int {
	if c := k.Created.Compare(l.Created); c != 0 {
		return c
	}
	return strings.Compare(k.ID, l.ID)
}

// A RunFilter says which runs are listed. Its zero value is all of them.
type RunFilter struct {
	Job      string    // of this job; empty: of all
	Statuses []string  // with one of these; none: with any
	Since    time.Time // created at or after this; zero: ever
	Before   time.Time // created before this; zero: ever
	After    *RunKey   // older than the run at this place, which need not exist; nil: from the newest on
	Limit    int       // how many at most; zero or less means 50
}

// RunLimit is how many runs are listed unless the filter says.
const RunLimit = 50

// An Output is a part of what a run has printed. Offsets count from the first byte that it ever printed.
type Output struct {
	Text  []byte
	Begin int64 // the offset of Text; of an empty one, where the next would begin
	Size  int64 // of all that was printed, so the offset behind the last byte
}

// Ahead is how far in the future the end of a run may be: it is rounded, and clocks are adjusted.
const Ahead = time.Second

// ChunkSize bounds the pieces in which output is kept, in bytes. So much more than its bound of it may be kept.
const ChunkSize = 64 << 10

// Runs keeps runs that have ended, and what runs have printed, those in progress included.
type Runs interface {
	// Add keeps a run that has ended, unless it is kept already or was forgotten: the first end counts. When it returns
	// without an error, the run is kept for good, on a disk if there is one, with all that it has printed.
	//
	// Of the job, the keep runs that ended last are kept; keep is at least 1. The others are forgotten, a bounded
	// number at each Add. So is what has expired. Runs whose end is in the future, by a clock that was set back since,
	// count as the oldest: they would stay instead of all that end from then on.
	Add(ctx context.Context, run Run, keep int) error

	// Get returns a run. The error is [ErrNotFound], [ErrForgotten], or why the archive cannot be read. Of very many
	// runs that were forgotten only the newest are remembered as such.
	Get(ctx context.Context, id string) (Run, error)

	// List returns the runs that the filter lets pass, newest first by the time at which they were created.
	List(ctx context.Context, filter RunFilter) ([]Run, error)

	// Last returns the run of a job that ended last, or [ErrNotFound]. One that ended in the future is returned if there
	// is no other.
	Last(ctx context.Context, job string) (Run, error)

	// Print adds to the output of a run that has not ended what it prints at an offset, which is the end of what was
	// printed before. It never blocks and cannot fail; what is printed is on disk a moment later, if there is one. Of
	// the output the last keep bytes stay, and up to [ChunkSize] more. The text is copied.
	//
	// What a run prints under the other names of [OutputsOf] are outputs beside that, with bounds of their own. They go when
	// that goes.
	Print(run string, at int64, text []byte, keep int64)

	// Discard forgets what a run has printed that will never be added. It neither blocks nor fails.
	Discard(run string)

	// Output returns what a run has printed from an offset on, at most most bytes, and as far as it is kept: the part
	// begins later if the front was cut. It is empty behind the end, and for a run that has printed nothing or is
	// unknown.
	Output(ctx context.Context, run string, from int64, most int) (Output, error)

	// Sweep forgets a bounded number of the runs that have expired. Without it they are not found any more all the
	// same. It is to be called now and then.
	Sweep(ctx context.Context) error
}
