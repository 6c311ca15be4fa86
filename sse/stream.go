package sse

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// maxPiece is how much of a large frame is written before the clock of its stall timeout starts again.
const maxPiece = 16 << 10

// comment is what a client gets when there is nothing else to say (§9.2.7). No blank line follows: that would end a
// block without data, of which simple readers make an empty message.
var comment = []byte(":\n")

// commentBlock is that with the blank line, see [StreamOptions].HeartbeatBlock.
var commentBlock = []byte(":\n\n")

// stream is one response under way. At any time one goroutine has it, writes to it and alone may end it: the server's,
// in Serve, which writes the beginning; a carrier, which writes through the server's ResponseWriter; or, once the
// connection was taken and the stream is parked, its dispatcher; or, when the connection cannot take what the dispatcher
// has for it, a goroutine that lives until it can. A handler that blocks waits meanwhile, and completes the end. The
// timekeeper reads the atomic fields, sets flags, and makes writes fail that are stuck.
type stream struct {
	hub    *Hub
	feed   feed
	home   *dispatcher
	socket socket        // once taken; not written after the stream was first parked
	over   chan struct{} // closed at the end, for a handler that blocks; written as socket is
	bounds []quotaBound  // what it is counted under in Hub.counts
	pause  *pause        // nil if it has none
	pos    int           // in Hub.streams; guarded by Hub.mu

	state   atomic.Int32          // who has it: busy, again or parked
	beat    atomic.Bool           // say something
	writing atomic.Int64          // hub clock when the write under way last made progress, 0 if none is
	wrote   atomic.Int64          // hub clock when the last write ended
	ending  atomic.Pointer[Cause] // why the timekeeper, or a parting, ends it; nil if none does
	left    atomic.Pointer[Cause] // why a handler that blocks has the dispatcher end it, unless it has come to its end

	part atomic.Pointer[parting] // say it and end; nil until the hub drains, or End

	subject   any        // what HubOptions.Subject has said
	bytes     int64      // written
	begun     int64      // on the hub's clock
	beginning *beginning // what a carrier begins with; nil once it has
	panicked  any        // what a writer has, for the handler to do it again; written before over is closed
	why       Cause      // of the end by the handler
	then      func()     // called at the end of a stream that was handed off; may be nil
	leaveAt   int64      // when to set part, on the hub's clock; guarded by Hub.mu, and of use only once that drains

	// Of StreamOptions:
	handOff, keep, block bool

	taken   bool // the connection was taken, for the dispatcher; written as socket is
	told    bool // the observer was told that it has begun
	chunked bool // its body is one of chunks, which the dispatcher makes; written as socket is
	abort   bool // give up what the connection still holds; written before over is closed

	mu sync.Mutex // guards the fields below; held while out is used from outside; never waited for by the timekeeper

	closed   bool // the stream is about to end: out must not be used any more
	out      sink
	response response // what out is at first
}

// admit proves the writer and registers a stream, or answers the request itself and returns no stream.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request, opts StreamOptions) (*stream, error) {
	h.allowOrigin(w.Header(), r)
	err := CheckWriter(w)
	if err == nil {
		if failed := (&response{w}).SetWriteDeadline(time.Time{}); failed != nil {
			err = &WriterError{fmt.Sprintf("%T", innermost(w)), []string{"SetWriteDeadline"}, failed}
		}
	}
	if err != nil {
		h.opts.Logger.Error("stream refused", "path", r.URL.Path, "err", err)
		return nil, err
	}
	now := h.now()
	st := &stream{
		hub:      h,
		home:     h.nextDispatcher(),
		bounds:   h.boundsOf(r),
		subject:  h.subjectOf(r),
		begun:    now,
		handOff:  opts.HandOff,
		keep:     opts.KeepConnection,
		block:    opts.HeartbeatBlock,
		response: response{w},
	}
	st.out = &st.response
	st.wrote.Store(now)
	if why := h.register(st); why != "" {
		h.turnAway(w, r, why)
		return nil, nil
	}
	if h.isElsewhere(r, st) {
		h.turnAway(w, r, CauseElsewhere)
		return nil, nil
	}
	if opts.Pause > 0 {
		st.pause = &pause{length: opts.Pause}
		st.home.resting.awake.Add(1)
	}
	return st, nil
}

