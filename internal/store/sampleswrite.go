package store

import (
	"errors"
	"math"
	"slices"
	"time"
)

// taken is what one op writes.
type taken struct {
	log     []byte
	logN    int64
	cut     int64 // older rows of the log are in chunks
	chunks  []chunk
	sources []sampled
	due     []*sampled
	tidy    bool
}

// take takes what waits to be written.
func (s *Samples) take() *taken {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	w := &taken{tidy: now.Sub(s.tidied) >= tidyEvery}
	if w.tidy {
		s.tidied, w.cut = now, math.MaxInt64
		for _, of := range s.sources {
			if of.polls > 0 && now.Sub(of.began) > chunkAge {
				s.closeLocked(of)
			}
			if of.polls > 0 {
				w.cut = min(w.cut, of.logged)
			}
		}
	}
	w.log, w.logN, w.chunks = slices.Clone(s.log), s.logN, s.chunks
	s.log, s.chunks, s.waiting = s.log[:0], nil, 0
	if w.cut = min(w.cut, s.logN); len(w.log) > 0 {
		s.logN++
	}
	for of := range s.changed {
		w.sources = append(w.sources, sampled{id: of.id, name: of.name, keep: of.keep})
	}
	clear(s.changed)
	n := min(len(s.due), foldStep)
	w.due = slices.Clone(s.due[:n])
	if s.due = slices.Delete(s.due, 0, n); len(s.due) > 0 {
		s.wakeLocked()
	}
	return w
}

// write writes what was taken.
func (w *taken) write(s *Samples, t *tx) error {
	for _, of := range w.sources {
		if _, err := t.exec(putSource, of.id, of.name, of.keep.Milliseconds()); err != nil {
			return err
		}
	}
	if len(w.log) > 0 {
		_, err := t.exec(addLog, w.logN, w.log)
		if err = errors.Join(err, s.dir.spans.note(t)); err != nil {
			return err
		}
	}
	for _, c := range w.chunks {
		if _, err := t.exec(putSample, c.source.key(0, c.number), c.at, c.data); err != nil {
			return err
		}
	}
	folded := make([]int64, len(w.due))
	for i, of := range w.due {
		var err error
		if folded[i], err = s.fold(t, of); err != nil {
			return err
		}
	}
	if w.tidy {
		if _, err := t.exec(cutLog, w.cut); err != nil {
			return err
		}
		if err := s.trim(t); err != nil {
			return err
		}
	}
	if len(w.chunks) > 0 || len(w.due) > 0 {
		t.committed(func() { w.written(s, folded) })
	}
	return nil
}

// written notes what is in the database.
func (w *taken) written(s *Samples, folded []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range w.chunks {
		c.source.closed = slices.DeleteFunc(c.source.closed, func(other chunk) bool { return other.number <= c.number })
	}
	for i, of := range w.due {
		of.folded, of.due = folded[i], false
	}
}
