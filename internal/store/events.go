package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// The rows are in the order of their ids, which is that of time.
const eventTables = `CREATE TABLE event (
	id INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	source TEXT NOT NULL,
	job TEXT NOT NULL,
	run TEXT NOT NULL,
	who TEXT NOT NULL,
	text TEXT NOT NULL,
	data TEXT NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at);
CREATE INDEX event_subject ON event (kind, subject);
CREATE INDEX event_source ON event (source) WHERE source<>'';
CREATE INDEX event_job ON event (job) WHERE job<>''`

const (
	// maxEvents is how many events are kept: some 30 MB.
	maxEvents = 100_000
	// maxTail is how many of the newest are in memory, too: those that are not written yet must be.
	maxTail = 2000
	// pruneAfter is after how many events those of a subject that are too many are deleted.
	pruneAfter = 250
	// pruneAllAfter is after how many those of a kind and in all are, which takes some 10 ms.
	pruneAllAfter = 2500
)

// Events is [archive.Events] in a directory: its newest 100,000 events, of a kind 50,000, of a kind and a subject 5,000, and
// some thousand more for a moment; and none that are older than [Options.Keep]. Events are written within 50 ms.
type Events struct {
	dir    *Dir
	bounds archive.EventBounds
	tail   *archive.MemoryEvents // has the newest, all of them

	mu      sync.Mutex // guards the fields below
	touched map[eventSubject]struct{}
	kinds   map[string]struct{}
	added   int // since the last prune
	grown   int // since the last one of all
}

// An eventSubject is whose events are counted together.
type eventSubject struct{ kind, of string }

// openEvents reads the newest events.
func (d *Dir) openEvents(ctx context.Context) error {
	e := newEvents(d, archive.NewEventBounds(maxEvents), maxTail)
	newest, err := e.read(ctx, archive.EventFilter{}, maxTail)
	if err != nil {
		return err
	}
	for i := len(newest) - 1; i >= 0; i-- {
		e.tail.Add(newest[i])
	}
	d.events = e
	d.trimmer.pasts = append(d.trimmer.pasts, pastOf("event", "at"))
	d.again = append(d.again, e.writeAgain)
	return nil
}

func newEvents(d *Dir, bounds archive.EventBounds, tail int) *Events {
	newest := bounds
	newest.All = min(bounds.All, tail)
	return &Events{
		dir: d, bounds: bounds, tail: archive.NewMemoryEvents(newest),
		touched: map[eventSubject]struct{}{}, kinds: map[string]struct{}{},
	}
}

// Events returns what has happened.
func (d *Dir) Events() *Events { return d.events }

// Add implements [archive.Events].
func (e *Events) Add(event archive.Event) {
	e.tail.Add(event)
	e.dir.soon(insertEvent(event))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touched[eventSubject{event.Kind, event.Subject()}] = struct{}{}
	e.kinds[event.Kind] = struct{}{}
	e.grown++
	if e.added++; e.added >= pruneAfter {
		e.pruneLocked(e.grown >= pruneAllAfter)
	}
}

func insertEvent(event archive.Event) func(*tx) error {
	return func(t *tx) error {
		_, err := t.exec(`INSERT OR IGNORE INTO event (id, at, kind, subject, source, job, run, who, text, data)
			VALUES (?,?,?,?,?,?,?,?,?,?)`, event.ID, event.At.UnixMilli(), event.Kind, event.Subject(), event.Source,
			event.Job, event.Run, event.Who, event.Text, string(event.Data))
		return err
	}
}

// writeAgain has the newest events be written once more.
func (e *Events) writeAgain() {
	all, _ := e.tail.List(context.Background(), archive.EventFilter{}, maxTail) // never fails
	for _, event := range all {
		e.dir.soon(insertEvent(event))
	}
}

