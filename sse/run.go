package sse

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
)

// frame is one published event. It is immutable once stored, but for its wire form, made when that is first needed.
type frame struct {
	run  *run
	ev   Event  // Data the topic's own; ID "" if it is the one that the topic gives
	n    uint64 // place in its run, from 1
	num  uint64 // of the id that the topic gives
	seq  uint64 // place in its hub, from 1
	born int64  // when it was published, on the hub's clock
	end  bool   // the run's terminal

	encoded atomic.Pointer[wire]
}

// wire is an event as it is sent.
type wire struct {
	single []byte // with the event's id
	head   int    // length of its id line
	multi  atomic.Pointer[multi]
}

// multi is an event as it is sent on streams of many topics whose ids have this epoch.
type multi struct {
	epoch string
	wire  []byte
}

// appendID appends the event's id to b.
func (f *frame) appendID(b []byte) []byte {
	if f.ev.ID != "" {
		return append(b, f.ev.ID...)
	}
	b = append(append(b, f.run.name...), '-')
	if f.end {
		return append(b, "end"...)
	}
	return strconv.AppendUint(b, f.num, 10)
}

// maxID is the length that an id of the form `<run>-<n>` can have, and a little more.
const maxID = 64

func (f *frame) hasID(id string) bool {
	if f.ev.ID != "" {
		return id == f.ev.ID
	}
	run := f.run.name
	if len(id) <= len(run) || id[:len(run)] != run || id[len(run)] != '-' {
		return false
	}
	rest := id[len(run)+1:]
	if f.end {
		return rest == "end"
	}
	var b [20]byte // of the greatest number
	return string(strconv.AppendUint(b[:0], f.num, 10)) == rest
}

// event returns the event with its id.
func (f *frame) event() Event {
	ev := f.ev
	if ev.ID == "" {
		var b [maxID]byte
		ev.ID = string(f.appendID(b[:0]))
	}
	return ev
}

// size is about the length of the wire form, see [Event.size].
func (f *frame) size() int { return maxID + f.ev.size() }

// wire returns the wire form, made by the first that needs it.
func (f *frame) wire() *wire {
	if w := f.encoded.Load(); w != nil {
		return w
	}
	b := make([]byte, 0, len("id: \n")+len(f.run.name)+len("-123456")+f.ev.size())
	b = append(f.appendID(append(b, "id: "...)), '\n')
	head := len(b)
	f.encoded.CompareAndSwap(nil, &wire{single: f.ev.appendBody(b), head: head}) // or another one was faster
	return f.encoded.Load()
}

// multiplexed returns the wire form whose id is `<epoch>-<seq>`, made by the first stream that needs it. Streams of the
// same topics share it.
func (f *frame) multiplexed(epoch string) []byte {
	w := f.wire()
	if m := w.multi.Load(); m != nil && m.epoch == epoch {
		return m.wire
	}
	body := w.single[w.head:]
	b := make([]byte, 0, len("id: -\n")+len(epoch)+20+len(body))
	b = append(b, "id: "...)
	b = append(b, epoch...)
	b = append(b, '-')
	b = strconv.AppendUint(b, f.seq, 10)
	b = append(b, '\n')
	b = append(b, body...)
	w.multi.Store(&multi{epoch, b})
	return b
}

const (
	maxRingBytes = 4 << 20                // what the ring of one topic keeps, its newest frame aside
	maxRing      = maxRingBytes/maxID + 1 // more frames cannot be that small
)

// run is one life of a topic, from Open (or the first Publish) to its terminal, to the next run, or to Remove. Readers
// load its fields without a lock; the topic's publishers write them under Topic.mu.
type run struct {
	name      string // "" in the run that a topic has before it is opened
	newest    atomic.Pointer[frame]
	beforeEnd *frame       // once newest is a terminal, the one before that, if any
	last      uint64       // the greatest number of an id so far; guarded by Topic.mu
	state     atomic.Int32 // of runLive and its successors
	*backlog               // nil when it is the newest frame alone
}