// release has the handler leave, unless the connection was taken. It is deferred: OnSubscribe and writers may panic.
func (st *stream) release() {
	if !st.taken {
		st.leave(st.why)
	}
}

// watcher returns a place for st in a topic's list.
func (st *stream) watcher() watcher {
	return watcher{stream: st, share: int32(st.home.share)}
}

// leave ends st's life in the hub, by whoever has it.
func (st *stream) leave(why Cause) {
	st.mu.Lock()
	st.closed = true
	st.mu.Unlock()
	if st.feed != nil {
		st.feed.detach()
	}
	if st.pause != nil {
		st.pause.left.Store(true)
		st.home.addStream(st)
	}
	st.hub.unregister(st)
	if c := st.ending.Load(); c != nil {
		why = *c
	}
	st.ended(why)
}

func setStreamHeaders(h http.Header) {
	shareDefault(h, "Content-Type", eventStream)
	shareDefault(h, "Cache-Control", cacheControl)
	shareDefault(h, "X-Accel-Buffering", unbuffered)
}

// retry returns a line that asks the client to wait a random time between lo and hi before it reconnects: browsers
// spread nothing by themselves. It counts as soon as it is read (§9.2.6), and belongs to the block of the first event.
func retry(lo, hi time.Duration) []byte {
	b := append(make([]byte, 0, len("retry: 12345\n")), "retry: "...)
	return append(strconv.AppendInt(b, spread(lo, hi).Milliseconds(), 10), '\n')
}

func spread(lo, hi time.Duration) time.Duration {
	return lo + rand.N(max(hi-lo, 1))
}

// run has the stream begin, and waits until it ends, or its connection is taken. An error of the writer ends the stream:
// it means that the client is gone or was cut off, and nobody can be told.
func (st *stream) run(w http.ResponseWriter, r *http.Request) {
	st.why = CauseReset // of a panic
	setStreamHeaders(w.Header())
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	own := st.open(w, r)
	switch {
	case st.over == nil && st.taken: // handed off
	case st.over == nil: // ended
		st.boundServer()
	case st.taken:
		st.stay(r.Context())
	case own != nil:
		st.stayWithServer(r.Context(), own.left())
		own.end(!st.abort)
	default:
		st.stayWithServer(r.Context(), nil)
		st.boundServer()
	}
}

// boundServer bounds what the server writes once the handler has returned, such as the last chunk: the stream has lifted
// the server's own timeout.
func (st *stream) boundServer() {
	if !st.abort {
		_ = st.out.SetWriteDeadline(time.Now().Add(st.hub.opts.StallTimeout))
	}
}

// open has the stream begin, see begin.
func (st *stream) open(w http.ResponseWriter, r *http.Request) (own *hijacked) {
	mayTake := st.mayTake(w, r)
	if r.ProtoMajor == 1 && r.TLS == nil && !(mayTake && st.handOff) {
		// The handler's stack is 4 KB as long as it does not write. If it did, it would grow to 8 KB and stay so: a
		// stack shrinks only while three quarters are free, and the server's own frames take more than 1 KB. With TLS
		// it has grown before; over HTTP/2 most stay at 4 KB in either case.
		begin := &beginning{w: w, r: r, mayTake: mayTake, over: make(chan struct{})}
		st.beginning = begin
		st.hub.sendCarrier(st)
		<-begin.over
		if begin.panicked != nil {
			panic(begin.panicked)
		}
		return begin.own
	}
	b := batches.Get().(*batch)
	own = st.begin(w, r, mayTake, b)
	b.reset()
	batches.Put(b)
	return own
}

// batches are those of streams that begin.
var batches = sync.Pool{New: func() any { return new(batch) }}

// beginning is how a carrier begins a stream.
type beginning struct {
	w        http.ResponseWriter
	r        *http.Request
	mayTake  bool
	own      *hijacked     // see take
	over     chan struct{} // closed when the carrier has done it
	panicked any           // what a writer has, for the handler to do it again; written before over is closed
}

