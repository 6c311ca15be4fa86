package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

const (
	// maxSpans is how many spans of a source are kept, and spansFor how long: what is asked for is a year.
	maxSpans = 10_000
	spansFor = 366 * 24 * time.Hour
	// maxSpansWaiting bounds the changes that wait in memory while the disk fails, over all sources.
	maxSpansWaiting = 50_000
	// livedEvery is how often it is written that the process lives, if nothing else is written.
	livedEvery = 10 * time.Second
	// notedEvery is the same if something else is written.
	notedEvery = time.Second
)

// spanTables has in which state each source was. A span that lasts has an until of NULL. A span whose until is before its
// since was ended by a clock that was set back.
const spanTables = `CREATE TABLE span (
	source TEXT NOT NULL, n INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, state TEXT NOT NULL, reason TEXT NOT NULL,
	PRIMARY KEY (source, n)) STRICT, WITHOUT ROWID;
CREATE INDEX span_since ON span (since);
CREATE INDEX span_lasts ON span (source) WHERE until IS NULL`

const (
	addSpan     = `INSERT INTO span (source, n, since, until, state, reason) VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET until=excluded.until`
	cutSpans    = `DELETE FROM span WHERE source=? AND n<=?`
	forgetSpans = `DELETE FROM span WHERE source=?`
	oldSpans    = `DELETE FROM span WHERE (source, n) IN
		(SELECT source, n FROM span WHERE since<? AND until IS NOT NULL ORDER BY since LIMIT ?)`
	endSpans = `UPDATE span SET until=max(since, ?) WHERE until IS NULL`
	// newestSpans steps from source to source, since to group all spans takes as long as there are many.
	newestSpans = `WITH RECURSIVE of (source) AS (SELECT min(source) FROM span
		UNION ALL SELECT (SELECT min(source) FROM span WHERE source>of.source) FROM of WHERE source IS NOT NULL)
		SELECT source, (SELECT max(n) FROM span WHERE source=of.source) AS newest FROM of WHERE source IS NOT NULL`
	readSpans = `SELECT n, since, until, state, reason FROM span WHERE source=? ORDER BY n DESC`
)

// Spans is [archive.Spans] in a directory: 10,000 spans of each source, for a year. The process before ended when it was last
// known to live, to about a second while sources are polled, and to 10 s otherwise. Make one by [Dir.Spans].
//
// While the disk fails, changes wait in memory, as far as 50,000 of them; what is more is lost.
type Spans struct {
	dir *Dir

	mu sync.Mutex // guards the fields below

	sources map[string]*spans
	waiting []storedSpan // changes to write, in their order
	writing []storedSpan // those that an op has taken
	queued  bool
	lived   int64 // when the process was last known to live, in milliseconds since 1970
	noted   int64 // the same, as it is written
}

// spans are those of one source.
type spans struct {
	n    int64      // of the newest one that began
	last storedSpan // the newest one
}

// storedSpan is a row.
type storedSpan struct {
	source string
	n      int64
	archive.Span
}

// Spans returns the states of sources that the directory has.
func (d *Dir) Spans() *Spans { return d.spans }

// Enter implements [archive.Spans].
func (s *Spans) Enter(source string, at time.Time, state, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[source]
	if of == nil {
		of = new(spans)
		s.sources[source] = of
	}
	if of.last.Lasts && of.last.State == state {
		return
	}
	s.endLocked(of, at)
	s.beginLocked(of, source, archive.Span{From: at, Lasts: true, State: state, Error: archive.CutError(reason)})
}

// endLocked ends the span that lasts.
func (s *Spans) endLocked(of *spans, at time.Time) {
	if last := &of.last; last.Lasts {
		if last.Lasts, last.To = false, at; at.Before(last.From) {
			last.To = last.From
		}
		s.writeLocked(*last)
	}
}

// beginLocked begins a span.
func (s *Spans) beginLocked(of *spans, source string, span archive.Span) {
	of.n++
	of.last = storedSpan{source, of.n, span}
	s.writeLocked(of.last)
}

// writeLocked has a span be written.
func (s *Spans) writeLocked(span storedSpan) {
	if len(s.waiting) < maxSpansWaiting {
		s.waiting = append(s.waiting, span)
	}
	s.wakeLocked()
}

// Leave implements [archive.Spans].
func (s *Spans) Leave(source string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.sources[source]; of != nil {
		s.endLocked(of, at)
	}
}

// Lived implements [archive.Spans].
func (s *Spans) Lived(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lived = millis(at)
	if past := s.lived - s.noted; past < 0 || past >= livedEvery.Milliseconds() {
		s.wakeLocked()
	}
}

// Slept implements [archive.Spans].
func (s *Spans) Slept(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for source, of := range s.sources {
		if of.last.Lasts {
			again := of.last.Span
			s.endLocked(of, from)
			again.From = to
			s.beginLocked(of, source, again)
		}
	}
}

// wakeLocked has what waits be written.
func (s *Spans) wakeLocked() {
	if s.queued {
		return
	}
	s.queued = true
	s.dir.soonOf(func() func(*tx) error {
		taken := s.take()
		return func(t *tx) error {
			for _, span := range taken {
				if err := span.write(t); err != nil {
					return err
				}
			}
			t.committed(func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.writing = nil
			})
			return s.note(t)
		}
	})
}

