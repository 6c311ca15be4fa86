package store

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

const (
	// chunkPolls, chunkBytes and chunkAge bound a chunk: how many polls it has, and how many bytes and how old it is when
	// the next poll ends it.
	chunkPolls = 60
	chunkBytes = 8 << 10
	chunkAge   = 5 * time.Minute
	// foldChunks is how many chunks of a source wait until their numbers are merged into minutes and hours.
	foldChunks = 10
	// keepChunks is how many chunks of a source are kept after that: an hour of a source that is polled each second.
	keepChunks = 60
	// minutesFor is how long minutes are kept.
	minutesFor = 72 * time.Hour
	// mostMinutes is for how long a time minutes are read, if they are there: otherwise hours.
	mostMinutes = minutesFor + 24*time.Hour
	// foldStep bounds the sources whose chunks are merged by one transaction.
	foldStep = 4
	// tidyEvery is how often old rows are looked for, and trimAllWithin how long that takes for all sources.
	tidyEvery     = time.Second
	idleTicks     = 10 // the same, in calls of tick, while nothing is polled
	trimAllWithin = 10 * time.Minute
	// waitBytes bounds what waits in memory while the disk fails.
	waitBytes = 16 << 20
	// levelBits and numberBits are those of a key: of a source, a level, and a number.
	levelBits, numberBits = 2, 34
)

// sampleTables has the sources that were ever polled; what their polls gave; and what of that is in no chunk yet, for the
// case that the process dies.
//
// The key of a sample has the number of its source, a level, and a number. A row of level 0 is a chunk: polls in the order in
// which they came, by the number of the chunk. Those of level 1 and 2 are minutes and hours, by when they began. So what is
// read together is stored together, and a poll does not dirty a page of its own. The column folded has the number of the
// newest chunk whose numbers are in minutes and hours: each poll is counted once, wherever the clock was set to. Chunks up to
// number dropped are gone, and had polls up to the time dropped_until. Minutes are there from the time minutes_from on.
const sampleTables = `CREATE TABLE sample_source (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, keep INTEGER NOT NULL, folded INTEGER NOT NULL DEFAULT 0,
	dropped INTEGER NOT NULL DEFAULT 0, dropped_until INTEGER NOT NULL DEFAULT 0, minutes_from INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE sample (key INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE INDEX sample_at ON sample (at);
CREATE TABLE sample_log (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT`

const (
	putSource  = `INSERT INTO sample_source (id, name, keep) VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET keep=excluded.keep`
	dropSource = `DELETE FROM sample_source WHERE id=?`
	getFolded  = `SELECT folded FROM sample_source WHERE id=?`
	setFolded  = `UPDATE sample_source SET folded=? WHERE id=?`
	setDropped = `UPDATE sample_source SET dropped=?, dropped_until=max(dropped_until, ?) WHERE id=?`
	setMinutes = `UPDATE sample_source SET minutes_from=max(minutes_from, ?) WHERE id=?`
	putSample  = `INSERT INTO sample (key, at, data) VALUES (?,?,?) ON CONFLICT (key) DO UPDATE SET data=excluded.data`
	getSample  = `SELECT data FROM sample WHERE key=?`
	someSample = `SELECT key FROM sample WHERE key BETWEEN ? AND ? LIMIT 1`
	chunksFrom = `SELECT key, data FROM sample WHERE key BETWEEN ? AND ? ORDER BY key`
	dropChunks = `DELETE FROM sample WHERE key BETWEEN ? AND ?`
	dropOld    = `DELETE FROM sample WHERE key BETWEEN ? AND ? AND at < ?`
	addLog     = `INSERT INTO sample_log (n, data) VALUES (?,?)`
	cutLog     = `DELETE FROM sample_log WHERE n < ?`
)

// Samples is [archive.Samples] in a directory. The newest hour or so of a source is there poll by poll, 3,600 of them at
// least; of three days there are minutes, and of as long as is asked for there are hours. Make one by [Dir.Samples].
//
// While the disk fails, polls are kept in memory as far as 16 MB of them; what is more is lost.
type Samples struct {
	dir  *Dir
	most int // bytes of the log, and of chunks, that wait

	mu sync.Mutex // guards the fields below

	sources map[string]*sampled
	lastID  int64
	log     []byte // polls that no op has taken
	logN    int64  // of the row that the next op writes
	chunks  []chunk
	waiting int // bytes of chunks
	changed map[*sampled]struct{}
	due     []*sampled // have chunks to merge
	queued  bool       // an op is, which takes all this
	ticks   int

	// The fields below belong to the goroutine that writes.

	tidied  time.Time
	trimmed []string // the sources that were not looked at in this round
}

// sampled is one source.
type sampled struct {
	id      int64
	name    string
	keep    time.Duration
	changed time.Time // when keep was last set
	left    bool
	late    bool             // nobody polled it before the next poll
	fields  map[string]int64 // that are kept: the chunk that had them last
	number  int64            // of the open chunk
	open    []byte           // of which this has the polls
	polls   int              // in the open chunk
	first   int64            // the time of its first poll
	began   time.Time        // when that was added
	logged  int64            // the row of the log that has it
	closed  []chunk          // may not be in the database yet
	folded  int64            // the newest chunk whose numbers are merged, as far as is known
	due     bool             // it is in Samples.due
}

// chunk is polls of a source that are written together.
type chunk struct {
	source *sampled
	number int64
	at     int64
	data   []byte
}

// key is that of a row.
func (s *sampled) key(level, number int64) int64 {
	return s.id<<(levelBits+numberBits) | level<<numberBits | min(max(number, 0), 1<<numberBits-1)
}

// lastKey is the last one of the source.
func (s *sampled) lastKey() int64 { return s.key(1<<levelBits-1, math.MaxInt64) }

