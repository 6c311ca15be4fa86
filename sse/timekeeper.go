package sse

import "time"

// lookTicks is every how many ticks the timekeeper looks whether the client of a parked stream has left. A tick is a
// second at most, and 10,000 idle streams, looks and heartbeats together, take 0.4% of a processor. A goroutine a
// stream that waits for its client to leave would notice at once, and cost 2.5 KB where the whole stream costs 1.7.
const lookTicks = 5

// endGrace is how long a write may still take when its stream has to end.
const endGrace = 100 * time.Millisecond

// now is the time on the hub's clock, which does not jump with the wall clock. It is never 0.
func (h *Hub) now() int64 { return int64(time.Since(h.born)) + 1 }

// keepTime ticks while there are streams. It only sets flags and makes calls that do not wait, so no stream, however
// stuck, holds up the others. It ends with the hub's ctx and the last stream, and the dispatchers with it.
func (h *Hub) keepTime() {
	defer close(h.over)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	streamsEnd, hubEnds := h.streamCtx.Done(), h.ctx.Done()
	var scratch []*stream
	for ticks := 0; ; ticks++ {
		select {
		case <-h.stir:
		case <-timer.C:
		case <-streamsEnd:
			streamsEnd = nil
		case <-hubEnds:
			hubEnds = nil
		}
		var next time.Duration
		scratch, next = h.tick(scratch, ticks)
		h.dismissCarriers()
		if len(scratch) > 0 {
			timer.Reset(next)
		} else if h.ctx.Err() != nil {
			return
		}
		clear(scratch)
	}
}

// tick looks after each stream, the ticks-th time. It returns the streams, in the memory of scratch, and the time until
// the next tick.
func (h *Hub) tick(scratch []*stream, ticks int) ([]*stream, time.Duration) {
	h.mu.Lock()
	now := h.now()
	streams := append(scratch[:0], h.streams...)
	draining, overdue := h.drained != nil, h.drained != nil && now >= h.drainEnd
	if draining {
		for _, st := range streams {
			if now >= st.leaveAt && st.part.Load() == nil && st.part.CompareAndSwap(nil, h.goodbye()) {
				st.nudge()
			}
		}
	}
	h.mu.Unlock()

	patience, why, stopped := h.opts.StallTimeout, CauseStalled, h.streamCtx.Err() != nil
	next := min(time.Second, h.opts.Heartbeat/4, patience/4)
	if draining {
		next = min(next, h.opts.DrainWindow/64)
	}
	if overdue || stopped {
		patience, why = min(patience, endGrace), CauseStopped
		next = min(next, patience/4)
	}
	for _, st := range streams {
		parked, left := st.isParked(), Cause("")
		if since := st.writing.Load(); since != 0 {
			if now-since >= int64(patience) {
				st.expire(why)
			}
			continue
		}
		if parked && st.over == nil && (ticks+int(st.begun))%lookTicks == 0 {
			left = st.socket.tryLeft()
		}
		switch {
		case parked && stopped:
			st.endFor(CauseStopped)
			st.nudge()
		case left != "":
			st.endFor(left)
			st.nudge()
		case now-st.wrote.Load() >= int64(h.opts.Heartbeat) && !st.beat.Swap(true):
			st.nudge()
		}
	}
	return streams, max(next, time.Millisecond)
}
