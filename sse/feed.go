package sse

import (
	"cmp"
	"slices"
	"strconv"
)

// feed is what a stream carries.
type feed interface {
	// pending appends what the reader should get now to b, and says whether that is all there will ever be.
	pending(b *batch) (last bool)
	// detach takes the reader from its topics.
	detach()
}

// single is the feed of one topic.
type single struct {
	watcher
	cursor
}

func (s *single) pending(b *batch) bool {
	last := s.due(b)
	for _, f := range b.events {
		if f.missed > 0 {
			b.wire = append(b.wire, gap(f.missed))
		}
		b.wire = append(b.wire, f.wire().single)
	}
	return last
}

func (s *single) detach() { s.topic.detach(&s.watcher) }

// multiplexed is the feed of any number of topics.
type multiplexed struct {
	hub    *Hub
	topics []single
	reset  bool // tell the client to forget, once
}

func (m *multiplexed) detach() {
	for i := range m.topics {
		m.topics[i].detach()
	}
}

// pending takes a limit first and leaves what was published after it to the next pass. Otherwise, with X stored as 10
// after X was looked at and Y as 11 before Y was, a client that breaks off with id 11 would never get 10.
func (m *multiplexed) pending(b *batch) bool {
	limit := m.hub.seq.Load()
	for i := range m.topics {
		c := &m.topics[i].cursor
		if now := c.topic.current.Load(); now != c.run {
			if c.run.ended() { // an end is not skipped, however soon the next run begins
				if c.take(limit, false, b); !c.done() {
					continue // beyond the limit
				}
			}
			c.run, c.n = now, 0
		}
		c.take(limit, false, b)
	}
	slices.SortFunc(b.events, func(a, b due) int { return cmp.Compare(a.seq, b.seq) })
	if m.reset {
		m.reset = false
		b.wire = append(b.wire, []byte("event: reset\ndata:\n\n"))
	}
	for _, f := range b.events {
		if f.missed > 0 {
			b.wire = append(b.wire, gap(f.missed))
		}
		b.wire = append(b.wire, f.multiplexed(m.hub.epoch))
	}
	return false
}

// gapEvent tells a reader how many events it missed, or nothing if that is unknown. It has no id: what comes next has one.
func gapEvent(missed uint64) Event {
	if missed == unknown {
		return Event{Name: "gap", Data: []byte{}}
	}
	return Event{Name: "gap", Data: strconv.AppendUint(nil, missed, 10)}
}

func gap(missed uint64) []byte { return gapEvent(missed).appendBody(nil) }
