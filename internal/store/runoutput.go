package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

const (
	// maxPrinted bounds what a run has printed and the disk has not taken, in bytes.
	maxPrinted = 8 << 20
	// maxHeld bounds the same of all runs together.
	maxHeld = 64 << 20
	// muchPrinted is how much of it is written at once, in bytes: what prints fast would reach the bound within a batch.
	muchPrinted = 256 << 10
	// smallPiece is the size below which a piece of output grows instead of being followed by another, in bytes.
	smallPiece = 8 << 10
	// trashStep is how many pieces of output of forgotten runs are removed by one transaction.
	trashStep = 32
)

// Queries of output.
const (
	putPiece   = `INSERT INTO run_output (run, at, text) VALUES (?,?,?) ON CONFLICT (run, at) DO UPDATE SET text=excluded.text`
	cutOutput  = `DELETE FROM run_output WHERE run=? AND at < (SELECT max(at) FROM run_output WHERE run=? AND at <= ?)`
	cutBefore  = `DELETE FROM run_output WHERE run=? AND at < ?`
	isHidden   = `SELECT (SELECT count(*) FROM run WHERE id=? AND expires <= ?) + (SELECT count(*) FROM run_trash WHERE id=?)`
	outputEnd  = `SELECT at + length(text) FROM run_output WHERE run=? ORDER BY at DESC LIMIT 1`
	readOutput = `SELECT at, text FROM run_output WHERE run=? AND at >= coalesce((SELECT max(at) FROM run_output WHERE run=? AND at <= ?), 0) ORDER BY at`
	noteTrash  = `INSERT INTO run_trash (id) VALUES (?) ON CONFLICT (id) DO NOTHING`
	trash      = `SELECT id FROM run_trash LIMIT 1`
	emptyTrash = `DELETE FROM run_output WHERE n IN (SELECT n FROM run_output WHERE run=? LIMIT ?)`
	dropTrash  = `DELETE FROM run_trash WHERE id=?`
)

// printed is what a run in progress has printed and is not in the database yet.
type printed struct {
	at     int64  // the offset of text
	text   []byte // its bytes do not change
	keep   int64
	cut    bool   // there was too much: what is before at is gone
	queued bool   // an op is, which writes text
	hurry  bool   // one is that does not wait for others
	lastAt int64  // the offset of last
	last   []byte // the newest piece in the database, if it is small
}

// Print implements [archive.Runs].
func (r *Runs) Print(run string, at int64, text []byte, keep int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.printing[run]
	if p == nil {
		p = &printed{at: at}
		r.printing[run] = p
	}
	p.keep = keep
	r.holdLocked(p, append(p.text, text...))
	if int64(len(p.text)) > min(keep+archive.ChunkSize, maxPrinted) { // the disk does not take it
		r.cutLocked(p, len(p.text)-int(min(keep, maxPrinted/2)))
		p.queued, p.hurry = false, false // the op may have been dropped: so many wait
	}
	if r.held > maxHeld {
		for _, p := range r.printing {
			r.cutLocked(p, len(p.text)/2)
		}
	}
	switch flush := func(t *tx) error { return r.flush(t, run) }; {
	case len(p.text) >= muchPrinted && !p.hurry:
		p.queued, p.hurry = true, true
		r.dir.queue.add(op{run: flush}, true)
	case !p.queued:
		p.queued = true
		r.dir.soon(flush)
	}
}

// holdLocked makes text what the run of p has printed and is not in the database yet.
func (r *Runs) holdLocked(p *printed, text []byte) {
	r.held += len(text) - len(p.text)
	p.text = text
}

// cutLocked drops the first n bytes of that.
func (r *Runs) cutLocked(p *printed, n int) {
	if n > 0 {
		p.at, p.cut, p.last = p.at+int64(n), true, nil
		r.holdLocked(p, bytes.Clone(p.text[n:]))
	}
}

// dropLocked drops all that is known of what a run has printed.
func (r *Runs) dropLocked(run string) {
	for _, name := range archive.OutputsOf(run) {
		if p := r.printing[name]; p != nil {
			r.holdLocked(p, nil)
			delete(r.printing, name)
		}
	}
}

