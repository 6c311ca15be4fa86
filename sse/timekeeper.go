package sse

import "time"

// endGrace is how long a write may still take when its stream has to end.
const endGrace = 100 * time.Millisecond

// now is the time on the hub's clock, which does not jump with the wall clock. It is never 0.
func (h *Hub) now() int64 { return int64(time.Since(h.born)) + 1 }

// keepTime ticks while there are streams. It only sets flags and makes calls that do not wait, so no stream, however
// stuck, holds up the others. It ends with the hub's ctx and the last stream.
func (h *Hub) keepTime() {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	streamsEnd, hubEnds := h.streamCtx.Done(), h.ctx.Done()
	var scratch []*stream
	for {
		select {
		case <-h.stir:
		case <-timer.C:
		case <-streamsEnd:
			streamsEnd = nil
		case <-hubEnds:
			hubEnds = nil
		}
		var next time.Duration
		scratch, next = h.tick(scratch)
		if len(scratch) > 0 {
			timer.Reset(next)
		} else if h.ctx.Err() != nil {
			return
		}
		clear(scratch)
	}
}

// tick looks after each stream. It returns the streams, in the memory of scratch, and the time until the next tick.
func (h *Hub) tick(scratch []*stream) ([]*stream, time.Duration) {
	h.mu.Lock()
	now := h.now()
	streams := append(scratch[:0], h.streams...)
	draining, overdue := h.drained != nil, h.drained != nil && now >= h.drainEnd
	if draining {
		for _, st := range streams {
			if now >= st.leaveAt && !st.part.Swap(true) {
				poke(st.wake)
			}
		}
	}
	h.mu.Unlock()

	patience := h.opts.StallTimeout
	next := min(time.Second, h.opts.Heartbeat/4, patience/4)
	if draining {
		next = min(next, h.opts.DrainWindow/64)
	}
	if overdue || h.streamCtx.Err() != nil {
		patience = min(patience, endGrace)
		next = min(next, patience/4)
	}
	for _, st := range streams {
		if since := st.writing.Load(); since != 0 {
			if now-since >= int64(patience) {
				st.expire()
			}
		} else if now-st.wrote.Load() >= int64(h.opts.Heartbeat) {
			st.beat.Store(true)
			poke(st.wake)
		}
	}
	return streams, max(next, time.Millisecond)
}
