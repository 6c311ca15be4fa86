package value

import (
	"context"
	"fmt"
	"runtime"
)

// Bounds of the memory that large answers take, over all sources.
const (
	// Small is what an answer may have, and take once it is decoded, without waiting for others.
	Small = 64 << 10
	// MaxDecoded bounds what an answer takes once it is decoded: 2 bytes a byte of JSON, and what [DecodedSize] says
	// of its objects, arrays and elements. That is some 10 times its length where it is records, 100 times where it
	// is [{"a":1},…].
	MaxDecoded = 32 << 20
	// MaxReading bounds how many answers that are not small are read at once.
	MaxReading = 4
)

var (
	reading  = make(chan struct{}, MaxReading)
	decoding = make(chan struct{}, 1)
)

// A place is what a poll holds of them.
type place struct{ reading, decoding bool }

type placeKey struct{}

// WithAdmission returns a context whose fetches take turns with those of others while they have large answers in memory. The
// caller calls done when it has dropped what it got. Those who wait are served in their order, until their context
// ends.
func WithAdmission(ctx context.Context) (_ context.Context, done func()) {
	p := new(place)
	return context.WithValue(ctx, placeKey{}, p), func() {
		if p.reading {
			<-reading
		}
		if p.decoding {
			runtime.GC() // what was decoded is garbage now, and the next one need not find it in its way
			<-decoding
		}
		*p = place{}
	}
}

// enter waits for a place in line, unless ctx has one, or takes no turns.
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

// AdmitReading waits for the turn of ctx to read an answer that is not small.
func AdmitReading(ctx context.Context) error {
	return enter(ctx, reading, func(p *place) *bool { return &p.reading })
}

// Decode waits for the turn of ctx to hold something of that many bytes in memory, unless it is small.
func AdmitDecoding(ctx context.Context, bytes int) error {
	if bytes <= Small {
		return nil
	}
	if bytes > MaxDecoded {
		const what = "too many elements and members: they would take more than %d MiB of memory"
		return &ParseError{What: fmt.Sprintf(what, MaxDecoded>>20), IsJSON: true}
	}
	return enter(ctx, decoding, func(p *place) *bool { return &p.decoding })
}

// DecodedSize is about what JSON takes once it is decoded. Signs within texts count too.
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