// backlog is what a run keeps besides its newest frame.
type backlog struct {
	ring []atomic.Pointer[frame] // frame n is in slot n mod len

	bytes  int    // guarded by Topic.mu
	oldest uint64 // guarded by Topic.mu: n of the oldest frame in the ring

	forgotten atomic.Uint64 // seq of the newest frame that has left the ring
	irregular atomic.Uint64 // n of the first frame with whose id the numbers in ids stop counting the events; 0 if none
}

// What has become of a run. There is no pointer to the next run: a stuck reader would keep a whole chain of them alive.
const (
	runLive int32 = iota
	runReplaced
	runRemoved
)

func newRun(name string, kept int) *run {
	r := &run{name: name}
	if kept > 1 {
		r.backlog = &backlog{ring: make([]atomic.Pointer[frame], min(kept, maxRing)), oldest: 1}
	}
	return r
}

func (r *run) ended() bool {
	f := r.newest.Load()
	return f != nil && f.end
}

// store makes f the newest frame. The caller holds Topic.mu and has given f the next n.
func (r *run) store(f *frame) {
	if r.backlog != nil {
		k := uint64(len(r.ring))
		// Room first: a reader that finds a slot empty or with another number in it counts the frame as missed.
		for r.oldest < f.n && (f.n-r.oldest >= k || r.bytes+f.size() > maxRingBytes) {
			slot := &r.ring[r.oldest%k]
			r.bytes -= slot.Load().size()
			r.forgotten.Store(slot.Load().seq)
			slot.Store(nil)
			r.oldest++
		}
		r.bytes += f.size()
		r.ring[f.n%k].Store(f)
	}
	if f.end {
		r.beforeEnd = r.newest.Load()
	}
	r.newest.Store(f)
}

// number gives f, which has the n of the next frame, its number, and its own id if the topic would not give it that
// one. The caller holds Topic.mu.
func (r *run) number(f *frame, own string) {
	f.ev.ID, f.num = "", r.last+1
	n, numbered := numberIn(own, r.name)
	if numbered = numbered && n > r.last && n < math.MaxUint64; numbered {
		f.num = n
	}
	regular := f.n == 1 || f.num == r.last+1
	if own != "" && !f.hasID(own) {
		f.ev.ID, regular = own, false
	}
	if !regular && r.backlog != nil {
		r.irregular.CompareAndSwap(0, f.n)
	}
	if numbered || f.ev.ID == "" {
		r.last = f.num
	}
}

// unknown is a number of missed events that nobody knows.
const unknown = math.MaxUint64

// due is a frame that a reader should get, and how many it missed just before.
type due struct {
	*frame
	missed uint64
}

// since adds to b the frames after number n that a reader gets, up to sequence number limit. Of snapshots that is the
// newest, and the one before a terminal if the reader has not had it; of a backlog what is left of it, or the first of
// that if bounded.
func (r *run) since(n, limit uint64, bounded bool, b *batch) {
	newest := r.newest.Load()
	if newest == nil || newest.n <= n {
		return
	}
	if r.backlog == nil {
		if newest.end {
			if p := r.beforeEnd; p != nil && p.n > n && p.seq <= limit {
				b.coalesced += p.n - n - 1
				b.events = append(b.events, due{frame: p})
				n = p.n
			}
		}
		if newest.seq <= limit {
			b.coalesced += newest.n - n - 1
			b.events = append(b.events, due{frame: newest})
		}
		return
	}
	k := uint64(len(r.ring))
	first := n + 1
	if newest.n > k {
		first = max(first, newest.n-k+1)
	}
	missed, taken, size := first-(n+1), 0, 0
	for i := first; i <= newest.n; i++ {
		f := r.ring[i%k].Load()
		if i == newest.n {
			f = newest // whatever the publisher did to the slot meanwhile
		}
		if f == nil || f.n != i {
			missed++
			continue
		}
		if f.seq > limit {
			break
		}
		if size += f.size(); bounded && taken > 0 && (taken == maxBatch || size > maxPiece) {
			b.more = true
			break
		}
		taken++
		b.coalesced += missed
		b.events = append(b.events, due{frame: f, missed: missed})
		missed = 0
	}
}

