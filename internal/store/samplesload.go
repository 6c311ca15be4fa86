package store

import (
	"context"
	"time"
)

// restoreSamples reads the sources of the process before, and the polls that it has written into no chunk.
func (d *Dir) restoreSamples(ctx context.Context) error {
	s := &Samples{dir: d, most: waitBytes, sources: map[string]*sampled{}, changed: map[*sampled]struct{}{}}
	if err := s.load(ctx); err != nil {
		return err
	}
	d.samples = s
	d.again = append(d.again, s.again)
	d.last = append(d.last, s.flush)
	p := pastOf("sample", "at")
	p.forever = true // each source has a time of its own
	d.trimmer.pasts = append(d.trimmer.pasts, p)
	return nil
}

// load reads what the process before has left.
func (s *Samples) load(ctx context.Context) error {
	rows, err := s.dir.read().QueryContext(ctx, `SELECT id, name, keep, folded,
		(SELECT max(key) FROM sample WHERE key BETWEEN id<<36 AND (id<<36)+(1<<34)-1) FROM sample_source`)
	if err != nil {
		return err
	}
	defer rows.Close()
	byID := map[int64]*sampled{}
	for rows.Next() {
		of := &sampled{late: true, left: true}
		var keep int64
		var newest *int64
		if err := rows.Scan(&of.id, &of.name, &keep, &of.folded, &newest); err != nil {
			return err
		}
		of.keep, of.number = asDuration(keep), of.folded+1
		if newest != nil {
			of.number = max(of.number, *newest&(1<<numberBits-1)+1)
		}
		s.sources[of.name], byID[of.id] = of, of
		s.lastID = max(s.lastID, of.id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.loadLog(ctx, byID)
}

// loadLog reads the polls that are in no chunk.
func (s *Samples) loadLog(ctx context.Context, byID map[int64]*sampled) error {
	rows, err := s.dir.read().QueryContext(ctx, `SELECT n, data FROM sample_log ORDER BY n`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&s.logN, &data); err != nil {
			return err
		}
		for d := (decoder{b: data}); len(d.b) > 0 && !d.bad; {
			id := int64(d.uvarint())
			of, number, poll := byID[id], int64(d.uvarint()), d.text()
			s.lastID = max(s.lastID, id) // a source that was forgotten: what is here of it must not become another's
			if of == nil || d.bad || number < of.number {
				continue
			}
			if number > of.number {
				s.closeLocked(of)
				of.number = number
			}
			if of.polls == 0 {
				of.began, of.logged = time.Now(), s.logN
				_ = polls(poll, func(p *storedPoll) { of.first = p.at })
			}
			of.open, of.polls = append(of.open, poll...), of.polls+1
		}
	}
	s.logN++
	return rows.Err()
}

// again has everything that is in memory be written once more.
func (s *Samples) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.sources {
		s.changed[of] = struct{}{}
	}
	s.wakeLocked()
}
