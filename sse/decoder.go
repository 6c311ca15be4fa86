package sse

import (
	"errors"
	"io"
	"iter"
	"time"
)

// ErrTooLong is what a [Decoder] fails with when an event is larger than ReadOptions.MaxEvent allows.
var ErrTooLong = errors.New("event too long")

// ReadOptions bound what a [Decoder] accepts. The zero value is the default.
type ReadOptions struct {
	// MaxEvent bounds the bytes of one event, and of one line (comments included). Zero means 1 MiB.
	MaxEvent int
}

// Decoder reads events from a stream in the format of WHATWG HTML §9.2.5.
type Decoder struct {
	r io.Reader
}

// NewDecoder returns a Decoder that reads from r. opts may be nil.
func NewDecoder(r io.Reader, opts *ReadOptions) *Decoder { return &Decoder{r: r} }

// Next returns the next event.
func (d *Decoder) Next() (Event, error) { return Event{}, io.EOF }

// LastEventID returns the id that a client would send when it reconnects now.
func (d *Decoder) LastEventID() string { return "" }

// Retry returns the reconnection time that the stream asked for last, 0 if it did not.
func (d *Decoder) Retry() time.Duration { return 0 }

// Read returns the events of r.
func Read(r io.Reader, opts *ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {}
}
