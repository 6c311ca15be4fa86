package sse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// Handler streams the topics that pick names, handing the connection off where it can (see [StreamOptions].HandOff):
// one topic as [Hub.Serve] does, any other number as [Hub.ServeAll]. An error of pick, or of these, is answered with
// 403 if it wraps [ErrForbidden], with 404 if it wraps [ErrGone] (or with 204, see [ServeGone]), and otherwise with 500
// and a log entry. Methods other than GET and HEAD get 405, but for the preflights (Fetch §4.8) of pages of an allowed
// origin.
//
// A handler that blocks for as long as its stream lasts is that of h.With(StreamOptions{}).
func (h *Hub) Handler(pick func(*http.Request) ([]*Topic, error)) http.Handler {
	return h.With(StreamOptions{HandOff: true}).Handler(pick)
}

// socket is a connection that was handed off. Its methods from sink may block, and are for the goroutine that has
// borrowed the stream; those that begin with try never block.
type socket interface {
	sink
	// tryWrite writes what can be written at once; what cannot is no error.
	tryWrite(p []byte) (n int, err error)
	// tryLeft drops what the client has sent, and returns CauseLeft if it has closed its side, another cause if the
	// connection has failed, or "". It may be called at any time, from any goroutine.
	tryLeft() Cause
	// untilLeft drops what the client sends until the client has closed its side or the connection has failed, and
	// returns what tryLeft does then; or "" once wake has been called.
	untilLeft() Cause
	// wake has untilLeft return. It never blocks.
	wake()
	// close closes the connection; with abort what it still holds is given up.
	close(abort bool)
}

// mayTake reports whether the connection of w and r may be taken from its server, as far as that can be told before the
// first byte. It is certain only once it is hijacked. A request with a body keeps its connection: somebody may still read
// it.
func (st *stream) mayTake(w http.ResponseWriter, r *http.Request) bool {
	if st.keep || st.hub.newSocket == nil || r.TLS != nil || r.ProtoMajor != 1 || r.Method != http.MethodGet ||
		r.ContentLength != 0 {
		return false
	}
	_, tcp := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return tcp && !encoded(w) && (st.handOff || framed(w.Header()) && !st.hub.wrapped(w))
}

// framed reports whether h leaves the framing of the body to net/http: chunks over HTTP/1.1, none over HTTP/1.0.
func framed(h http.Header) bool {
	for _, key := range []string{"Content-Length", "Transfer-Encoding", "Trailer"} {
		if len(h[key]) > 0 {
			return false
		}
	}
	return true
}

// hijack takes the connection from under w, through which the head and n bytes were written and flushed. It returns nil
// if there is none to be had, or if middleware has made something else of what was written: it would not see what
// follows.
func (h *Hub) hijack(w http.ResponseWriter, n int64) net.Conn {
	if encoded(w) || !h.reached(w, n) {
		return nil
	}
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	// Both are the caller's now, who has no use for them. A handler that blocks keeps net/http's connection, and that
	// them: 8 KB.
	if buffers != nil && buffers.Reader != nil {
		*buffers.Reader = bufio.Reader{}
	}
	if buffers != nil && buffers.Writer != nil {
		*buffers.Writer = bufio.Writer{}
	}
	return conn
}

// take takes the connection from under w and gives it to st's dispatcher, if it can be had, and reports whether it has.
// A connection that turns out to be none that the engine knows is returned, for st to go on with.
func (st *stream) take(w http.ResponseWriter, r *http.Request) (taken bool, own *hijacked) {
	conn := st.hub.hijack(w, st.bytes)
	if conn == nil {
		return false, nil
	}
	chunked := !st.handOff && r.ProtoAtLeast(1, 1)
	if st.socket = st.hub.newSocket(conn); st.socket == nil {
		own = &hijacked{Conn: conn, chunked: chunked}
		st.replace(own)
		return false, own
	}
	st.chunked = chunked
	st.replace(st.socket)
	if !st.handOff {
		st.over = make(chan struct{})
	}
	return true, nil
}

// stay is what remains of a handler that blocks while a dispatcher carries its stream: it waits for the client to
// leave, and for the end, which is its own to complete.
func (st *stream) stay(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { st.hasLeft(CauseLeft) })
	if why := st.socket.untilLeft(); why != "" {
		st.hasLeft(why)
	}
	<-st.over
	stop()
	st.socket.close(st.abort)
	st.leave(st.why)
}

// hasLeft has whoever has st end it for that reason, unless it has come to its end.
func (st *stream) hasLeft(why Cause) {
	st.left.CompareAndSwap(nil, &why)
	st.nudge()
}

// park gives st, whose goroutine has nothing left to write, to its dispatcher, which looks once more for what was
// published in between.
func (st *stream) park() {
	st.state.Store(parked)
	if st.hub.streamCtx.Err() != nil { // and the timekeeper may have looked before
		st.endFor(CauseStopped)
	}
	st.home.addStream(st)
}

// finish is the goroutine of a parked stream whose connection could not take rest at once. It ends when the connection
// has taken it, at the latest when the timekeeper finds no progress.
func (st *stream) finish(rest [][]byte, events []due, more, last bool) {
	err := st.send(rest)
	switch {
	case err != nil:
		st.end(causeOf(err), true)
	case last:
		st.delivered(events)
		st.end(CauseFinished, false)
	default:
		st.delivered(events)
		st.rest(events, more)
		st.park()
	}
}

// end ends a stream whose connection was taken, and with abort gives up what that still holds. It is called by the
// goroutine that has it, and calls back (see OnWatched), unless there is a handler to do so.
func (st *stream) end(why Cause, abort bool) {
	if st.over != nil {
		st.why, st.abort = why, abort
		socket := st.socket
		close(st.over)
		if socket != nil {
			socket.wake()
		}
		return
	}
	st.socket.close(abort)
	st.leave(why)
	if st.then != nil {
		st.then()
	}
}

// hijacked is a connection that turned out to be none that the engine knows, such as one that a listener has wrapped.
// The goroutine keeps it.
type hijacked struct {
	net.Conn
	chunked bool
}

func (*hijacked) Flush() error { return nil }

func (h *hijacked) Write(p []byte) (int, error) {
	if !h.chunked {
		return h.Conn.Write(p)
	}
	b := batch{wire: [][]byte{p}}
	b.chunk(false)
	if _, err := h.Conn.Write(slices.Concat(b.wire...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end ends the body, if all of it was written, and closes the connection.
func (h *hijacked) end(whole bool) {
	if h.chunked && whole {
		_ = h.SetWriteDeadline(time.Now().Add(endGrace))
		_, _ = h.Conn.Write(lastChunk)
	}
	_ = h.Close()
}

// left returns a channel that is closed when the client closes, or the connection is closed. What the client sends is
// dropped.
func (h *hijacked) left() <-chan struct{} {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, h.Conn) // an error is an end too
	}()
	return left
}

// readUntilLeft is untilLeft of a socket whose wake ends a read that is under way by a deadline.
func readUntilLeft(conn net.Conn) Cause {
	for drop := make([]byte, 64); ; {
		switch _, err := conn.Read(drop); {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ""
		case err == io.EOF:
			return CauseLeft
		default:
			return causeOf(err)
		}
	}
}

// sink is what a stream is written to. Writes block; a write deadline in the past ends one under way.
type sink interface {
	io.Writer
	Flush() error
	SetWriteDeadline(time.Time) error
}

// response is the sink that net/http gives a handler.
type response struct{ http.ResponseWriter }

func (w *response) Flush() error { return http.NewResponseController(w.ResponseWriter).Flush() }

func (w *response) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}
