package sse

import (
	"io"
	"net"
	"net/http"
	"time"
)

// Handler streams the topics that pick names, handing the connection off where it can (see [StreamOptions].HandOff): one
// topic as [Hub.Serve] does, any other number as [Hub.ServeAll]. An error of pick, or of these, is answered with 403 if it
// wraps [ErrForbidden], with 404 if it wraps [ErrGone] (or with 204, see [ServeGone]), and otherwise with 500 and a log
// entry. Methods other than GET and HEAD get 405, but for the preflights (Fetch §4.8) of pages of an allowed origin.
//
// A handler that hands nothing off is that of h.With(StreamOptions{}).
func (h *Hub) Handler(pick func(*http.Request) ([]*Topic, error)) http.Handler {
	return h.With(StreamOptions{HandOff: true}).Handler(pick)
}

// socket is a connection that was handed off. Its methods from sink may block, and are for the goroutine that has borrowed
// the stream; those that begin with try never block.
type socket interface {
	sink
	// tryWrite writes what can be written at once; what cannot is no error.
	tryWrite(p []byte) (n int, err error)
	// tryLeft drops what the client has sent, and returns CauseLeft if it has closed its side, another cause if the
	// connection has failed, or "". It may be called at any time, from any goroutine.
	tryLeft() Cause
	// close closes the connection; with abort what it still holds is given up.
	close(abort bool)
}

// mayHandOff reports whether the connection of w and r may be handed off, as far as that can be told before the first
// byte. It is certain only once it is hijacked.
func (h *Hub) mayHandOff(w http.ResponseWriter, r *http.Request, opts StreamOptions) bool {
	_, tcp := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return opts.HandOff && opts.Pause <= 0 && h.newSocket != nil && tcp && r.TLS == nil && r.ProtoMajor == 1 &&
		r.Method == http.MethodGet && !encoded(w)
}

// hijack takes the connection from under w, through which the head and n bytes were written and flushed. It returns nil if
// there is none to be had, or if middleware has made something else of what was written: it would not see what follows.
func (h *Hub) hijack(w http.ResponseWriter, n int64) net.Conn {
	if encoded(w) || !h.reached(w, n) {
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// park gives st, whose goroutine has nothing left to write, to its dispatcher, which looks once more for what was published
// in between.
func (st *stream) park() {
	st.parked.Store(true)
	if st.hub.streamCtx.Err() != nil { // and the timekeeper may have looked before
		st.endFor(CauseStopped)
	}
	st.home.addStream(st)
}

// finish is the goroutine of a parked stream whose connection could not take rest at once. It ends when the connection
// has taken it, at the latest when the timekeeper finds no progress.
func (st *stream) finish(rest [][]byte, events []due, last bool) {
	err := st.send(rest)
	switch {
	case err != nil:
		st.end(causeOf(err), true)
	case last:
		st.delivered(events)
		st.end(CauseFinished, false)
	default:
		st.delivered(events)
		st.park()
	}
}

// end ends a stream that was handed off, and with abort gives up what its connection still holds. It is called by the
// goroutine that has it, and calls back (see OnWatched).
func (st *stream) end(why Cause, abort bool) {
	st.socket.close(abort)
	st.leave(why)
}

// hijacked is a connection that turned out to be none that the engine knows, such as one that a listener has wrapped. The
// goroutine keeps it.
type hijacked struct{ net.Conn }

func (hijacked) Flush() error { return nil }

// left returns a channel that is closed when the client closes, or the connection is closed. What the client sends is
// dropped.
func (c hijacked) left() <-chan struct{} {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, c.Conn) // an error is an end too
	}()
	return left
}

// sink is what a stream is written to. Writes block; a write deadline in the past ends one under way.
type sink interface {
	io.Writer
	Flush() error
	SetWriteDeadline(time.Time) error
}

// response is the sink that net/http gives a handler.
type response struct {
	http.ResponseWriter
	*http.ResponseController
}
