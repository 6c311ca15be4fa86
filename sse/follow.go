package sse

import (
	"net/http"
	"strconv"
	"strings"
)

// follow makes t the feed of st, the run named only or whichever is current if that is "". It reports false if it has
// answered the request itself, or leaves that to the caller. What it needs of the handler's stack is free again while the
// stream lasts.
func (st *stream) follow(w http.ResponseWriter, r *http.Request, t *Topic, only string) (ok bool, err error) {
	h := st.hub
	if err := h.MayRead(r, t); err != nil {
		return false, err
	}
	t = t.resolve()
	s := &single{watcher: st.watcher()}
	switch t.attach(&s.watcher) {
	case errUnlisted:
		return false, gone(w, r)
	case errFull:
		h.turnAway(w, r, CauseTopic)
		return false, nil
	}
	lastID := RequestLastEventID(r)
	current := t.current.Load() // before life: one that is opened meanwhile replaces this run
	isRemoved := t.life.Load() != topicUsed
	var how Resume
	s.cursor, how = t.cursorAt(current, lastID)
	st.feed = s
	if isRemoved || only != "" && s.run.name != only {
		return false, gone(w, r)
	}
	if how == ResumeCurrent && s.done() {
		h.resumed(ResumeEnded)
		noContent(w)
		return false, nil
	}
	h.resumed(how)
	return true, nil
}

// gone answers a request for a topic that was removed, or leaves it to the caller.
func gone(w http.ResponseWriter, r *http.Request) error {
	if ServeGone(w, r) {
		return nil
	}
	return ErrGone
}

// followAll is follow for any number of topics across their runs; see [StreamOptions].Partial.
func (st *stream) followAll(w http.ResponseWriter, r *http.Request, topics []*Topic, partial bool) (ok bool, err error) {
	h := st.hub
	topics, refused, err := h.readable(r, unique(topics), partial)
	if err != nil {
		return false, err
	}
	lastID := RequestLastEventID(r)
	m := h.newMultiplexed(st, topics)
	seq, known := h.parseSeq(m.epoch, lastID)
	if lastID != "" && !known {
		m.first = append(m.first, []byte("event: reset\ndata:\n\n"))
	}
	if len(refused) > 0 {
		m.first = append(m.first, refusedEvent(refused))
	}
	st.feed = m
	for i, t := range topics {
		m.topics = m.topics[:i+1]
		s := &m.topics[i]
		s.watcher = st.watcher()
		s.many, s.index = m, int32(i)
		err := t.attach(&s.watcher)
		for err == errUnlisted {
			t = t.revive()
			err = t.attach(&s.watcher)
		}
		if err != nil {
			m.topics = m.topics[:i]
			h.turnAway(w, r, CauseTopic)
			return false, nil
		}
		s.cursor, _ = t.cursorAt(t.current.Load(), "")
		if known {
			s.n, s.missed = s.run.resumeAfter(seq)
		}
	}
	switch {
	case lastID == "":
		h.resumed(ResumeFresh)
	case !known:
		h.resumed(ResumeResent)
	case seq == h.seq.Load():
		h.resumed(ResumeCurrent)
	default:
		h.resumed(ResumeReplayed)
	}
	return true, nil
}

// unique returns topics with each name once.
func unique(topics []*Topic) []*Topic {
	seen := make(map[string]bool, len(topics))
	out := make([]*Topic, 0, len(topics))
	for _, t := range topics {
		if !seen[t.name] {
			seen[t.name] = true
			out = append(out, t)
		}
	}
	return out
}

// parseSeq returns the seq of an id of that epoch, and whether it is one.
func (h *Hub) parseSeq(epoch, id string) (seq uint64, ok bool) {
	named, rest, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(rest, 10, 64)
	return seq, err == nil && named == epoch && seq <= h.seq.Load()
}
