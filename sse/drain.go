package sse

import (
	"context"
	"math/rand/v2"
	"time"
)

// Drain ends all streams without sending their clients back in lockstep. It admits no new ones (they get 200, `retry:`
// and the end), and over HubOptions.DrainWindow ends each stream at a random moment, after the frame that it is
// writing: with an event named bye, whose data is empty and whose retry is random, up to twice the window. It returns nil
// when the last one has ended. Writes that are still under way a moment after the window are cut off. If ctx ends first,
// Drain ends the rest at once, and returns ctx's cause. Called again, it waits for the same end.
//
// Topics, and [Topic.Watch], live on. Use it beside [http.Server.Shutdown], which waits for streams but does not end them,
// and does not know those that were handed off:
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
		h.endStreams()
		return context.Cause(ctx)
	}
}

// goodbye is the last that a drained stream sends.
func (h *Hub) goodbye() []byte {
	window := h.opts.DrainWindow
	return Event{Name: "bye", Data: []byte{}, Retry: spread(min(window, 500*time.Millisecond), 2*window)}.appendBody(nil)
}
