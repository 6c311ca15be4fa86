package sse

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxPiece is how much of a large frame is written before the clock of its stall timeout starts again.
const maxPiece = 16 << 10

// comment is what a client gets when there is nothing else to say (§9.2.7).
var comment = []byte(":\n\n")

// stream is one response under way: a goroutine of the server's, in Serve, that writes whenever it is woken. The
// timekeeper reads its atomic fields and sets flags; only expire touches the writer from outside.
type stream struct {
	hub  *Hub
	w    http.ResponseWriter
	rc   *http.ResponseController
	wake chan struct{} // of 1
	pos  int           // in Hub.streams; guarded by Hub.mu

	writing atomic.Int64 // hub clock when the write under way last made progress, 0 if none is
	wrote   atomic.Int64 // hub clock when the last write ended
	beat    atomic.Bool  // say something
	part    atomic.Bool  // say goodbye: the hub drains

	leaveAt int64 // when to set part, on the hub's clock; guarded by Hub.mu, and of use only once that drains

	mu sync.Mutex // guards the field below; held while rc is used from outside; never waited for by the timekeeper

	closed bool // the handler is about to return: rc must not be used any more
}

// admit proves the writer and registers a stream, or answers the request itself and returns no stream.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request) (*stream, error) {
	rc := http.NewResponseController(w)
	err := CheckWriter(w)
	if err == nil {
		if err = rc.SetWriteDeadline(time.Time{}); err != nil {
			err = fmt.Errorf("sse: set write deadline: %w", err)
		}
	}
	if err != nil {
		h.opts.Logger.Error("stream refused", "path", r.URL.Path, "err", err)
		return nil, err
	}
	st := &stream{hub: h, w: w, rc: rc, wake: make(chan struct{}, 1)}
	st.wrote.Store(h.now())
	if !h.register(st) {
		h.turnAway(w)
		return nil, nil
	}
	return st, nil
}

// register adds st to the hub's streams unless these are ending.
func (h *Hub) register(st *stream) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.drained != nil || h.streamCtx.Err() != nil {
		return false
	}
	st.pos = len(h.streams)
	h.streams = append(h.streams, st)
	if st.pos == 0 {
		poke(h.stir)
	}
	return true
}

// leave ends st's life in the hub, before the handler returns.
func (st *stream) leave() {
	st.mu.Lock()
	st.closed = true
	st.mu.Unlock()

	h := st.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.streams) - 1
	h.streams[st.pos] = h.streams[last]
	h.streams[st.pos].pos = st.pos
	h.streams[last] = nil
	h.streams = h.streams[:last]
	if last == 0 {
		poke(h.stir) // the timekeeper may have waited for this to end itself
		if h.drained != nil {
			close(h.drained)
		}
	}
}

// turnAway answers a client that comes while the hub's streams are ending. Any status but 200 would end an EventSource
// for good (§9.2.3), so it gets a stream that says when to come back.
func (h *Hub) turnAway(w http.ResponseWriter) {
	setStreamHeaders(w.Header())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(retry(5*time.Second, 30*time.Second)) // the client sees the end either way
}

func setStreamHeaders(h http.Header) {
	setDefault(h, "Content-Type", "text/event-stream")
	setDefault(h, "Cache-Control", cacheControl)
	setDefault(h, "X-Accel-Buffering", "no")
}

// retry returns a block that asks the client to wait a random time between lo and hi before it reconnects: browsers
// spread nothing by themselves.
func retry(lo, hi time.Duration) []byte {
	return Event{Retry: spread(lo, hi)}.appendBody(nil)
}

func spread(lo, hi time.Duration) time.Duration {
	return lo + rand.N(max(hi-lo, 1))
}

// run writes f to the client until f or the stream ends. An error of the writer ends it too: it means that the client is
// gone or was cut off, and nobody can be told.
func (st *stream) run(r *http.Request, f feed) {
	setStreamHeaders(st.w.Header())
	st.w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	// The first bytes of the body go out with the head: some browsers do not open a stream before the first one.
	batch, last := f.pending([][]byte{retry(2*time.Second, 5*time.Second)})
	if len(batch) == 1 {
		batch = append(batch, comment)
	}
	for st.send(batch) == nil && !last {
		batch = emptied(batch)
		select {
		case <-r.Context().Done():
			return
		case <-st.hub.streamCtx.Done():
			return
		case <-st.wake:
		}
		batch, last = f.pending(batch)
		switch beat := st.beat.Swap(false); {
		case last:
		case st.part.Load():
			batch, last = append(batch, st.hub.goodbye()), true
		case beat && len(batch) == 0:
			batch = append(batch, comment)
		}
	}
}

// emptied returns s with length 0, for use again: without what it held, since an idle stream keeps no frame alive, and
// without its memory if that is large.
func emptied[T any](s []T) []T {
	if cap(s) > 64 {
		return nil
	}
	clear(s)
	return s[:0]
}

// send writes batch and flushes it. While it does, the timekeeper watches its progress.
func (st *stream) send(batch [][]byte) error {
	if len(batch) == 0 {
		return nil
	}
	defer st.writing.Store(0)
	for _, p := range batch {
		for len(p) > 0 {
			st.writing.Store(st.hub.now())
			// Looked at after the stamp is set: either this sees the end, or the timekeeper's last looks see the stamp.
			if err := st.hub.streamCtx.Err(); err != nil {
				return err
			}
			piece := p[:min(len(p), maxPiece)]
			n, err := st.w.Write(piece)
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
	err := st.rc.Flush()
	st.wrote.Store(st.hub.now())
	return err
}

// expire makes the write under way fail, if the handler has not returned yet. It never waits.
func (st *stream) expire() {
	if !st.mu.TryLock() {
		return
	}
	defer st.mu.Unlock()
	if !st.closed {
		_ = st.rc.SetWriteDeadline(time.Unix(1, 0)) // the writer proved that it can
	}
}
