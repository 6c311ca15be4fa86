package sse

import (
	"context"
	"math/rand/v2"
	"time"
)

// Drain ends all streams without sending their clients back in lockstep. Over [HubOptions].DrainWindow it ends each of them
// at a random moment, after the frame that it is writing: with an event named bye, whose data is empty and whose retry is
// random, up to twice the window. It admits no new ones: these are turned away like those beyond MaxStreams, but to come
// back as soon as the others. It returns nil when the last one has ended. Writes that are still under way a moment after
// the window are cut off. If ctx ends first, Drain ends the rest at once, and returns ctx's cause. Called again, it waits
// for the same end.
//
// Topics, and [Topic.Watch], live on. Use it beside [http.Server.Shutdown], which waits for streams but does not end
// them, and does not know those that were handed off:
//
//	drained := make(chan error, 1)
//	go func() { drained <- hub.Drain(ctx) }()
//	err := errors.Join(server.Shutdown(ctx), <-drained)
func (h *Hub) Drain(ctx context.Context) error {
	h.mu.Lock()
	if h.drained == nil {
		h.drained = make(chan struct{})
		now, window := h.now(), int64(h.opts.DrainWindow)
		h.drainEnd = now + window
		for _, st := range h.streams {
			st.leaveAt = now + rand.Int64N(window)
		}
		if len(h.streams) == 0 {
			close(h.drained)
		}
	}
	drained := h.drained
	h.mu.Unlock()
	poke(h.stir)

	select {
	case <-drained:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-drained: // before, perhaps
		return nil
	default:
		h.endStreams()
		return context.Cause(ctx)
	}
}

// End ends the streams of those subjects, as HubOptions.Subject has named them, for which over reports true: with an
// event named bye whose data is reason, a line for programs, and whose retry has the client ask again within two
// seconds. What was published but not written yet is not sent. over is called for each stream, also with nil, and must
// not call the hub; it may be called for a stream that is not attached yet. End does not wait for the ends.
func (h *Hub) End(over func(subject any) bool, reason string) {
	h.mu.Lock()
	streams := append([]*stream(nil), h.streams...)
	h.mu.Unlock()
	for _, st := range streams {
		if over(st.subject) {
			bye := Event{Name: "bye", Data: []byte(reason), Retry: soon()}
			st.part.Store(&parting{bye.appendBody(nil), CauseForbidden})
			st.nudge()
		}
	}
}

// soon is when a client should come back that another process can serve.
func soon() time.Duration { return spread(100*time.Millisecond, 2*time.Second) }

// parting is the last that a stream sends, and why it ends.
type parting struct {
	bye []byte
	why Cause
}

// goodbye is the parting of a stream of a hub that drains.
func (h *Hub) goodbye() *parting {
	ev := Event{Name: "bye", Data: []byte{}, Retry: h.awhile()}
	return &parting{ev.appendBody(nil), CauseDrained}
}

// awhile is when a client of a hub that drains should come back.
func (h *Hub) awhile() time.Duration {
	window := h.opts.DrainWindow
	return spread(min(window, 500*time.Millisecond), 2*window)
}
