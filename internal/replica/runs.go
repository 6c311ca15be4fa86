package replica

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/snapshot"
)

// Runs is an archive of runs of which all replicas can read what was printed, and the files, also when the replica that had the
// run is gone. When a run has ended that printed more than its record has, or that has files, the process that had it puts that into the store, in
// pieces of 256 KiB, compressed: up to 8 MiB of a run, of which the end stays, and 32 MiB in all, of which the oldest runs
// go first. Each replica has these pieces in memory, as all that is in the store. They leave the store with their run.
//
// All else is as in the archive that it is made of. Make one with [OpenRuns].
type Runs struct {
	archive.Runs
	opts    RunsOptions
	records *Records

	mu     sync.Mutex         // guards the fields below; before the locks of records, of the Replica and of the archive
	pieces map[string][]piece // by run, in order
	order  []string           // the runs in pieces, in the order in which this process has heard of them
	size   int                // of all pieces, in bytes
}

// A piece is a part of what a run has printed.
type piece struct {
	key        string // of its record: RUN/BEGIN-END
	begin, end int64
	data       []byte // compressed by gzip, whose header has the time when the run expires
}

// RunsOptions are the options of [OpenRuns]. Every field must be set.
type RunsOptions struct {
	Runs    archive.Runs // of this process
	Replica *Replica
	Store   snapshot.Store
	Log     *slog.Logger
	// Recorded is how many bytes of the end of an output are in the record of its run.
	Recorded int64
}

// Bounds of what replicas share of outputs, in bytes.
const (
	pieceSize    = 256 << 10
	maxOfRun     = 8 << 20
	maxOfAll     = 32 << 20
	outputPrefix = "output/"
	// storedWithin bounds how long the end of a process waits for outputs to be stored.
	storedWithin = 5 * time.Second
)

// OpenRuns returns the archive once it knows what the store has. What it has started ends with [Runs.Close], or ctx.
func OpenRuns(ctx context.Context, opts RunsOptions) (*Runs, error) {
	a := &Runs{Runs: opts.Runs, opts: opts, pieces: map[string][]piece{}}
	var err error
	a.records, err = OpenRecords(ctx, RecordsOptions{
		Store: opts.Store, Prefix: outputPrefix, Log: opts.Log, Told: a.told, Check: checkPiece, Mine: opts.Replica.Mine,
		Retain: func(_ string, data []byte) time.Duration { return max(time.Second, time.Until(expiry(data))) },
	})
	if err != nil {
		return nil, err
	}
	opts.Replica.OnChange(a.records.Moved)
	a.records.Tell(ctx)
	return a, nil
}

// Close waits for what is to be stored, for 5 s at most, and ends.
func (a *Runs) Close() {
	if a == nil {
		return
	}
	for end := time.Now().Add(storedWithin); time.Now().Before(end); {
		if a.records.Kept(context.Background()) == nil {
			break
		}
	}
	a.records.Close()
}

// Add implements [archive.Runs].
func (a *Runs) Add(ctx context.Context, run archive.Run, keep int) error {
	if err := a.Runs.Add(ctx, run, keep); err != nil {
		return err
	}
	a.dropForgotten(ctx)
	if files, err := a.Runs.Output(ctx, archive.FilesOf(run.ID), 0, 0); err == nil {
		a.share(ctx, archive.FilesOf(run.ID), run.Expires, files)
	}
	part, err := a.Runs.Output(ctx, run.ID, 0, 0)
	if err != nil || part.Size-part.Begin <= a.opts.Recorded {
		return nil // it printed nothing here, or little
	}
	a.share(ctx, run.ID, run.Expires, part)
	for _, output := range []string{archive.StylesOf(run.ID), archive.IndexOf(run.ID)} { // who has the index knows all styles
		if part, err := a.Runs.Output(ctx, output, 0, 0); err == nil {
			a.share(ctx, output, run.Expires, part)
		}
	}
	return nil
}

// share puts an output, which is at the place of part, into the store.
func (a *Runs) share(ctx context.Context, output string, expires time.Time, part archive.Output) {
	var all []piece
	for end, size := part.Size, 0; end > part.Begin; {
		begin := max(part.Begin, end-pieceSize)
		text, err := a.Runs.Output(ctx, output, begin, int(end-begin))
		if err != nil || text.Begin != begin {
			break // it was dropped meanwhile
		}
		one := piece{key: fmt.Sprintf("%s/%d-%d", output, begin, end), data: compress(text.Text, expires)}
		if size += len(one.data); size > maxOfRun {
			break
		}
		all, end = append(all, one), begin
	}
	for _, one := range slices.Backward(all) {
		a.records.Keep(one.key, one.data, false)
	}
}

