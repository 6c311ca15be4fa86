package source

import (
	"context"
	"fmt"
)

// Bounds of the memory that large answers take, over all sources.
const (
	// Small is what an answer may have, and take once it is decoded, without waiting for others.
	Small = 64 << 10
	// MaxDecoded bounds what an answer takes once it is decoded. JSON takes 2 bytes a byte, and 64 to 100 more for each
	// element of an array and member of an object: 5 to 7 times its length where it is objects of numbers, 30 times where it
	// is [{},{},…].
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

// InTurn returns a context whose fetches take turns with those of others while they have large answers in memory. The
// caller calls done when it has dropped what it got. Those who wait are served in their order, until their context ends.
func InTurn(ctx context.Context) (_ context.Context, done func()) {
	p := new(place)
	return context.WithValue(ctx, placeKey{}, p), func() {
		if p.reading {
			<-reading
		}
		if p.decoding {
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

func enterReading(ctx context.Context) error {
	return enter(ctx, reading, func(p *place) *bool { return &p.reading })
}

// Decode waits for the turn of ctx to hold something of that many bytes in memory, unless it is small.
func Decode(ctx context.Context, bytes int) error {
	if bytes <= Small {
		return nil
	}
	if bytes > MaxDecoded {
		return &parseError{what: fmt.Sprintf("too many elements and members: they would take more than %d MiB of memory", MaxDecoded>>20), isJSON: true}
	}
	return enter(ctx, decoding, func(p *place) *bool { return &p.decoding })
}

// DecodedSize is about what JSON takes once it is decoded. Signs within texts count too.
func DecodedSize(data []byte) int {
	size := 2 * len(data)
	for _, c := range data {
		switch c {
		case '{', '[':
			size += 64
		case ',':
			size += 48
		case ':':
			size += 64
		}
	}
	return size
}
