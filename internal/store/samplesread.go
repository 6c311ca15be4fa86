package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// Queries of the past of a source.
const (
	readSource = `SELECT folded, dropped, dropped_until, minutes_from FROM sample_source WHERE id=?`
	firstChunk = `SELECT key FROM sample WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1`
	lastChunks = `SELECT key, data FROM sample WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT ?`
)

// unwritten is what memory has of a source that the database may not have.
type unwritten struct {
	*sampled // only its key is used
	folded   int64
	chunks   []chunk // with the open one last
}

// unwritten returns what memory has of a source; it is nil if the source is not known.
func (s *Samples) unwritten(name string) (_ *unwritten, keep time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[name]
	if of == nil {
		return nil, 0
	}
	u := &unwritten{sampled: of, chunks: slices.Clone(of.closed)}
	u.chunks = append(u.chunks, chunk{number: of.number, data: slices.Clone(of.open)})
	return u, of.keep
}

// newer returns the chunks in memory that come after one in the database.
func (u *unwritten) newer(than int64) []chunk {
	i := slices.IndexFunc(u.chunks, func(c chunk) bool { return c.number > than })
	if i < 0 {
		return nil
	}
	return u.chunks[i:]
}

// Polls implements [archive.Samples].
func (s *Samples) Polls(ctx context.Context, source string) ([]archive.Poll, error) {
	u, _ := s.unwritten(source)
	if u == nil {
		return nil, nil
	}
	chunks, err := u.read(ctx, s.dir.read(), lastChunks, u.key(0, 0), u.key(0, math.MaxInt64), archive.MaxPolls)
	if err != nil {
		return nil, fmt.Errorf("store: polls of %s: %w", source, err)
	}
	var newest int64
	if len(chunks) > 0 {
		newest = chunks[0].number
	}
	slices.Reverse(chunks)
	chunks = append(chunks, u.newer(newest)...)
	var all []archive.Poll
	for i := len(chunks) - 1; i >= 0 && len(all) < archive.MaxPolls; i-- {
		var some []archive.Poll
		if err := polls(chunks[i].data, func(p *storedPoll) {
			if p.flags&pollIsNone == 0 {
				some = append(some, p.poll())
			}
		}); err != nil {
			return nil, fmt.Errorf("store: polls of %s: %w", source, err)
		}
		slices.Reverse(some)
		all = append(all, some...)
	}
	return all[:min(len(all), archive.MaxPolls)], nil
}

// queryer runs queries: it is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read returns the rows of a query; their numbers are those of their keys.
func (u *unwritten) read(ctx context.Context, q queryer, query string, args ...any) ([]chunk, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []chunk
	for rows.Next() {
		var c chunk
		if err := rows.Scan(&c.number, &c.data); err != nil {
			return nil, err
		}
		c.number &= 1<<numberBits - 1
		all = append(all, c)
	}
	return all, rows.Err()
}

// Read implements [archive.Samples].
func (s *Samples) Read(ctx context.Context, source, field string, since, until time.Time) (archive.Numbers, error) {
	u, keep := s.unwritten(source)
	if u == nil || keep == 0 {
		return archive.Numbers{}, archive.ErrNotFound
	}
	numbers, err := u.numbers(ctx, s.dir.read(), field, since, until)
	if err != nil {
		return archive.Numbers{}, fmt.Errorf("store: numbers of %s: %w", source, err)
	}
	return numbers, nil
}

// numbers reads all that it needs in one transaction, so that a poll is neither missing nor there twice.
func (u *unwritten) numbers(ctx context.Context, db *sql.DB, field string, since, until time.Time) (archive.Numbers, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return archive.Numbers{}, err
	}
	defer tx.Rollback() // it only reads
	var dropped, droppedUntil, minutesFrom int64
	err = tx.QueryRowContext(ctx, readSource, u.id).Scan(&u.folded, &dropped, &droppedUntil, &minutesFrom)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return archive.Numbers{}, err
	}
	oldest := dropped + 1
	err = tx.QueryRowContext(ctx, firstChunk, u.key(0, 0), u.key(0, math.MaxInt64)).Scan(&oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return archive.Numbers{}, err
	}
	from := millis(since)
	isRaw := oldest&(1<<numberBits-1) <= dropped+1 && (dropped == 0 || droppedUntil < from)
	after := u.folded
	if isRaw {
		after = 0
	}
	chunks, err := u.read(ctx, tx, chunksFrom, u.key(0, after+1), u.key(0, math.MaxInt64))
	if err != nil {
		return archive.Numbers{}, err
	}
	if n := len(chunks); n > 0 {
		after = chunks[n-1].number
	}
	chunks = append(chunks, u.newer(max(after, u.folded))...)
	found := finder{field: field, since: from, until: millis(until), fields: map[string]int{}}
	if isRaw {
		return found.polls(chunks)
	}
	r := hourly
	if from >= minutesFrom && found.until-from <= mostMinutes.Milliseconds() {
		r = minutely
	}
	rows, err := u.read(ctx, tx, chunksFrom, u.key(r.level, r.row(from)), u.key(r.level, r.row(found.until)))
	if err != nil {
		return archive.Numbers{}, err
	}
	return found.cells(r, rows, chunks)
}