// Discard implements [archive.Runs].
func (r *Runs) Discard(run string) {
	r.mu.Lock()
	r.dropLocked(run)
	r.mu.Unlock()
	r.dir.soon(func(t *tx) error {
		t.committed(r.emptyTrash)
		for _, name := range archive.OutputsOf(run) {
			if _, err := t.exec(noteTrash, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// flush writes what a run has printed.
func (r *Runs) flush(t *tx, run string) error {
	r.mu.Lock()
	p := r.printing[run]
	if p == nil {
		r.mu.Unlock()
		return nil
	}
	at, text, keep, cut := p.at, p.text, p.keep, p.cut
	size := at + int64(len(text))
	if p.last != nil && p.lastAt+int64(len(p.last)) == at {
		at, text = p.lastAt, append(bytes.Clone(p.last), text...)
	}
	r.mu.Unlock()
	if cut {
		if _, err := t.exec(cutBefore, run, at); err != nil {
			return err
		}
	}
	for begin := 0; begin < len(text); begin += archive.ChunkSize {
		piece := text[begin:min(begin+archive.ChunkSize, len(text))]
		if _, err := t.exec(putPiece, run, at+int64(begin), piece); err != nil {
			return err
		}
	}
	if size > keep {
		if _, err := t.exec(cutOutput, run, run, size-keep); err != nil {
			return err
		}
	}
	t.committed(func() { r.flushed(run, at, text, size) })
	return nil
}

// flushed is called when the output of a run up to size is in the database, of which text, at an offset, was written now.
func (r *Runs) flushed(run string, at int64, text []byte, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.printing[run]
	if p == nil {
		return
	}
	p.queued, p.hurry = false, false
	if n := size - p.at; n >= 0 && n <= int64(len(p.text)) { // otherwise too much came meanwhile
		r.holdLocked(p, p.text[n:])
		p.at, p.cut = size, false
	}
	if len(p.text) == 0 {
		p.text = nil
	}
	if p.last = nil; len(text) <= smallPiece {
		p.lastAt, p.last = at, text
	}
	if len(p.text) > 0 {
		p.queued = true
		r.dir.soon(func(t *tx) error { return r.flush(t, run) })
	}
}

// again has what runs have printed be written once more, and the output of forgotten runs be removed: the ops for that may
// have been dropped.
func (r *Runs) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for run, p := range r.printing {
		if len(p.text) > 0 {
			p.queued, p.hurry = true, false
			r.dir.soon(func(t *tx) error { return r.flush(t, run) })
		}
	}
	r.emptying = true
	r.dir.soon(r.emptyStep)
}

// Output implements [archive.Runs].
func (r *Runs) Output(ctx context.Context, run string, from int64, most int) (archive.Output, error) {
	r.mu.Lock()
	var waits printed
	if p := r.printing[run]; p != nil {
		waits = *p
		from = max(from, p.at+int64(len(p.text))-p.keep-archive.ChunkSize) // what is before that will be cut
	}
	r.mu.Unlock()
	if len(waits.text) == 0 || from < waits.at { // what is before that is in the database
		part, err := r.readOutput(ctx, run, from, most)
		switch {
		case err != nil:
			return part, fmt.Errorf("store: read output: %w", err)
		case len(waits.text) == 0:
			return part, nil
		case part.Begin < min(part.Size, waits.at):
			part.Text = part.Text[:min(int64(len(part.Text)), waits.at-part.Begin)]
			part.Size = waits.at + int64(len(waits.text))
			return part, nil
		}
	}
	part := archive.Output{Size: waits.at + int64(len(waits.text))}
	part.Begin = min(max(from, waits.at), part.Size)
	text := waits.text[part.Begin-waits.at:]
	part.Text = bytes.Clone(text[:min(len(text), most)])
	return part, nil
}

// readOutput is Output of what is in the database.
func (r *Runs) readOutput(ctx context.Context, run string, from int64, most int) (part archive.Output, err error) {
	read := r.dir.read()
	var hidden int
	id, _ := archive.RunOf(run)
	if err := read.QueryRowContext(ctx, isHidden, id, time.Now().UnixMilli(), run).Scan(&hidden); err != nil || hidden > 0 {
		return part, err
	}
	if err := read.QueryRowContext(ctx, outputEnd, run).Scan(&part.Size); err != nil {
		if isNone(err) {
			err = nil
		}
		return part, err
	}
	if part.Begin = min(from, part.Size); part.Begin == part.Size {
		return part, nil
	}
	rows, err := read.QueryContext(ctx, readOutput, run, run, from)
	if err != nil {
		return part, err
	}
	defer rows.Close()
	next := int64(-1)
	for rows.Next() && (next < 0 || len(part.Text) < most) {
		var at int64
		var text []byte
		if err := rows.Scan(&at, &text); err != nil {
			return part, err
		}
		if next < 0 {
			part.Begin = max(from, at)
			text = text[min(part.Begin-at, int64(len(text))):]
		} else if at != next {
			break // a piece was cut off meanwhile
		}
		part.Text = append(part.Text, text[:min(len(text), most-len(part.Text))]...)
		next = part.Begin + int64(len(part.Text))
	}
	part.Size = max(part.Size, next)
	return part, rows.Err()
}

// emptyTrash has the output of forgotten runs removed, a piece at a time.
func (r *Runs) emptyTrash() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.emptying {
		r.emptying = true
		r.dir.soon(r.emptyStep)
	}
}

// emptyStep removes a piece of the output of forgotten runs.
func (r *Runs) emptyStep(t *tx) error {
	more := true
	var run string
	err := t.row([]any{&run}, trash)
	switch {
	case isNone(err):
		more = false
	case err != nil:
		return err
	default:
		result, err := t.exec(emptyTrash, run, trashStep)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n < trashStep {
			if _, err := t.exec(dropTrash, run); err != nil {
				return err
			}
		}
	}
	t.committed(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.emptying = more; more {
			r.dir.soon(r.emptyStep)
		}
	})
	return nil
}
