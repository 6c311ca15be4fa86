package sse

import (
	"context"
	"net/http"
	"runtime/debug"
)

// The states of a stream. Whoever parks one that is busy finds out whether it became "again" meanwhile.
const (
	busy   int32 = iota // a goroutine has it
	again               // likewise, and there may be more to write
	parked              // its dispatcher may write to the connection that was taken, or anybody may send a carrier
)

// A carrier is a goroutine that writes to streams whose connections their servers keep, for one stream after another.
// Such a write can block, so a dispatcher cannot do it. The handler's goroutine could, which has to stay to the end. But
// then its stack would keep room for all that a write calls, 4 KB over HTTP/1.1 in clear text, and waking one that has
// been idle costs more: over TLS and HTTP/2 a carrier saves 15% of the processor time of a delivery.
//
// A hub has as many carriers as are writing at once. Those that have nothing to do end within a second or so.

// sendCarrier has a carrier write to st, which is busy.
func (h *Hub) sendCarrier(st *stream) {
	select {
	case h.carriers <- st:
	default:
		go h.carry(st)
	}
}

// carry is a carrier.
func (h *Hub) carry(st *stream) {
	var b batch
	for st != nil {
		st.carryOn(&b)
		b.reset()
		select {
		case st = <-h.carriers:
		case <-h.over:
			return
		}
	}
}

// dismissCarriers ends those that have nothing to do.
func (h *Hub) dismissCarriers() {
	for {
		select {
		case h.carriers <- nil:
		default:
			return
		}
	}
}

// carryOn begins st, or writes to it what there is, and parks it then, or ends it. A panic of the application's writer
// becomes one of the handler's.
func (st *stream) carryOn(b *batch) {
	done, begin := false, st.beginning
	st.beginning = nil
	defer func() {
		if done {
			return
		}
		v := recover()
		switch v {
		case http.ErrAbortHandler:
		case nil: // the writer has ended the goroutine
			v = http.ErrAbortHandler
		default: // the server will log the handler's stack, which says nothing
			st.hub.opts.Logger.Error("writer panicked", "panic", v, "stack", string(debug.Stack()))
		}
		if begin != nil {
			begin.panicked = v
			close(begin.over)
			return
		}
		st.panicked = v
		st.end(CauseReset, true)
	}()
	if begin != nil {
		begin.own = st.begin(begin.w, begin.r, begin.mayTake, b)
		done = true
		close(begin.over)
		return
	}
	st.write(b)
	done = true
}

// write writes to st what there is, and parks it then, or ends it.
func (st *stream) write(b *batch) {
	for {
		if why, ends := st.hasToEnd(); ends {
			st.end(why, false)
			return
		}
		last := st.next(b)
		if err := st.send(b.wire); err != nil {
			st.end(causeOf(err), true)
			return
		}
		st.delivered(b.events)
		if last {
			st.end(CauseFinished, false)
			return
		}
		if st.parkAfter(b) {
			return
		}
	}
}

// parkAfter parks st, to which b was written, unless there is more to write.
func (st *stream) parkAfter(b *batch) bool {
	if st.rest(b.events, b.more) {
		st.home.addStream(st)
	} else if b.more {
		return false
	}
	if st.state.CompareAndSwap(busy, parked) {
		return true
	}
	st.state.Store(busy)
	return false
}

// nudge has whoever has st look at it.
func (st *stream) nudge() {
	for {
		switch st.state.Load() {
		case again:
			return
		case busy:
			if st.state.CompareAndSwap(busy, again) {
				return
			}
		case parked:
			if st.socket != nil {
				st.home.addStream(st)
				return
			}
			if st.state.CompareAndSwap(parked, busy) {
				st.hub.sendCarrier(st)
				return
			}
		}
	}
}

// stayWithServer is what remains of a handler whose server keeps the connection: it waits for the client to leave, which
// ends ctx or closes left, and for the end, which is its own to complete.
func (st *stream) stayWithServer(ctx context.Context, left <-chan struct{}) {
	select {
	case <-st.over:
	case <-left:
		st.hasLeft(CauseLeft)
	case <-ctx.Done():
		st.hasLeft(CauseLeft)
	}
	<-st.over
	if v := st.panicked; v != nil {
		panic(v)
	}
}