// Samples returns the polls that the directory has.
func (d *Dir) Samples() *Samples { return d.samples }

// Keep implements [archive.Samples].
func (s *Samples) Keep(source string, span time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sourceLocked(source)
	if span = max(span, 0); of.keep != span {
		of.keep, of.changed = span, time.Now()
		s.changed[of] = struct{}{}
		s.wakeLocked()
	}
	if of.left {
		of.left, of.late = false, true
	}
}

// Leave implements [archive.Samples].
func (s *Samples) Leave(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[source]
	if of == nil {
		return
	}
	if of.left = true; of.polls > 0 {
		s.closeLocked(of)
		s.wakeLocked()
	}
	of.open, of.fields = nil, nil
}

func (s *Samples) sourceLocked(name string) *sampled {
	of := s.sources[name]
	if of == nil {
		s.lastID++
		of = &sampled{id: s.lastID, name: name, number: 1, changed: time.Now()}
		s.sources[name], s.changed[of] = of, struct{}{}
		s.wakeLocked()
	}
	return of
}

// Add implements [archive.Samples].
func (s *Samples) Add(source string, sample archive.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(source, 0, &sample.Poll, sample.Value)
}

// Gap implements [archive.Samples].
func (s *Samples) Gap(source string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[source] != nil {
		s.addLocked(source, pollIsNone, &archive.Poll{At: at}, nil)
	}
}

func (s *Samples) addLocked(name string, flags byte, p *archive.Poll, value any) {
	of := s.sourceLocked(name)
	at := millis(p.At)
	if age := at - of.first; of.polls == chunkPolls || of.polls > 0 && (len(of.open) > chunkBytes ||
		age > chunkAge.Milliseconds() || age < -chunkAge.Milliseconds()) {
		s.closeLocked(of)
	}
	if of.late {
		flags |= pollIsLate
		of.late = false
	}
	if of.polls == 0 {
		of.first, of.began, of.logged = at, time.Now(), s.logN
	}
	of.polls++
	before := len(of.open)
	var room [4]number
	numbers := room[:0]
	if of.keep > 0 {
		numbers = of.numbers(numbers, value)
	} else {
		flags |= pollIsBare
	}
	of.open = appendPoll(of.open, flags, p, numbers)
	if poll := of.open[before:]; len(s.log) < s.most {
		s.log = binary.AppendUvarint(s.log, uint64(of.id))
		s.log = binary.AppendUvarint(s.log, uint64(of.number))
		s.log = append(binary.AppendUvarint(s.log, uint64(len(poll))), poll...)
	}
	s.wakeLocked()
}

// numbers adds the numbers of a value, as many as are kept. A field that is new finds a place if there is one, or that of a
// field which no chunk of the last hour had.
func (of *sampled) numbers(numbers []number, value any) []number {
	object, ok := value.(map[string]any)
	if !ok {
		if x, ok := archive.Number(value); ok && of.takes("") {
			numbers = append(numbers, number{"", x})
		}
		return numbers
	}
	if len(object) <= archive.MaxFields {
		for field, v := range object {
			if x, ok := archive.Number(v); ok && of.takes(field) {
				numbers = append(numbers, number{field, x})
			}
		}
		return numbers
	}
	fields := slices.SortedFunc(maps.Keys(object), func(a, b string) int {
		_, known := of.fields[a]
		_, other := of.fields[b]
		if known != other {
			if known {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, field := range fields {
		if x, ok := archive.Number(object[field]); ok && len(numbers) < archive.MaxFields && of.takes(field) {
			numbers = append(numbers, number{field, x})
		}
	}
	return numbers
}

// takes reports whether a field is kept.
func (of *sampled) takes(field string) bool {
	seen, known := of.fields[field]
	if known && seen == of.number {
		return true
	}
	if !known && len(of.fields) == archive.MaxFields {
		for other, seen := range of.fields {
			if seen < of.number-keepChunks {
				delete(of.fields, other)
				break
			}
		}
		if len(of.fields) == archive.MaxFields {
			return false
		}
	}
	if of.fields == nil {
		of.fields = map[string]int64{}
	}
	of.fields[field] = of.number
	return true
}

// closeLocked ends the open chunk of a source.
func (s *Samples) closeLocked(of *sampled) {
	if of.polls == 0 {
		return
	}
	c := chunk{of, of.number, of.first, slices.Clone(of.open)}
	of.number++
	of.open, of.polls = of.open[:0], 0
	if s.waiting+len(c.data) > s.most {
		return // the disk fails for long
	}
	s.waiting += len(c.data)
	s.chunks = append(s.chunks, c)
	of.closed = append(of.closed, c)
	s.dueLocked(of)
}

// dueLocked has the chunks of a source merged if they are many.
func (s *Samples) dueLocked(of *sampled) {
	if !of.due && of.number-1-of.folded >= foldChunks {
		of.due = true
		s.due = append(s.due, of)
	}
}

// wakeLocked has what was added be written.
func (s *Samples) wakeLocked() {
	if s.queued {
		return
	}
	s.queued = true
	s.dir.soonOf(func() func(*tx) error {
		taken := s.take()
		return func(t *tx) error { return taken.write(s, t) }
	})
}

// tick is called once a second while the disk works. It has what waits be written, also if the op that would have done so was
// dropped while the disk failed.
func (s *Samples) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	s.ticks++
	if waits := len(s.log) > 0 || len(s.chunks) > 0 || len(s.due) > 0 || len(s.changed) > 0; waits || s.ticks%idleTicks == 0 {
		s.wakeLocked()
	}
}

// flush has everything be written when the directory is closed.
func (s *Samples) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	s.wakeLocked()
}
