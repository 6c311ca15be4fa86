package value

import (
	"context"
	"fmt"
	"runtime"
)

// Bounds of the memory that large answers take, over all sources.
const (
	// Small is the size up to which an answer, also once it is decoded, does not wait for others, in bytes.
	Small = 64 << 10
	// MaxDecoded is the maximum memory of a decoded answer, in bytes: 2 for each byte of JSON, and more for objects,
	// arrays and elements, see [DecodedSize]. That is some 10 times the length of records, and 100 times that of
	// [{"a":1},…].
	MaxDecoded = 32 << 20
	// MaxReading is how many answers that are not small are read at the same time.
	MaxReading = 4
)

var (
	reading  = make(chan struct{}, MaxReading)
	decoding = make(chan struct{}, 1)
)

// A place is what one poll holds of reading and decoding.
type place struct{ reading, decoding bool }

type placeKey struct{}

// WithAdmission returns a context whose fetches wait for those of others before they have large answers in memory.
// The caller calls done when it has dropped the value. Waiting fetches are admitted in order, until their context ends.
func WithAdmission(ctx context.Context) (_ context.Context, done func()) {
	p := new(place)
	return context.WithValue(ctx, placeKey{}, p), func() {
		if p.reading {
			<-reading
		}
		if p.decoding {
			runtime.GC() // frees the decoded value before the next one is admitted
			<-decoding
		}
		*p = place{}
	}
}

// enter waits for a place in line, unless ctx has one, or is not one of [WithAdmission].
func enter(ctx context.Context, line chan<- struct{}, of func(*place) *bool) error {
	p, _ := ctx.Value(placeKey{}).(*place)
	if p == nil || *of(p) {
		return nil
	}
	select {
	case line <- struct{}{}:
		*of(p) = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// AdmitReading waits until ctx may read an answer that is not small.
func AdmitReading(ctx context.Context) error {
	return enter(ctx, reading, func(p *place) *bool { return &p.reading })
}

// AdmitDecoding waits until ctx may hold that many bytes of a decoded value in memory. A small value does not wait; a
// value of more than [MaxDecoded] bytes is an error.
func AdmitDecoding(ctx context.Context, bytes int) error {
	if bytes <= Small {
		return nil
	}
	if bytes > MaxDecoded {
		err := tooMany()
		err.IsJSON = true
		return err
	}
	return enter(ctx, decoding, func(p *place) *bool { return &p.decoding })
}

func tooMany() *ParseError {
	const what = "too many elements and members: they would take more than %d MiB of memory"
	return &ParseError{What: fmt.Sprintf(what, MaxDecoded>>20)}
}

// DecodedSize estimates the memory of JSON once it is decoded, in bytes. Braces and commas within texts count too.
func DecodedSize(data []byte) int {
	const object, array, member, element = 340, 64, 64, 32
	size := 2 * len(data)
	for _, c := range data {
		switch c {
		case '{':
			size += object
		case '[':
			size += array
		case ':':
			size += member
		case ',':
			size += element
		}
	}
	return size
}
