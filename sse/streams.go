package sse

import (
	"cmp"
	"errors"
	"net/http"
	"time"
)

// StreamOptions say how a stream is carried, and what of it. The zero value is the default. They are given to
// [Hub.With], to a [Manager] by [WithStreams], and in package progress to its Tracker's With and in its HandlerOptions.
//
// Where it can, the hub takes the connection from its server once the stream has begun, and its few writers carry the
// stream from then on. A call that blocks then leaves one goroutine behind, which waits for the client to leave and for
// the end: the stream costs about 11 KB of memory instead of 23, and its deliveries less of the processors. With
// HandOff not even that stays. A connection can be taken on Linux, for a GET without a body over HTTP/1.x in clear text
// whose connection is a *net.TCPConn, whose ResponseWriter can be hijacked (see [http.ResponseController.Hijack]), and
// through whose middleware the first events came unchanged: no header of theirs names a Content-Encoding, and net/http
// was given as many bytes as the stream wrote. Behind a compressing middleware a stream stays with its server.
// Middleware that changes bytes without changing their number, and without saying so in a header, cannot be told from
// one that only looks: set KeepConnection there.
//
// The head and the first events are written through the ResponseWriter before, so middleware sees the status and the
// bytes of those; the bytes and duration of the whole stream are in [Observer].Ended. For the server the connection is
// gone: [http.Server.Shutdown] and Close do nothing to it, its end is up to the client, the request's context if the
// call blocks, [Hub.Drain] and the hub's ctx. What the client sends after its request is dropped. A call that blocks
// leaves the framing of the body as it was and closes the connection after it, which the head says by `Connection:
// close`, whatever the handler has set.
type StreamOptions struct {
	// HandOff lets Serve, ServeRun and ServeAll return while the stream lives on. Such a stream costs about 1.8 KB of
	// memory and no goroutine; the request ends there for middleware, the handler returns too after they return nil,
	// and the request's context means nothing any more. That the client has closed is noticed within about 6 seconds.
	// The body ends with the connection, without chunks. Where the connection cannot be taken, they block.
	HandOff bool
	// KeepConnection leaves the connection with its server, whatever HandOff says: all that a stream writes goes
	// through the ResponseWriter, and the server's Shutdown waits for it.
	KeepConnection bool
	// HeartbeatBlock ends the comment of a heartbeat with a blank line, as some other libraries do. Simple readers make
	// an empty message of that.
	HeartbeatBlock bool
	// Partial has ServeAll leave out the topics that [HubOptions].OnSubscribe refuses, where it otherwise refuses the
	// stream; it still does if all are refused. The stream then begins, each time that it is opened, with an event named
	// refused, whose data is a JSON array of the names that are left out. [Observer].Refused is not told of them.
	Partial bool
	// Pause is how long a stream that has written events waits before it looks for more, so a reader that is happy with
	// less gets the newest snapshot of each topic once a pause. The ends of runs wait likewise, heartbeats and drains
	// do not. While a stream waits, what is published does not wake it. All topics of a stream wait together: with a
	// wait for each, an id would tell of some that are further than others, and a client that breaks off could not
	// resume by it. Zero means none.
	Pause time.Duration
}

// with returns o with the fields of other that are not zero.
func (o StreamOptions) with(other StreamOptions) StreamOptions {
	return StreamOptions{
		HandOff:        o.HandOff || other.HandOff,
		KeepConnection: o.KeepConnection || other.KeepConnection,
		HeartbeatBlock: o.HeartbeatBlock || other.HeartbeatBlock,
		Partial:        o.Partial || other.Partial,
		Pause:          cmp.Or(other.Pause, o.Pause),
	}
}

// Streams serves streams of a [Hub] with [StreamOptions]. [Hub.With] makes one. Its methods may be called from any
// goroutine.
type Streams struct {
	hub  *Hub
	opts StreamOptions
}

// With returns what serves h's streams with opts. The methods of Hub of the same names are those of the zero
// StreamOptions, but for [Hub.Handler].
func (h *Hub) With(opts StreamOptions) Streams { return Streams{h, opts} }

// Serve is [Hub.Serve] with the options.
func (s Streams) Serve(w http.ResponseWriter, r *http.Request, t *Topic) error {
	return s.hub.serve(w, r, t, "", s.opts)
}

// ServeRun is [Hub.ServeRun] with the options.
func (s Streams) ServeRun(w http.ResponseWriter, r *http.Request, t *Topic, run string) error {
	return s.hub.serve(w, r, t, run, s.opts)
}

// ServeAll is [Hub.ServeAll] with the options.
func (s Streams) ServeAll(w http.ResponseWriter, r *http.Request, topics ...*Topic) error {
	return s.hub.serveAll(w, r, topics, s.opts)
}

// Handler is [Hub.Handler] with the options, with whose zero value it blocks for as long as its stream lasts.
func (s Streams) Handler(pick func(*http.Request) ([]*Topic, error)) http.Handler {
	if pick == nil {
		panic("sse: Handler needs a pick func: it could serve nothing")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(status int) { http.Error(w, http.StatusText(status), status) }
		if !s.hub.takes(w, r) {
			return
		}
		topics, err := pick(r)
		switch {
		case err != nil:
		case len(topics) == 1:
			err = s.Serve(w, r, topics[0])
		default:
			err = s.ServeAll(w, r, topics...)
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
			s.hub.opts.Logger.Error("stream failed", "path", r.URL.Path, "err", err)
			fail(http.StatusInternalServerError)
		}
	})
}

// takes reports whether r asks for a stream by its method, and answers it if not.
func (h *Hub) takes(w http.ResponseWriter, r *http.Request) bool {
	if h.AllowOrigin(w, r, CORS{Methods: "GET, HEAD", Headers: "Authorization, Cache-Control, Last-Event-ID"}) {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return false
	}
	return true
}
