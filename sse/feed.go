package sse

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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

// multiplexed is the feed of any number of topics. It looks at all of them once; from then on, at those that its
// dispatcher has noted.
type multiplexed struct {
	hub    *Hub
	home   *dispatcher
	epoch  string // of its ids
	topics []single
	first  [][]byte // control events that come before all others
	begun  bool     // all topics were looked at

	looked []int32       // memory for noted
	listed []atomic.Bool // by topic: it is in noted
	round  uint64        // of the dispatcher, in which a topic was noted last; its goroutine's alone

	mu sync.Mutex // guards the field below; nothing is locked under it

	noted []int32 // the topics to look at
}

func (h *Hub) newMultiplexed(st *stream, topics []*Topic) *multiplexed {
	m := &multiplexed{
		hub:    h,
		home:   st.home,
		topics: make([]single, 0, len(topics)),
		listed: make([]atomic.Bool, len(topics)),
	}
	var set uint64 // whatever the order is
	for _, t := range topics {
		set += maphash.String(h.seed, t.name)
	}
	m.epoch = h.epoch + strconv.FormatUint(set, 36)
	return m
}

func (m *multiplexed) detach() {
	for i := range m.topics {
		m.topics[i].detach()
	}
}

// note has the next pass look at a topic. It is called by the dispatcher, and reports whether it is the first time in
// this round.
func (m *multiplexed) note(topic int32, round uint64) (first bool) {
	m.list(topic)
	first = m.round != round
	m.round = round
	return first
}

func (m *multiplexed) list(topic int32) {
	if m.listed[topic].Load() { // who takes it from the list looks at it afterwards
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.listed[topic].Swap(true) {
		m.noted = append(m.noted, topic)
	}
}

// pending takes a limit first and leaves what was published after it to another pass. Otherwise, with X stored as 10
// after X was looked at and Y as 11 before Y was, a client that breaks off with id 11 would never get 10. For the same
// reason the limit is not beyond what the dispatcher has noted.
func (m *multiplexed) pending(b *batch) bool {
	if m.begun {
		m.pendingNoted(b)
	} else {
		m.begun = true
		limit := m.hub.seq.Load()
		for i := range m.topics {
			m.topics[i].advance(limit, b)
		}
	}
	slices.SortFunc(b.events, func(a, b due) int { return cmp.Compare(a.seq, b.seq) })
	b.wire = append(b.wire, m.first...)
	m.first = nil
	for _, f := range b.events {
		if f.missed > 0 {
			b.wire = append(b.wire, gap(f.missed))
		}
		b.wire = append(b.wire, f.multiplexed(m.epoch))
	}
	return false
}

// pendingNoted looks at the topics that are noted. One that has more, beyond the limit, stays so; the dispatcher wakes
// the stream when it has noted all up to there.
func (m *multiplexed) pendingNoted(b *batch) {
	limit := m.home.noted.Load() // before the list is taken: up to it, all is in there
	m.mu.Lock()
	looked := m.noted
	m.noted = m.looked[:0]
	for _, i := range looked {
		m.listed[i].Store(false)
	}
	m.mu.Unlock()
	for _, i := range looked {
		if m.topics[i].advance(limit, b) {
			m.list(i)
		}
	}
	m.looked = emptied(looked)
}

// gapEvent tells a reader how many events it missed, or nothing if that is unknown. It has no id: what comes next has
// one.
func gapEvent(missed uint64) Event {
	if missed == unknown {
		return Event{Name: "gap", Data: []byte{}}
	}
	return Event{Name: "gap", Data: strconv.AppendUint(nil, missed, 10)}
}

func gap(missed uint64) []byte { return gapEvent(missed).appendBody(nil) }
