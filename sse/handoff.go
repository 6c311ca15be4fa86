package sse

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// HandOff returns w with leave to hand the connection off: given it, [Hub.Serve], [Hub.ServeRun] and [Hub.ServeAll] may
// return while the stream lives on, carried by the hub's few writers. Such a stream costs about 1.5 KB of memory instead of
// about 27, and no goroutine. Give the result to one of them directly; after they return nil, the handler returns too.
//
// A connection is handed off on Linux, for a GET over HTTP/1.x in clear text whose connection is a *net.TCPConn and whose
// ResponseWriter can be hijacked (see [http.ResponseController.Hijack]). Any other stream is carried as without HandOff.
//
// The head and the first events are written through w before, so middleware sees the status and the bytes of those, in a
// request that ends there. The bytes and duration of the whole stream are in [Observer].Ended. For the server the
// connection is gone: [http.Server.Shutdown] and Close do nothing to it, its end is up to [Hub.Drain] and the hub's ctx.
// What the client sends after its request is dropped; that it has closed is noticed within about 6 seconds.
func HandOff(w http.ResponseWriter) http.ResponseWriter { return handOff{w} }

type handOff struct{ http.ResponseWriter }

// Unwrap is for [http.ResponseController].
func (w handOff) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Handler streams the topics that pick names, handing the connection off where it can (see [HandOff]): one topic as
// [Hub.Serve] does, any other number as [Hub.ServeAll]. An error of pick, or of these, is answered with 403 if it wraps
// [ErrForbidden], with 404 if it wraps [ErrGone] (or with 204, see [ServeGone]), and otherwise with 500 and a log entry.
// Methods other than GET and HEAD get 405, but for the preflights (Fetch §4.8) of pages of an allowed origin.
func (h *Hub) Handler(pick func(*http.Request) ([]*Topic, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(status int) { http.Error(w, http.StatusText(status), status) }
		switch allowed := h.allowOrigin(w.Header(), r); {
		case r.Method == http.MethodGet, r.Method == http.MethodHead:
		case allowed && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
			w.WriteHeader(http.StatusNoContent)
			return
		default:
			w.Header().Set("Allow", "GET, HEAD")
			fail(http.StatusMethodNotAllowed)
			return
		}
		topics, err := pick(r)
		switch {
		case err != nil:
		case len(topics) == 1:
			err = h.Serve(HandOff(w), r, topics[0])
		default:
			err = h.ServeAll(HandOff(w), r, topics...)
		}
		switch {
		case err == nil:
		case errors.Is(err, ErrForbidden):
			fail(http.StatusForbidden)
		case errors.Is(err, ErrGone):
			if !ServeGone(w, r) {
				fail(http.StatusNotFound)
			}
		default:
			h.opts.Logger.Error("stream failed", "path", r.URL.Path, "err", err)
			fail(http.StatusInternalServerError)
		}
	})
}

// socket is a connection that was handed off. Its methods from sink may block, and are for the goroutine that has borrowed
// the stream; those that begin with try never block.
type socket interface {
	sink
	// tryWrite writes what can be written at once; what cannot is no error.
	tryWrite(p []byte) (n int, err error)
	// tryLeft drops what the client has sent, and returns CauseLeft if it has closed its side, another cause if the
	// connection has failed, or 0. It may be called at any time, from any goroutine.
	tryLeft() Cause
	// close closes the connection; with abort what it still holds is given up.
	close(abort bool)
}

// mayHandOff reports whether r's connection should be handed off. That is certain only once it is hijacked.
func (h *Hub) mayHandOff(r *http.Request) bool {
	_, tcp := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return h.newSocket != nil && tcp && r.TLS == nil && r.ProtoMajor == 1 && r.Method == http.MethodGet
}

// park gives st, whose goroutine has nothing left to write, to its dispatcher, which looks once more for what was published
// in between.
func (st *stream) park() {
	st.parked.Store(true)
	if st.hub.streamCtx.Err() != nil { // and the timekeeper may have looked before
		st.ending.CompareAndSwap(0, int32(CauseStopped))
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