// finder finds the numbers of a field from one time to another.
type finder struct {
	field        string
	since, until int64
	fields       map[string]int // how often each one was seen
	buckets      []archive.Bucket
	late         []bool // of the buckets: nobody polled before
}

// polls returns a bucket for each poll.
func (f *finder) polls(chunks []chunk) (archive.Numbers, error) {
	for _, c := range chunks {
		if err := polls(c.data, func(p *storedPoll) {
			if p.at < f.since || p.at > f.until || p.flags&pollIsBare != 0 {
				return
			}
			b := emptyBucket(p.at)
			p.each(func(field []byte, x float64) {
				f.see(field)
				if string(field) == f.field {
					b.Last, b.Min, b.Max, b.Mean, b.Count = x, x, x, x, 1
				}
			})
			f.buckets, f.late = append(f.buckets, b), append(f.late, p.flags&pollIsLate != 0)
		}); err != nil {
			return archive.Numbers{}, err
		}
	}
	return f.found(0), nil
}

// see notes that a field has a number.
func (f *finder) see(field []byte) {
	if _, known := f.fields[string(field)]; known {
		f.fields[string(field)]++
	} else {
		f.fields[string(field)] = 1
	}
}

// cells returns a bucket for each minute or hour: those of rows, with the polls of chunks that are not in rows.
func (f *finder) cells(r resolution, rows, chunks []chunk) (archive.Numbers, error) {
	all := make(map[int64]*cells, len(rows)+1)
	for _, row := range rows {
		c, err := decodeCells(r, row.number, row.data, &f.field)
		if err != nil {
			return archive.Numbers{}, err
		}
		for _, field := range c.fields {
			f.fields[field]++
		}
		all[row.number] = c
	}
	for _, chunk := range chunks {
		if err := polls(chunk.data, func(p *storedPoll) {
			if p.flags&pollIsBare != 0 {
				return
			}
			row := r.row(p.at)
			c := all[row]
			if c == nil {
				c = new(cells)
				all[row] = c
			}
			p.each(func(field []byte, _ float64) { f.see(field) })
			c.add(r, p, &f.field)
		}); err != nil {
			return archive.Numbers{}, err
		}
	}
	for _, row := range slices.Sorted(maps.Keys(all)) {
		for i := range all[row].list {
			if c := &all[row].list[i]; c.at >= f.since && c.at <= f.until {
				f.buckets, f.late = append(f.buckets, c.bucket()), append(f.late, c.late)
			}
		}
	}
	return f.found(r.cell), nil
}

// found returns the buckets in the order of their times, with one without numbers in each time of more than a cell in which
// nobody polled; or none if no bucket has a number.
func (f *finder) found(cell time.Duration) archive.Numbers {
	numbers := archive.Numbers{Fields: f.mostSeen()}
	if _, ok := f.fields[f.field]; !ok {
		return numbers
	}
	order := make([]int, len(f.buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return f.buckets[a].At.Compare(f.buckets[b].At) })
	numbers.Buckets = make([]archive.Bucket, 0, len(order))
	for i, n := range order {
		b := f.buckets[n]
		if f.late[n] && i > 0 {
			before := f.buckets[order[i-1]].At
			if between := b.At.Sub(before); between > 2*cell && between >= 2*time.Millisecond {
				numbers.Buckets = append(numbers.Buckets, emptyBucket(before.Add(between/2).UnixMilli()))
			}
		}
		numbers.Buckets = append(numbers.Buckets, b)
	}
	return numbers
}

// mostSeen returns the fields that were seen most, sorted.
func (f *finder) mostSeen() []string {
	fields := slices.Sorted(maps.Keys(f.fields))
	if len(fields) > archive.MaxFields {
		slices.SortStableFunc(fields, func(a, b string) int { return cmp.Compare(f.fields[b], f.fields[a]) })
		fields = fields[:archive.MaxFields]
		slices.Sort(fields)
	}
	return fields
}
