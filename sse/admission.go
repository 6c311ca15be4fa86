package sse

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrForbidden is wrapped by what [Hub.Serve] returns when [HubOptions].OnSubscribe refuses, together with the hook's
// own error.
var ErrForbidden = errors.New("sse: subscription refused")

// subjectOf returns what HubOptions.Subject says of r.
func (h *Hub) subjectOf(r *http.Request) any {
	if h.opts.Subject == nil {
		return nil
	}
	return h.opts.Subject(r)
}

// register adds st to the hub's streams, or returns why it may not. Topic limits come later, in [Topic.attach].
func (h *Hub) register(st *stream) Cause {
	h.mu.Lock()
	defer h.mu.Unlock()
	why := h.closingLocked()
	switch {
	case why != "":
		return why
	case h.opts.MaxStreams > 0 && len(h.streams) >= h.opts.MaxStreams:
		return CauseTotal
	case !h.fitsLocked(st.bounds):
		return CauseQuota
	}
	h.countLocked(st.bounds)
	st.pos = len(h.streams)
	h.streams = append(h.streams, st)
	if st.pos == 0 {
		poke(h.stir)
	}
	return ""
}

// isElsewhere reports whether HubOptions.TurnAway turns r away, whose stream st leaves the hub then, or if that panics.
func (h *Hub) isElsewhere(r *http.Request, st *stream) (turned bool) {
	if h.opts.TurnAway == nil {
		return false
	}
	turned = true
	defer func() {
		if turned {
			h.unregister(st)
		}
	}()
	turned = h.opts.TurnAway(r)
	return turned
}

// closing returns why the hub takes no streams any more, "" if it does.
func (h *Hub) closing() Cause {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closingLocked()
}

func (h *Hub) closingLocked() Cause {
	switch {
	case h.drained != nil:
		return CauseDrained
	case h.streamCtx.Err() != nil:
		return CauseStopped
	}
	return ""
}

// unregister undoes register.
func (h *Hub) unregister(st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.streams) - 1
	h.streams[st.pos] = h.streams[last]
	h.streams[st.pos].pos = st.pos
	h.streams[last] = nil
	h.streams = h.streams[:last]
	h.discountLocked(st.bounds)
	if last == 0 {
		poke(h.stir) // the timekeeper may have waited for this to end itself
		if h.drained != nil {
			close(h.drained)
		}
	}
}

// MayRead asks [HubOptions].OnSubscribe whether r may read topics, which streams do themselves: it is for other answers
// that show what is in a topic. The error of a refusal wraps [ErrForbidden] and the hook's own.
func (h *Hub) MayRead(r *http.Request, topics ...*Topic) error {
	if h.opts.OnSubscribe == nil {
		return nil
	}
	for _, t := range topics {
		if err := h.opts.OnSubscribe(r, t); err != nil {
			h.refused(r, CauseForbidden)
			return forbidden(t, err)
		}
	}
	return nil
}

// readable returns those of topics that r may read, and the names of the others if partial. Otherwise, or if r may read
// none, it returns the error of MayRead.
func (h *Hub) readable(r *http.Request, topics []*Topic, partial bool) (may []*Topic, refused []string, err error) {
	if !partial || h.opts.OnSubscribe == nil {
		return topics, nil, h.MayRead(r, topics...)
	}
	var first error
	for _, t := range topics {
		switch err := h.opts.OnSubscribe(r, t); {
		case err == nil:
			may = append(may, t)
			continue
		case first == nil:
			first = forbidden(t, err)
		}
		refused = append(refused, t.name)
	}
	if may == nil && first != nil {
		h.refused(r, CauseForbidden)
		return nil, nil, first
	}
	return may, refused, nil
}

// forbidden returns the error for a topic that OnSubscribe has refused with err.
func forbidden(t *Topic, err error) error {
	return fmt.Errorf("%w: topic %q: %w", ErrForbidden, t.name, err)
}

// refusedEvent tells a reader which topics are left out of its stream.
func refusedEvent(names []string) []byte {
	data, _ := json.Marshal(names) // strings can be encoded
	return Event{Name: "refused", Data: data}.appendBody(nil)
}

// turnAway tells a client to come back in 5 to 30 seconds, or as those whose stream Drain or End has ended. To one that asks
// for an event stream it says so with a stream that ends at once, since any status but 200 would end an EventSource for good (WHATWG HTML §9.2.3); to others
// with 503. That stream is a whole event: a `retry:` without the end of its block is lost on some clients, and some make
// an empty message of a block without data.
func (h *Hub) turnAway(w http.ResponseWriter, r *http.Request, why Cause) {
	h.refused(r, why)
	wait := spread(5*time.Second, 30*time.Second)
	switch why {
	case CauseElsewhere: // by another connection, or a balancer of connections would bring it here again
		wait = soon()
		w.Header().Set("Connection", "close")
	case CauseDrained: // a client may be one of those, brought back by a balancer that does not know yet
		wait = h.awhile()
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		setStreamHeaders(w.Header())
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			bye := Event{Name: "bye", Data: []byte{}, Retry: wait}
			_, _ = w.Write(bye.appendBody(nil)) // the client sees the end either way
		}
		return
	}
	shareDefault(w.Header(), "Cache-Control", cacheControl)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	text := "too many streams are open, or the server is stopping"
	if why == CauseElsewhere {
		text = "this process cannot serve the stream now, others may"
	}
	http.Error(w, text, http.StatusServiceUnavailable)
}