// take takes what waits to be written.
func (s *Spans) take() []storedSpan {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.waiting
	s.writing = append(s.writing, taken...)
	s.waiting, s.queued = nil, false
	return taken
}

// note writes when the process was last known to live, at most once a second.
func (s *Spans) note(t *tx) error {
	s.mu.Lock()
	lived, past := s.lived, s.lived-s.noted
	s.mu.Unlock()
	if lived == 0 || past >= 0 && past < notedEvery.Milliseconds() {
		return nil
	}
	t.committed(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.noted = lived
	})
	_, err := t.exec(setMeta, "spans", lived)
	return err
}

// write writes a span, and drops those of its source that are too many.
func (s *storedSpan) write(t *tx) error {
	var until any
	if !s.Lasts {
		until = millis(s.To)
	}
	if _, err := t.exec(addSpan, s.source, s.n, millis(s.From), until, s.State, s.Error); err != nil {
		return err
	}
	const step = maxSpans / 10
	if s.Lasts && s.n > maxSpans && s.n%step == 0 {
		_, err := t.exec(cutSpans, s.source, s.n-maxSpans+step)
		return err
	}
	return nil
}

// forget forgets a source, unless it is in a state. It reports whether its rows are to be deleted.
func (s *Spans) forget(source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.sources[source]; of != nil && of.last.Lasts {
		return false
	}
	delete(s.sources, source)
	s.waiting = slices.DeleteFunc(s.waiting, func(span storedSpan) bool { return span.source == source })
	return true
}

// tick is called once a second while the disk works, see [Samples.tick].
func (s *Spans) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		s.queued = false
		s.wakeLocked()
	}
}

// flush has everything be written when the directory is closed.
func (s *Spans) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued, s.noted = false, 0
	s.wakeLocked()
}

// again has the spans that last be written once more.
func (s *Spans) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = 0
	for _, of := range s.sources {
		if of.last.Lasts {
			s.writeLocked(of.last)
		}
	}
}

// restoreSpans ends the spans of the process before.
func (d *Dir) restoreSpans(ctx context.Context) error {
	s := &Spans{dir: d, sources: map[string]*spans{}}
	lived, err := d.readTime(ctx, "spans")
	if err != nil {
		return err
	}
	if _, err := d.db.conn.ExecContext(ctx, endSpans, millis(lived)); err != nil {
		return err
	}
	rows, err := d.read().QueryContext(ctx, newestSpans)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var source string
		of := new(spans)
		if err := rows.Scan(&source, &of.n); err != nil {
			return err
		}
		s.sources[source] = of
	}
	if err := rows.Err(); err != nil {
		return err
	}
	d.spans = s
	d.again = append(d.again, s.again)
	d.last = append(d.last, s.flush)
	d.trimmer.pasts = append(d.trimmer.pasts, &past{
		oldest: "SELECT min(since) FROM span WHERE until IS NOT NULL", trim: trimBy(oldSpans), keep: spansFor,
	})
	return nil
}

// Past implements [archive.Spans].
func (s *Spans) Past(ctx context.Context, source string, since, now time.Time) (archive.Past, error) {
	s.mu.Lock()
	waiting := slices.Concat(s.writing, s.waiting)
	s.mu.Unlock()
	past, err := s.past(ctx, source, waiting)
	if err != nil {
		return archive.Past{}, fmt.Errorf("store: states of %s: %w", source, err)
	}
	past.Spans = archive.Clip(past.Spans, since, now)
	return past, nil
}

// past reads the spans of a source. Those that wait in memory are newer, or have ended since they were written.
func (s *Spans) past(ctx context.Context, source string, waiting []storedSpan) (past archive.Past, err error) {
	rows, err := s.dir.read().QueryContext(ctx, readSpans, source)
	if err != nil {
		return past, err
	}
	defer rows.Close()
	newer := map[int64]storedSpan{}
	for _, span := range waiting {
		if span.source == source {
			newer[span.n] = span
		}
	}
	var all []storedSpan
	var since int64
	var until sql.NullInt64
	for rows.Next() {
		span := storedSpan{source: source}
		if err := rows.Scan(&span.n, &since, &until, &span.State, &span.Error); err != nil {
			return past, err
		}
		span.From, span.To, span.Lasts = time.UnixMilli(since), time.UnixMilli(until.Int64), !until.Valid
		if changed, ok := newer[span.n]; ok {
			span = changed
			delete(newer, span.n)
		}
		all = append(all, span)
	}
	if err := rows.Err(); err != nil {
		return past, err
	}
	if len(newer) > 0 {
		for _, span := range newer {
			all = append(all, span)
		}
		slices.SortFunc(all, func(a, b storedSpan) int { return int(b.n - a.n) })
	}
	all = all[:min(len(all), maxSpans)]
	if n := len(all); n > 0 && all[n-1].n > 1 {
		past.Since = all[n-1].From
	}
	past.Spans = make([]archive.Span, len(all))
	for i := range all {
		past.Spans[i] = all[i].Span
	}
	return past, nil
}
