package sse

import (
	"cmp"
	"slices"
	"strconv"
)

// feed is what a stream carries.
type feed interface {
	// pending appends what the reader should get now, encoded, to out, and says whether that is all there will ever be.
	pending(out [][]byte) (_ [][]byte, last bool)
}

// single is the feed of one topic.
type single struct {
	cursor
	buf []due
}

func (s *single) pending(out [][]byte) ([][]byte, bool) {
	frames, last := s.due(s.buf)
	for _, f := range frames {
		if f.missed > 0 {
			out = append(out, gap(f.missed))
		}
		out = append(out, f.single)
	}
	s.buf = emptied(frames)
	return out, last
}

// multiplexed is the feed of any number of topics.
type multiplexed struct {
	hub    *Hub
	topics []cursor
	reset  bool // tell the client to forget, once
	buf    []due
}

// pending takes a limit first and leaves what was published after it to the next pass. Otherwise, with X stored as 10
// after X was looked at and Y as 11 before Y was, a client that breaks off with id 11 would never get 10.
func (m *multiplexed) pending(out [][]byte) ([][]byte, bool) {
	limit := m.hub.seq.Load()
	frames := m.buf
	for i := range m.topics {
		c := &m.topics[i]
		if now := c.topic.current.Load(); now != c.run {
			if c.run.ended() { // an end is not skipped, however soon the next run begins
				if frames = c.take(limit, frames); !c.done() {
					continue // beyond the limit
				}
			}
			c.run, c.n = now, 0
		}
		frames = c.take(limit, frames)
	}
	slices.SortFunc(frames, func(a, b due) int { return cmp.Compare(a.seq, b.seq) })
	if m.reset {
		m.reset = false
		out = append(out, []byte("event: reset\ndata:\n\n"))
	}
	for _, f := range frames {
		if f.missed > 0 {
			out = append(out, gap(f.missed))
		}
		out = append(out, f.multiplexed(m.hub.epoch))
	}
	m.buf = emptied(frames)
	return out, false
}

// gapEvent tells a reader how many events it missed. It has no id: what comes next has one.
func gapEvent(missed uint64) Event {
	return Event{Name: "gap", Data: strconv.AppendUint(nil, missed, 10)}
}

func gap(missed uint64) []byte { return gapEvent(missed).appendBody(nil) }
