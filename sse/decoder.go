package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"time"
)

// ErrTooLong is wrapped by the error of a [Decoder] for an event that is larger than ReadOptions.MaxEvent. The error
// names the line.
var ErrTooLong = errors.New("sse: event too long")

// ReadOptions bound what a [Decoder] accepts. The zero value is the default.
type ReadOptions struct {
	// MaxEvent bounds the bytes of one event's lines together, comments left out, and of any one line. Zero means 1
	// MiB.
	MaxEvent int
}

// Decoder reads events from a stream in the format of WHATWG HTML §9.2.5 and interprets them by §9.2.6, in time linear
// in its length however it is cut into reads. Use it from one goroutine at a time. The bytes of names, ids and data are
// passed on unchanged, valid UTF-8 or not.
type Decoder struct {
	r   io.Reader
	max int

	buf     []byte // read and not yet returned
	scanned int    // this many bytes of buf contain no line end
	skipLF  bool   // the last line ended with CR: a LF that follows belongs to it
	begun   bool   // a BOM has been looked for
	err     error  // of r

	line int // lines read
	size int // bytes of the block's lines so far

	lastID string
	retry  time.Duration
}

// NewDecoder returns a Decoder that reads from r. opts may be nil.
func NewDecoder(r io.Reader, opts *ReadOptions) *Decoder {
	d := &Decoder{r: r, max: 1 << 20}
	if opts != nil && opts.MaxEvent > 0 {
		d.max = opts.MaxEvent
	}
	return d
}

// LastEventID returns the id that a client would send if it reconnected now: that of the last complete block with an
// id, whether or not that block was an event.
func (d *Decoder) LastEventID() string { return d.lastID }

// Retry returns the last reconnection time that the stream asked for, 0 if it asked for none.
func (d *Decoder) Retry() time.Duration { return d.retry }

// Next returns the next event that is dispatched. Blocks without a data field only affect [Decoder.LastEventID] and
// [Decoder.Retry]. The event's ID is the current one, which persists from block to block until it changes; Name is
// empty for an unnamed event; Data is never nil, and belongs to the caller; Retry is that of the event's own block.
//
// At the end of the stream it returns io.EOF; a block without its blank line is discarded, including its id. Other
// errors are the reader's, or wrap [ErrTooLong]. Errors are final.
func (d *Decoder) Next() (Event, error) {
	ev := Event{ID: d.lastID}
	hasData := false
	d.size = 0
	for {
		line, err := d.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 { // dispatch
			d.lastID, d.size = ev.ID, 0
			if hasData {
				return ev, nil
			}
			ev = Event{ID: d.lastID}
			continue
		}
		name, value, colon := bytes.Cut(line, []byte{':'})
		if colon && len(name) == 0 {
			continue // a comment
		}
		if d.size += len(line); d.size > d.max {
			return Event{}, d.tooLong()
		}
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "data":
			if hasData {
				ev.Data = append(ev.Data, '\n')
			} else {
				ev.Data = make([]byte, 0, len(value))
			}
			ev.Data = append(ev.Data, value...)
			hasData = true
		case "event":
			ev.Name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				ev.ID = string(value)
			}
		case "retry":
			if ms, ok := milliseconds(value); ok {
				d.retry, ev.Retry = ms, ms
			}
		}
	}
}

// milliseconds parses a retry field: ASCII digits only. A value too large for a Duration becomes the longest one.
func milliseconds(value []byte) (time.Duration, bool) {
	if len(value) == 0 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || ms > math.MaxInt64/int64(time.Millisecond) {
		ms = math.MaxInt64 / int64(time.Millisecond)
	}
	return time.Duration(ms) * time.Millisecond, true
}

// readLine returns the next line without its end: CRLF, LF or CR. A CR ends the line at once, so that an event is not
// held back until the next byte arrives. The line is valid until the next call.
func (d *Decoder) readLine() ([]byte, error) {
	for {
		if d.skipLF && len(d.buf) > 0 {
			if d.buf[0] == '\n' {
				d.buf = d.buf[1:]
			}
			d.skipLF = false
		}
		if !d.begun && (len(d.buf) >= len(bom) || !bytes.HasPrefix(bom, d.buf)) {
			d.buf = bytes.TrimPrefix(d.buf, bom)
			d.begun = true
		}
		if d.begun {
			if i := bytes.IndexAny(d.buf[d.scanned:], "\r\n"); i >= 0 {
				end := d.scanned + i
				line := d.buf[:end]
				d.skipLF = d.buf[end] == '\r'
				d.buf, d.scanned = d.buf[end+1:], 0
				d.line++
				if len(line) > d.max {
					return nil, d.tooLong()
				}
				return line, nil
			}
			d.scanned = len(d.buf)
			if len(d.buf) > d.max {
				d.line++
				return nil, d.tooLong()
			}
		}
		if d.err != nil {
			return nil, d.err
		}
		d.fill()
	}
}

// bom is the byte order mark; the format allows one at the start.
var bom = []byte("\uFEFF")

// fill reads once from r into buf, or sets err.
func (d *Decoder) fill() {
	if cap(d.buf)-len(d.buf) < 512 {
		// The caller has the front of buf, so a new one is needed: twice the size of the rest, or large lines would be
		// copied too often.
		next := make([]byte, len(d.buf), max(4096, 2*len(d.buf)))
		copy(next, d.buf)
		d.buf = next
	}
	for range 100 {
		n, err := d.r.Read(d.buf[len(d.buf):cap(d.buf)])
		d.buf = d.buf[:len(d.buf)+n]
		d.err = err
		if n > 0 || err != nil {
			return
		}
	}
	d.err = io.ErrNoProgress
}

func (d *Decoder) tooLong() error {
	d.err = fmt.Errorf("%w: line %d: want at most %d bytes", ErrTooLong, d.line, d.max)
	d.buf = nil
	return d.err
}

// Read returns the events of r, as [Decoder.Next] does. The loop ends at the end of the stream; any other error is the
// last pair. opts may be nil.
func Read(r io.Reader, opts *ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for d := NewDecoder(r, opts); ; {
			ev, err := d.Next()
			if err == io.EOF || !yield(ev, err) || err != nil {
				return
			}
		}
	}
}
