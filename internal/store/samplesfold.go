package store

import (
	"database/sql"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// fold merges the numbers of the chunks of a source that are not merged yet into minutes and hours, and drops those that
// are too many. It returns the newest chunk that is merged.
func (s *Samples) fold(t *tx, of *sampled) (folded int64, err error) {
	if err := t.row([]any{&folded}, getFolded, of.id); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // it was removed
		}
		return 0, err
	}
	chunks, err := of.chunks(t, folded+1, math.MaxInt64)
	if err != nil || len(chunks) == 0 {
		return folded, err
	}
	folded = chunks[len(chunks)-1].number
	for _, r := range []resolution{minutely, hourly} {
		if err := of.foldInto(t, r, chunks); err != nil {
			return 0, err
		}
	}
	if _, err := t.exec(setFolded, folded, of.id); err != nil {
		return 0, err
	}
	return folded, of.drop(t, folded-keepChunks)
}

// chunks reads chunks from one number to another.
func (of *sampled) chunks(t *tx, from, to int64) ([]chunk, error) {
	rows, err := t.rows(chunksFrom, of.key(0, from), of.key(0, to))
	if err != nil {
		return nil, err
	}
	var chunks []chunk
	for rows.Next() {
		var c chunk
		if err := rows.Scan(&c.number, &c.data); err != nil {
			rows.Close()
			return nil, err
		}
		c.number &= 1<<numberBits - 1
		chunks = append(chunks, c)
	}
	return chunks, errors.Join(rows.Err(), rows.Close())
}

// drop drops the chunks up to a number.
func (of *sampled) drop(t *tx, to int64) error {
	if to <= 0 {
		return nil
	}
	chunks, err := of.chunks(t, 0, to)
	if err != nil || len(chunks) == 0 {
		return err
	}
	var until int64
	for _, c := range chunks {
		if err := polls(c.data, func(p *storedPoll) { until = max(until, p.at) }); err != nil {
			return err
		}
	}
	if _, err := t.exec(setDropped, to, until, of.id); err != nil {
		return err
	}
	_, err = t.exec(dropChunks, of.key(0, 0), of.key(0, to))
	return err
}

// foldInto merges the numbers of chunks into rows of one resolution.
func (of *sampled) foldInto(t *tx, r resolution, chunks []chunk) error {
	changed := map[int64]*cells{}
	var failed error
	for _, chunk := range chunks {
		if err := polls(chunk.data, func(p *storedPoll) {
			if p.flags&pollIsBare != 0 {
				return
			}
			row := r.row(p.at)
			c := changed[row]
			if c == nil && failed == nil {
				c, failed = of.cells(t, r, row)
				changed[row] = c
			}
			if failed == nil {
				c.add(r, p, nil)
			}
		}); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(changed)) {
		if _, err := t.exec(putSample, of.key(r.level, row), r.begin(row), changed[row].encode(r)); err != nil {
			return err
		}
	}
	return nil
}

// cells reads a row; there are none in one that is not there yet.
func (of *sampled) cells(t *tx, r resolution, row int64) (*cells, error) {
	var data []byte
	err := t.row([]any{&data}, getSample, of.key(r.level, row))
	if errors.Is(err, sql.ErrNoRows) {
		return new(cells), nil
	}
	if err != nil {
		return nil, err
	}
	return decodeCells(r, row, data, nil)
}

// trim drops what is too old of some sources, so that it comes to each of them every few minutes.
func (s *Samples) trim(t *tx) error {
	now := s.dir.trimmer.kept
	if now.IsZero() {
		return nil
	}
	s.mu.Lock()
	if len(s.trimmed) == 0 {
		s.trimmed = slices.Sorted(maps.Keys(s.sources))
	}
	n := min(len(s.trimmed), len(s.sources)/int(trimAllWithin/tidyEvery)+1)
	some := make([]sampled, 0, n)
	for _, name := range s.trimmed[:n] {
		if of := s.sources[name]; of != nil && time.Since(of.changed) > time.Minute {
			some = append(some, sampled{id: of.id, name: name, keep: of.keep, left: of.left})
		}
	}
	s.trimmed = s.trimmed[n:]
	s.mu.Unlock()
	for i := range some {
		if err := s.trimSource(t, &some[i], now); err != nil {
			return err
		}
	}
	return nil
}

// trimSource drops what is too old of a source. One that is not polled any more is forgotten when nothing is left.
func (s *Samples) trimSource(t *tx, of *sampled, now time.Time) error {
	old := func(level int64, keep time.Duration) (rows int64, err error) {
		result, err := t.exec(dropOld, of.key(level, 0), of.key(level, math.MaxInt64), now.Add(-keep).UnixMilli())
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	minutes := min(of.keep, minutesFor) + minutely.span()
	dropped, err := old(minutely.level, minutes)
	if err == nil && dropped > 0 {
		_, err = t.exec(setMinutes, now.Add(minutely.span()-minutes).UnixMilli(), of.id)
	}
	if err != nil {
		return err
	}
	if _, err := old(hourly.level, of.keep+hourly.span()); err != nil || !of.left {
		return err
	}
	if _, err := old(0, max(of.keep, time.Hour)); err != nil {
		return err
	}
	var key int64
	err = t.row([]any{&key}, someSample, of.key(0, 0), of.lastKey())
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if !s.isOver(of.name) {
		return nil
	}
	t.committed(func() { s.forget(of.name) })
	_, err = t.exec(dropSource, of.id)
	return err
}

// isOver reports whether a source is not polled any more and has nothing to be written.
func (s *Samples) isOver(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources[name].isOver()
}

func (of *sampled) isOver() bool {
	return of != nil && of.left && of.polls == 0 && len(of.closed) == 0
}

// forget forgets a source whose row was removed. One that is polled again by now gets its row back.
func (s *Samples) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch of := s.sources[name]; {
	case of == nil:
	case of.isOver():
		delete(s.sources, name)
	default:
		s.changed[of] = struct{}{}
		s.wakeLocked()
	}
}

// forgetLeft forgets a source that is not polled any more, and returns its number, of which all rows are to be deleted; 0: there
// is nothing to forget. It is not ok while something of the source is still to be written.
func (s *Samples) forgetLeft(name string) (id int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[name]
	switch {
	case of == nil || !of.left:
		return 0, true
	case !of.isOver():
		return 0, false
	}
	delete(s.sources, name)
	delete(s.changed, of)
	s.due = slices.DeleteFunc(s.due, func(other *sampled) bool { return other == of })
	return of.id, true
}

// span is how long a row lasts.
func (r resolution) span() time.Duration { return r.cell * time.Duration(r.cells) }