// pruneLocked deletes what is too much of the subjects that were added to since the last time, and in all.
func (e *Events) pruneLocked(all bool) {
	touched, bounds, kinds := e.touched, e.bounds, e.kinds
	e.touched, e.added = map[eventSubject]struct{}{}, 0
	if all {
		e.kinds, e.grown = map[string]struct{}{}, 0
	}
	e.dir.soon(func(t *tx) error {
		for of := range touched {
			if _, err := t.exec(`DELETE FROM event WHERE kind=?1 AND subject=?2 AND id <=
				(SELECT id FROM event WHERE kind=?1 AND subject=?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)`,
				of.kind, of.of, bounds.Subject); err != nil {
				return err
			}
		}
		if !all {
			return nil
		}
		for kind := range kinds {
			if _, err := t.exec(`DELETE FROM event WHERE kind=?1 AND id <=
				(SELECT id FROM event WHERE kind=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, kind, bounds.Kind); err != nil {
				return err
			}
		}
		_, err := t.exec(`DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)`, bounds.All)
		return err
	})
}

// List implements [archive.Events].
func (e *Events) List(ctx context.Context, f archive.EventFilter, limit int) ([]archive.Event, error) {
	found, oldest := e.tail.ListFrom(f, limit)
	if oldest != 0 && (f.Before == 0 || f.Before > oldest) {
		f.Before = oldest
	}
	if len(found) >= limit || f.Before != 0 && f.After+1 >= f.Before {
		return found, nil
	}
	older, err := e.read(ctx, f, limit-len(found))
	return append(found, older...), err
}

// Oldest implements [archive.Events].
func (e *Events) Oldest(ctx context.Context) (int64, error) {
	oldest, _ := e.tail.Oldest(ctx)
	var stored *int64
	if err := e.dir.read().QueryRowContext(ctx, "SELECT min(id) FROM event").Scan(&stored); err != nil {
		return 0, e.failed(ctx, err)
	}
	if stored != nil && (oldest == 0 || *stored < oldest) {
		oldest = *stored
	}
	return oldest, nil
}

// read is List of what is written.
func (e *Events) read(ctx context.Context, f archive.EventFilter, limit int) (found []archive.Event, err error) {
	query, args := eventQuery(f, limit)
	rows, err := e.dir.read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, e.failed(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var event archive.Event
		var at int64
		var data string
		if err := rows.Scan(&event.ID, &at, &event.Kind, &event.Source, &event.Job, &event.Run, &event.Who, &event.Text,
			&data); err != nil {
			return nil, e.failed(ctx, err)
		}
		event.At, event.Data = time.UnixMilli(at).UTC(), json.RawMessage(data)
		found = append(found, event)
	}
	if err := rows.Err(); err != nil {
		return nil, e.failed(ctx, err)
	}
	return found, nil
}

// failed is why events cannot be read.
func (e *Events) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("store: read events: %w", describe(e.dir.name, err))
}

// eventQuery is the query for the newest events that f chooses.
func eventQuery(f archive.EventFilter, limit int) (query string, args []any) {
	where := []string{"id>?"}
	args = []any{f.After}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	in := func(column string, not string, values []string) {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		marks := strings.TrimSuffix(strings.Repeat("?,", len(values)), ",")
		add(column+not+" IN ("+marks+")", list...)
	}
	if f.Before != 0 {
		add("id<?", f.Before)
	}
	if f.Kinds != nil {
		in("kind", "", f.Kinds)
	}
	if f.Not != nil {
		in("kind", " NOT", f.Not)
	}
	// The conditions of the indexes make them usable.
	if f.Sources != nil {
		in("source", "", f.Sources)
		add("source<>''")
	}
	if f.Jobs != nil {
		in("job", "", f.Jobs)
		add("job<>''")
	}
	if !f.Since.IsZero() {
		add("at>=?", ceilMillis(f.Since))
	}
	if !f.Until.IsZero() {
		add("at<?", ceilMillis(f.Until))
	}
	return `SELECT id, at, kind, source, job, run, who, text, data FROM event WHERE ` + strings.Join(where, " AND ") +
		` ORDER BY id DESC LIMIT ?`, append(args, limit)
}

// ceilMillis is the first millisecond since 1970 that is not before t.
func ceilMillis(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }
