package store

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// errDamaged is why a record of a poll, or of numbers, cannot be read.
var errDamaged = errors.New("a record of a source is damaged")

// What is true of a poll that is stored.
const (
	pollHasStatus = 1 << iota
	pollHasSize
	pollHasError
	pollIsNone // it is a gap, of which no poll told
	pollIsBare // its numbers are not kept
	pollIsLate // nobody polled the source between the poll before and this one
)

// number is one number of a value.
type number struct {
	field string
	x     float64
}

// appendPoll adds a poll to those of a chunk.
func appendPoll(b []byte, flags byte, p *archive.Poll, numbers []number) []byte {
	if p.HasStatus {
		flags |= pollHasStatus
	}
	if p.Size > 0 {
		flags |= pollHasSize
	}
	if p.Error != "" {
		flags |= pollHasError
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(millis(p.At)))
	if flags&pollIsNone == 0 {
		b = binary.AppendUvarint(b, uint64(max(p.Took.Microseconds(), 0)))
		if p.HasStatus {
			b = binary.AppendUvarint(b, uint64(p.Status))
		}
		if p.Size > 0 {
			b = binary.AppendUvarint(b, uint64(p.Size))
		}
		b = appendText(b, p.State)
		if p.Error != "" {
			b = appendText(b, archive.CutError(p.Error))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(numbers)))
	for _, n := range numbers {
		b = appendText(b, n.field)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.x))
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// millis is a time as it is stored: in milliseconds since 1970. What is before that is as good as then.
func millis(at time.Time) int64 { return max(at.UnixMilli(), 0) }

// storedPoll is a poll that was read. Its texts share the memory of the chunk.
type storedPoll struct {
	flags        byte
	at           int64
	took         uint64 // µs
	status, size uint64
	state, err   []byte
	numbers      decoder // of them
	count        uint64  // of numbers
}

// polls calls f for each poll of a chunk.
func polls(chunk []byte, f func(*storedPoll)) error {
	d := decoder{b: chunk}
	var p storedPoll
	for len(d.b) > 0 {
		p = storedPoll{flags: d.byte(), at: int64(d.uvarint())}
		if p.flags&pollIsNone == 0 {
			p.took = d.uvarint()
			if p.flags&pollHasStatus != 0 {
				p.status = d.uvarint()
			}
			if p.flags&pollHasSize != 0 {
				p.size = d.uvarint()
			}
			p.state = d.text()
			if p.flags&pollHasError != 0 {
				p.err = d.text()
			}
		}
		p.count = d.uvarint()
		p.numbers = d
		for range p.count {
			if d.text(); d.bad {
				break
			}
			d.float()
		}
		if d.bad {
			return errDamaged
		}
		f(&p)
	}
	return nil
}

// each calls f for each number of a poll.
func (p *storedPoll) each(f func(field []byte, x float64)) {
	d := p.numbers
	for range p.count {
		field := d.text()
		f(field, d.float())
	}
}

// poll returns the poll as people see it.
func (p *storedPoll) poll() archive.Poll {
	return archive.Poll{
		At: time.UnixMilli(p.at), Took: time.Duration(p.took) * time.Microsecond, Status: int(p.status),
		HasStatus: p.flags&pollHasStatus != 0, Size: int(p.size), State: string(p.state), Error: string(p.err),
	}
}

// decoder reads what was appended. Once something is wrong it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	part := d.b[:n:n]
	d.b = d.b[n:]
	return part
}

func (d *decoder) byte() byte {
	if part := d.take(1); part != nil {
		return part[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) text() []byte { return d.take(d.uvarint()) }

func (d *decoder) float() float64 {
	if part := d.take(8); part != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(part))
	}
	return 0
}