// resumeAt returns the n of the frame that a reader with this last event id has had, or does not need; how many it
// missed before the next one; and what the id came to. A reader without an id begins with the newest frame, or with as
// many as replay says; one of snapshots whose id is not the newest's begins with the newest. In a backlog the id is
// looked for among the frames that are kept; a reader whose id is not one of theirs gets all of them.
func (r *run) resumeAt(lastID string, replay int) (n, missed uint64, how Resume) {
	newest := r.newest.Load()
	switch {
	case newest == nil && lastID == "":
		return 0, 0, ResumeFresh
	case newest == nil && r.backlog != nil:
		return 0, unknown, ResumeGap
	case newest == nil:
		return 0, 0, ResumeResent
	case lastID == "":
		return r.firstOf(newest, replay).n - 1, 0, ResumeFresh
	case newest.hasID(lastID):
		return newest.n, 0, ResumeCurrent
	case r.backlog == nil:
		return newest.n - 1, 0, ResumeResent
	}
	number, numbered := numberIn(lastID, r.name)
	oldest := newest
	for f := range r.older(newest) {
		if f.ev.ID == lastID || f.ev.ID == "" && numbered && f.num == number {
			return f.n, 0, ResumeReplayed
		}
		oldest = f
	}
	first := r.irregular.Load()
	if missed = unknown; numbered && number < oldest.num && (first == 0 || first > oldest.n) {
		missed = oldest.num - 1 - number
	}
	if missed == 0 {
		return oldest.n - 1, 0, ResumeReplayed
	}
	return oldest.n - 1, missed, ResumeGap
}

// resumeAfter is resumeAt for a reader that has had everything up to sequence number seq.
func (r *run) resumeAfter(seq uint64) (n, missed uint64) {
	newest := r.newest.Load()
	switch {
	case newest == nil:
		return 0, 0
	case newest.seq <= seq:
		return newest.n, 0
	case r.backlog == nil:
		return newest.n - 1, 0
	}
	oldest := newest
	for f := range r.older(newest) {
		if f.seq <= seq {
			return f.n, 0
		}
		oldest = f
	}
	if r.forgotten.Load() > seq {
		missed = unknown
	}
	return oldest.n - 1, missed
}

// firstOf returns the first of the n frames up to newest, or of as many as are kept.
func (r *run) firstOf(newest *frame, n int) (first *frame) {
	for first = range r.back(newest) {
		if n--; n <= 0 {
			break
		}
	}
	return first
}

// recent returns the newest n events that are kept, oldest first.
func (r *run) recent(n int) (events []Event) {
	newest := r.newest.Load()
	if newest == nil || n <= 0 {
		return nil
	}
	for f := range r.back(newest) {
		events = append(events, f.event())
		if len(events) == n {
			break
		}
	}
	slices.Reverse(events)
	return events
}

// back yields newest and the frames that are kept before it, from there back.
func (r *run) back(newest *frame) iter.Seq[*frame] {
	return func(yield func(*frame) bool) {
		if yield(newest) && r.backlog != nil {
			r.older(newest)(yield)
		}
	}
}

// older yields the frames of a backlog that are kept before newest, from there back.
func (r *run) older(newest *frame) iter.Seq[*frame] {
	return func(yield func(*frame) bool) {
		k := uint64(len(r.ring))
		for n := newest.n - 1; n > 0 && newest.n-n < k; n-- {
			if f := r.ring[n%k].Load(); f == nil || f.n != n || !yield(f) {
				return
			}
		}
	}
}

// numberIn returns the n of an id `<run>-<n>`.
func numberIn(id, run string) (uint64, bool) {
	if len(id) <= len(run)+1 || id[:len(run)] != run || id[len(run)] != '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(id[len(run)+1:], 10, 64)
	return n, err == nil
}

// runOf returns the run that an id of the form `<run>-<n>` or `<run>-end` names, "" for an id of any other form.
func runOf(id string) string {
	for i := range len(id) {
		if id[i] != '-' {
			continue
		}
		run, rest := id[:i], id[i+1:]
		if !validRun(run) {
			return ""
		}
		if _, err := strconv.ParseUint(rest, 10, 64); err != nil && rest != "end" {
			return ""
		}
		return run
	}
	return ""
}