// compress makes the data of a piece.
func compress(text []byte, expires time.Time) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a level that there is
	w.ModTime = expires.Add(time.Second)            // whole seconds
	_, _ = w.Write(text)                            // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// expiry is when the run of a piece expires, zero if data is none.
func expiry(data []byte) time.Time {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return time.Time{}
	}
	return r.ModTime
}

// pieceOf returns where a piece belongs.
func pieceOf(key string) (run string, one piece, err error) {
	run, place, _ := strings.Cut(key, "/")
	one.key = key
	if _, err = fmt.Sscanf(place, "%d-%d", &one.begin, &one.end); err != nil {
		return "", one, fmt.Errorf("it does not say which part of an output it is: %w", err)
	}
	if one.begin < 0 || one.end <= one.begin || one.end-one.begin > pieceSize { // which is held in memory when it is read
		return "", one, fmt.Errorf("an output has no part from %d to %d", one.begin, one.end)
	}
	return run, one, nil
}

// checkPiece returns why a record is no piece.
func checkPiece(key string, data []byte) error {
	_, _, err := pieceOf(key)
	if err == nil {
		_, err = gzip.NewReader(bytes.NewReader(data))
	}
	return err
}

// told takes note of a piece in the store, or of its end.
func (a *Runs) told(key string, data []byte) {
	run, one, err := pieceOf(key)
	if err != nil {
		return
	}
	one.data = data
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.pieces[run]
	at, found := slices.BinarySearchFunc(all, one, func(p, q piece) int { return cmp.Compare(p.begin, q.begin) })
	switch {
	case found:
		a.size -= len(all[at].data)
		all = slices.Delete(all, at, at+1)
	case all == nil && data != nil:
		a.order = append(a.order, run)
	}
	if data != nil {
		all = slices.Insert(all, at, one)
		a.size += len(data)
	}
	if a.pieces[run] = all; len(all) == 0 {
		delete(a.pieces, run)
		a.order = slices.DeleteFunc(a.order, func(other string) bool { return other == run })
	}
	for size, i := a.size, 0; size > maxOfAll && i < len(a.order); i++ {
		size -= a.removeLocked(a.order[i])
	}
}

// removeLocked has the output of a run leave the store, and returns how much that is. Of the replicas one does so.
func (a *Runs) removeLocked(run string) (size int) {
	mine := a.opts.Replica.Mine(outputPrefix + run)
	for _, one := range a.pieces[run] {
		size += len(one.data)
		if mine {
			a.records.Keep(one.key, nil, false)
		}
	}
	return size
}

// dropForgotten removes the outputs of runs that are forgotten.
func (a *Runs) dropForgotten(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for run := range a.pieces {
		if a.isForgotten(ctx, run) {
			a.removeLocked(run)
		}
	}
}

func (a *Runs) isForgotten(ctx context.Context, run string) bool {
	id, _ := archive.RunOf(run)
	_, err := a.Get(ctx, id)
	return errors.Is(err, archive.ErrForgotten)
}

// Output implements [archive.Runs]. It returns less than most bytes if a piece ends.
func (a *Runs) Output(ctx context.Context, run string, from int64, most int) (archive.Output, error) {
	part, err := a.Runs.Output(ctx, run, from, most)
	if err != nil || part.Size > 0 || a.isForgotten(ctx, run) {
		return part, err
	}
	a.mu.Lock()
	all := slices.Clone(a.pieces[run])
	a.mu.Unlock()
	if len(all) == 0 {
		return part, nil
	}
	part.Size = all[len(all)-1].end
	at := slices.IndexFunc(all, func(p piece) bool { return p.end > from })
	if at < 0 {
		part.Begin = part.Size
		return part, nil
	}
	part.Begin = max(from, all[at].begin)
	if most <= 0 {
		return part, nil
	}
	text, err := all[at].text()
	if err != nil {
		return archive.Output{}, fmt.Errorf("replica: what run %s has printed cannot be read: %w", run, err)
	}
	text = text[part.Begin-all[at].begin:]
	part.Text = text[:min(len(text), most)]
	return part, nil
}

// text is what was printed.
func (p *piece) text() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(p.data))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, p.end-p.begin))
	if err == nil && int64(len(text)) < p.end-p.begin {
		err = io.ErrUnexpectedEOF
	}
	return text, err
}
