package sse

import (
	"bytes"
	"slices"
	"strconv"
)

// maxBatch is how many events of a backlog a stream takes at once, unless maxPiece bytes come first. What it has not
// taken the topic may forget, so a reader that is stuck holds no more than that.
const maxBatch = 16

// batch is what a stream writes next. The memory is used again; one that is done with holds no frame.
type batch struct {
	wire      [][]byte // what to write
	events    []due    // the events in it, in order
	coalesced uint64   // how many events were skipped
	more      bool     // there is more to take at once

	joined []byte   // several pieces of some wire in one
	of     [][]byte // which those were

	size   int    // of the last chunk
	opened []byte // how that began: never modified, for a stream that is stuck keeps it
}

// How chunks end, and the last one (RFC 9112 §7.1).
var (
	chunkEnd  = []byte("\r\n")
	lastChunk = []byte("0\r\n\r\n")
)

// chunk makes what to write a chunk of a body, which ends with it if it is the last one.
func (b *batch) chunk(last bool) {
	if len(b.wire) > 0 {
		size := 0
		for _, p := range b.wire {
			size += len(p)
		}
		if size != b.size {
			b.size, b.opened = size, append(strconv.AppendInt(nil, int64(size), 16), '\r', '\n')
		}
		b.wire = append(slices.Insert(b.wire, 0, b.opened), chunkEnd)
	}
	if last {
		b.wire = append(b.wire, lastChunk)
	}
}

func (b *batch) reset() {
	b.wire = emptied(b.wire)
	b.drop()
}

// drop drops the events of b, whose wire they are not in yet.
func (b *batch) drop() {
	b.events = emptied(b.events)
	b.coalesced, b.more = 0, false
}

// forget lets go of the pieces that were joined last.
func (b *batch) forget() { b.of = emptied(b.of) }

// emptied returns s with length 0, for use again: without what it held, since an idle stream keeps no frame alive, and
// without its memory if that is large.
func emptied[T any](s []T) []T {
	if cap(s) > 64 {
		return nil
	}
	clear(s)
	return s[:0]
}

// join returns what to write of wire in one go, and how many of its pieces that is: one large one as it is, or as many
// small ones as make up to 16 KB. Streams that are equally far all get the same pieces, which are joined once.
func (b *batch) join(wire [][]byte) (piece []byte, n int) {
	size := 0
	for n < len(wire) && (n == 0 || size+len(wire[n]) <= maxPiece) {
		size += len(wire[n])
		n++
	}
	if n == 1 {
		return wire[0], 1
	}
	if !same(b.of, wire[:n]) {
		b.joined = b.joined[:0]
		for _, p := range wire[:n] {
			b.joined = append(b.joined, p...)
		}
		b.of = append(b.of[:0], wire[:n]...)
	}
	return b.joined, n
}

// same reports whether two lists hold the same pieces of memory.
func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i]) != len(b[i]) || &a[i][0] != &b[i][0] && !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
