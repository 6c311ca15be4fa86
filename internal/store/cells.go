package store

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// resolution is how finely numbers are merged.
type resolution struct {
	level int64         // in the key of a row
	cell  time.Duration // of polls that are merged
	cells int64         // in a row
}

// Minutes and hours. Rows are small enough that a page of the database has several.
var (
	minutely = resolution{level: 1, cell: time.Minute, cells: 20}
	hourly   = resolution{level: 2, cell: time.Hour, cells: 24}
)

// row returns the number of the row that has a time, and begin when its cells begin.
func (r resolution) row(at int64) int64 { return at / (r.cell.Milliseconds() * r.cells) }

func (r resolution) begin(row int64) int64 { return row * r.cell.Milliseconds() * r.cells }

// cells are those of one row.
type cells struct {
	fields []string // of the numbers in it, at most archive.MaxFields
	list   []cell   // in the order of their times
}

// cell is the polls of a minute, or of an hour.
type cell struct {
	at      int64 // of the newest poll, in milliseconds since 1970
	late    bool  // nobody polled the source before the first one
	numbers []merged
}

// merged are the numbers of a field in one cell.
type merged struct {
	field                int // its place in cells.fields
	count                uint64
	last, min, max, mean float64
}

// add adds a poll. Of its fields, only is taken if that is not nil.
func (c *cells) add(r resolution, p *storedPoll, only *string) {
	width := r.cell.Milliseconds()
	i, found := slices.BinarySearchFunc(c.list, p.at/width, func(c cell, n int64) int { return int(c.at/width - n) })
	if !found {
		c.list = slices.Insert(c.list, i, cell{at: p.at, late: p.flags&pollIsLate != 0})
	}
	to := &c.list[i]
	to.at = max(to.at, p.at)
	p.each(func(field []byte, x float64) {
		if only != nil && string(field) != *only {
			return
		}
		n := slices.IndexFunc(c.fields, func(known string) bool { return known == string(field) })
		if n < 0 {
			if len(c.fields) == archive.MaxFields {
				return
			}
			n = len(c.fields)
			c.fields = append(c.fields, string(field))
		}
		at := slices.IndexFunc(to.numbers, func(m merged) bool { return m.field == n })
		if at < 0 {
			to.numbers = append(to.numbers, merged{n, 1, x, x, x, x})
			return
		}
		m := &to.numbers[at]
		m.count++
		m.last, m.min, m.max = x, min(m.min, x), max(m.max, x)
		m.mean = archive.Mean(m.mean, x, 1/float64(m.count))
	})
}

// encode returns the cells as they are stored.
func (c *cells) encode(r resolution) []byte {
	b := binary.AppendUvarint(nil, uint64(len(c.fields)))
	for _, field := range c.fields {
		b = appendText(b, field)
	}
	width := r.cell.Milliseconds()
	for _, cell := range c.list {
		place := byte(cell.at / width % r.cells * 2)
		if cell.late {
			place++
		}
		b = append(b, place)
		b = binary.AppendUvarint(b, uint64(cell.at%width))
		b = binary.AppendUvarint(b, uint64(len(cell.numbers)))
		for _, m := range cell.numbers {
			same := m.last == m.min && m.min == m.max && m.max == m.mean
			head := uint64(m.field) * 2
			if same {
				head++
			}
			b = binary.AppendUvarint(binary.AppendUvarint(b, head), m.count)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.last))
			if !same {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.min))
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.max))
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.mean))
			}
		}
	}
	return b
}

// decodeCells reads the cells of a row. Of the numbers, those of only are taken if that is not nil.
func decodeCells(r resolution, row int64, data []byte, only *string) (*cells, error) {
	d := decoder{b: data}
	c := &cells{}
	for range d.uvarint() {
		if d.bad || len(c.fields) == archive.MaxFields {
			return nil, errDamaged
		}
		c.fields = append(c.fields, string(d.text()))
	}
	begin, width := r.begin(row), r.cell.Milliseconds()
	c.list = make([]cell, 0, r.cells)
	for len(d.b) > 0 {
		place := d.byte()
		next := cell{at: begin + int64(place/2)*width + int64(d.uvarint()), late: place%2 == 1}
		for range d.uvarint() {
			head := d.uvarint()
			m := merged{field: int(head / 2), count: d.uvarint(), last: d.float()}
			m.min, m.max, m.mean = m.last, m.last, m.last
			if head%2 == 0 {
				m.min, m.max, m.mean = d.float(), d.float(), d.float()
			}
			if d.bad || m.field >= len(c.fields) {
				return nil, errDamaged
			}
			if only == nil || c.fields[m.field] == *only {
				next.numbers = append(next.numbers, m)
			}
		}
		c.list = append(c.list, next)
	}
	if d.bad {
		return nil, errDamaged
	}
	return c, nil
}

// bucket returns the numbers of the field that a cell was read for.
func (c *cell) bucket() archive.Bucket {
	b := emptyBucket(c.at)
	if len(c.numbers) > 0 {
		m := c.numbers[0]
		b.Last, b.Min, b.Max, b.Mean, b.Count = m.last, m.min, m.max, m.mean, int(m.count)
	}
	return b
}

func emptyBucket(at int64) archive.Bucket {
	none := math.NaN()
	return archive.Bucket{At: time.UnixMilli(at), Last: none, Min: none, Max: none, Mean: none}
}