// begin writes the head and the first events, takes the connection if it can and may, and parks st. A connection that
// the handler has to go on with is returned, see take.
func (st *stream) begin(w http.ResponseWriter, r *http.Request, mayTake bool, b *batch) (own *hijacked) {
	// The first bytes of the body go out with the head: some browsers do not open a stream before the first one.
	b.wire = append(b.wire, retry(2*time.Second, 5*time.Second))
	last := st.feed.pending(b)
	last = st.forbidden(b) || last
	if len(b.wire) == 1 && !last {
		b.wire = append(b.wire, st.comment())
	}
	mayTake = mayTake && !last
	switch {
	case mayTake && st.handOff:
		// Neither chunks nor another request: the body ends with the connection, and what follows needs no framing.
		w.Header().Set("Transfer-Encoding", "identity")
	case mayTake:
		// The connection ends with the stream. A client that was told otherwise might send its next request by it.
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(http.StatusOK)
	err := st.send(b.wire)
	if mayTake && err == nil {
		st.taken, own = st.take(w, r)
	}
	st.opened()
	st.hub.coalesced(b.coalesced)
	if err == nil {
		st.delivered(b.events)
	}
	switch {
	case st.taken:
		st.rest(b.events, b.more)
		st.park()
	case err != nil:
		st.why, st.abort = causeOf(err), true
	case last:
		st.why = CauseFinished
	default:
		st.over = make(chan struct{})
		if !st.parkAfter(b) {
			st.hub.sendCarrier(st)
		}
	}
	return own
}

// replace changes what st is written to, and lets go of the server's ResponseWriter.
func (st *stream) replace(out sink) {
	st.mu.Lock()
	st.out, st.response = out, response{}
	st.mu.Unlock()
}

// forbidden reports whether [Hub.End] ends st, and fills b with the parting alone then: what st has not got yet, it may
// not have any more. It is asked once b has what is pending, so that nothing is sent that was published after End.
func (st *stream) forbidden(b *batch) bool {
	part := st.part.Load()
	if part == nil || part.why != CauseForbidden {
		return false
	}
	st.endFor(part.why)
	b.reset()
	b.wire = append(b.wire, part.bye)
	return true
}

// next fills b with what the client should get now, and says whether that is all there will ever be.
func (st *stream) next(b *batch) (last bool) {
	b.reset()
	part := st.part.Load()
	if part != nil || !st.resting() {
		last = st.feed.pending(b)
	}
	if st.forbidden(b) {
		return true
	}
	st.hub.coalesced(b.coalesced)
	beat := st.beat.Load() && st.beat.Swap(false)
	switch {
	case last:
	case part != nil: // an id tells what was not taken yet
		st.endFor(part.why)
		b.wire, last = append(b.wire, part.bye), true
	case beat && len(b.wire) == 0:
		b.wire = append(b.wire, st.comment())
	}
	return last
}

// send writes pieces and flushes them. While it does, the timekeeper watches its progress.
func (st *stream) send(pieces [][]byte) error {
	if len(pieces) == 0 {
		return nil
	}
	defer st.writing.Store(0)
	for _, p := range pieces {
		for len(p) > 0 {
			st.writing.Store(st.hub.now())
			// Looked at after the stamp is set: either this sees the end, or the timekeeper's last looks see the stamp.
			if err := st.hub.streamCtx.Err(); err != nil {
				st.endFor(CauseStopped)
				return err
			}
			piece := p[:min(len(p), maxPiece)]
			n, err := st.out.Write(piece)
			st.bytes += int64(n)
			if err != nil {
				return err
			}
			if n < len(piece) {
				return io.ErrShortWrite
			}
			p = p[n:]
		}
	}
	st.writing.Store(st.hub.now())
	err := st.out.Flush()
	st.wrote.Store(st.hub.now())
	return err
}

// comment is what st gets when there is nothing else to say.
func (st *stream) comment() []byte {
	if st.block {
		return commentBlock
	}
	return comment
}

// endFor notes why st has to end, unless another reason came first.
func (st *stream) endFor(why Cause) {
	if st.ending.Load() == nil {
		st.ending.CompareAndSwap(nil, &why)
	}
}

// expire makes the write under way fail, unless the stream is about to end anyway. It never waits.
func (st *stream) expire(why Cause) {
	if !st.mu.TryLock() {
		return
	}
	defer st.mu.Unlock()
	if !st.closed {
		st.endFor(why)
		_ = st.out.SetWriteDeadline(time.Unix(1, 0)) // the writer proved that it can
	}
}
