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
	// MaxReading is how many bytes all answers together have in memory while they are read, of each those beyond [Small]. One
	// more answer of any size may be read beside that, and the further pages of the one that is being decoded.
	MaxReading = 12 << 20
)

var (
	reading  = make(chan struct{}, MaxReading/Small) // steps
	first    = make(chan struct{}, 1)
	decoding = make(chan struct{}, 1)
)

// A place is what one poll holds.
type place struct {
	steps    int  // of [Small] bytes each, of reading
	first    bool // it reads on without more steps
	decoding bool
}

type placeKey struct{}

// WithAdmission returns a context whose fetches wait for those of others before they have large answers in memory.
// The caller calls done when it has dropped the value. Waiting fetches are admitted in order, until their context ends.
func WithAdmission(ctx context.Context) (_ context.Context, done func()) {
	p := new(place)
	return context.WithValue(ctx, placeKey{}, p), func() {
		for range p.steps {
			<-reading
		}
		if p.first {
			<-first
		}
		if p.decoding {
			runtime.GC() // frees the decoded value before the next one is admitted
			<-decoding
		}
		*p = place{}
	}
}

// AdmitReading waits until ctx may read so many bytes more of an answer that is not small. A slow answer holds little more
// than has come of it, and leaves the rest to others. If MaxReading is used up by answers that all want more, one of them reads on
// without a bound but [MaxBody], so that they do not wait for each other. So does an answer in pages of which the first ones are
// decoded: those that have been read wait for its end.
func AdmitReading(ctx context.Context, bytes int) error {
	p, _ := ctx.Value(placeKey{}).(*place)
	for ; p != nil && !p.first && !p.decoding && bytes > 0; bytes -= Small {
		select {
		case reading <- struct{}{}:
			p.steps++
			continue
		default:
		}
		select {
		case reading <- struct{}{}:
			p.steps++
		case first <- struct{}{}:
			p.first = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
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
	p, _ := ctx.Value(placeKey{}).(*place)
	if p == nil || p.decoding {
		return nil
	}
	select {
	case decoding <- struct{}{}:
		p.decoding = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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
