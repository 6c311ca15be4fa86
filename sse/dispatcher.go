package sse

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxDispatchers bounds a hub's dispatchers; there is one a processor up to that.
const maxDispatchers = 4

// dispatcher serves one share of the readers of each topic, so that a publisher does not have to: it wakes a Watch, sends
// carriers to streams whose connections their servers keep, and writes to the connections that were taken, without ever
// waiting for one. One goroutine runs it, until the hub is over.
type dispatcher struct {
	hub   *Hub
	share int
	kick  chan struct{} // of 1

	resting *resting

	// What was published up to this sequence number has been noted by every stream of many topics in this share.
	noted atomic.Uint64
	round atomic.Uint64 // for which topics are queued, from 1; written under Hub.seqMu and mu

	mu sync.Mutex // guards the field below; after Hub.seqMu, and nothing is locked under it

	topics []*Topic

	streamsMu sync.Mutex // guards the field below; not mu, which a publisher takes: many streams can begin at once

	streams []*stream
}

// addTopic queues t, unless it is queued, and has d look unless all who watch t rest. It is called under Hub.seqMu for
// what has a sequence number.
func (d *dispatcher) addTopic(t *Topic) {
	s := t.shares.Load()
	queued := &s.queued[d.share]
	if queued.Load() == d.round.Load() {
		s.again[d.share].Add(1)
	} else {
		d.mu.Lock()
		if round := d.round.Load(); queued.Load() != round {
			queued.Store(round)
			d.topics = append(d.topics, t)
		}
		d.mu.Unlock()
	}
	// Asked once it is queued: whoever wakes from then on takes it.
	if t.eager.Load()&(1<<d.share) != 0 || d.resting.awake.Load() > 0 {
		poke(d.kick)
	}
}

// take takes what is queued, and returns with it the sequence number up to which every frame's topic is in that or was
// in what was taken before. A frame that is stored later queues its topic again. The locks are held for the same short
// time, however many topics are queued.
func (d *dispatcher) take(topics []*Topic, streams []*stream) ([]*Topic, []*stream, uint64) {
	d.hub.seqMu.Lock()
	d.mu.Lock()
	topics, d.topics = d.topics, topics[:0]
	d.round.Add(1)
	limit := d.hub.seq.Load()
	d.mu.Unlock()
	d.hub.seqMu.Unlock()
	d.streamsMu.Lock()
	streams, d.streams = d.streams, streams[:0]
	d.streamsMu.Unlock()
	return topics, streams, limit
}

// addStream queues one parked stream for a look.
func (d *dispatcher) addStream(st *stream) {
	d.streamsMu.Lock()
	d.streams = append(d.streams, st)
	d.streamsMu.Unlock()
	poke(d.kick)
}

func (d *dispatcher) run(over <-chan struct{}) {
	var topics []*Topic
	var streams, rested []*stream
	var watchers []*watcher
	var b batch
	defer d.resting.timer.Stop()
	for {
		select {
		case <-over:
			return
		case <-d.kick:
		case <-d.resting.timer.C:
			d.resting.armed = 0
		}
		turn := turn{began: time.Now()}
		var limit uint64
		rested = d.resting.over(d.hub, rested[:0])
		topics, streams, limit = d.take(topics, streams)
		for _, t := range topics {
			turn.again += uint64(t.shares.Load().again[d.share].Swap(0))
			watchers = d.toWake(watchers, t)
		}
		d.noted.Store(limit)
		for _, st := range streams {
			if st.isParked() && st.socket != nil {
				st.look(&b)
			} else {
				d.resting.take(st)
			}
		}
		for _, st := range rested {
			st.lookOrNudge(&b, &turn)
		}
		d.wake(watchers, &b, &turn)
		d.resting.arm(d.hub)
		for _, t := range topics {
			turn.again += uint64(t.shares.Load().again[d.share].Load())
		}
		turn.topics = len(topics)
		clear(watchers)
		watchers = watchers[:0]
		clear(streams)
		clear(rested)
		clear(topics)
		b.reset()
		b.forget()
		turn.end()
	}
}

// wake has the watchers see what is new, but those who rest.
func (d *dispatcher) wake(watchers []*watcher, b *batch, turn *turn) {
	for _, w := range watchers {
		switch {
		case w.call != nil:
			w.publishedTo(d.hub.opts.Logger)
		case w.stream == nil:
			poke(w.wake)
			turn.woke()
		case !w.stream.resting():
			w.stream.lookOrNudge(b, turn)
		}
	}
}

// toWake appends those who watch t and have not been appended in this round. A stream of many topics takes note of t.
func (d *dispatcher) toWake(watchers []*watcher, t *Topic) []*watcher {
	known, round := len(watchers), d.round.Load()
	s := t.shares.Load()
	s.mu.Lock() // for the copy alone: who attaches waits some 10 µs for 10,000 readers, not for their wake-ups
	watchers = append(watchers, s.watchers[d.share]...)
	s.mu.Unlock()
	wake := watchers[:known]
	for _, w := range watchers[known:] {
		if w.many == nil || w.many.note(w.index, round) {
			wake = append(wake, w)
		}
	}
	clear(watchers[len(wake):])
	return wake
}

// look writes what a parked stream should get now. It is called by st's dispatcher alone. A connection that cannot take
// it all gets a goroutine for as long as the rest takes: without one, the newest snapshot would wait for the next.
func (st *stream) look(b *batch) {
	if why, ends := st.hasToEnd(); ends {
		st.unpark()
		if st.chunked {
			_, _ = st.socket.tryWrite(lastChunk)
		}
		go st.end(why, false)
		return
	}
	last := st.next(b)
	if st.chunked {
		b.chunk(last)
	}
	for rest := b.wire; len(rest) > 0; {
		piece, n := b.join(rest)
		written, err := st.socket.tryWrite(piece)
		st.bytes += int64(written)
		if err != nil {
			st.unpark()
			go st.end(causeOf(err), true)
			return
		}
		if written < len(piece) {
			tail := piece[written:]
			if n > 1 {
				tail = slices.Clone(tail) // of joined events, whose memory is used again
			}
			st.unpark()
			go st.finish(append([][]byte{tail}, rest[n:]...), slices.Clone(b.events), b.more, last)
			return
		}
		rest = rest[n:]
	}
	if len(b.wire) > 0 {
		st.wrote.Store(st.hub.now())
		st.delivered(b.events)
		st.rest(b.events, b.more)
	}
	switch {
	case last:
		st.unpark()
		go st.end(CauseFinished, false)
	case st.resting():
		st.home.resting.add(st)
	case b.more:
		st.home.addStream(st)
	}
}

// lookOrNudge has st, by its dispatcher or by whoever writes to it, look for what is new.
func (st *stream) lookOrNudge(b *batch, turn *turn) {
	if st.isParked() && st.socket != nil {
		st.look(b)
		return
	}
	st.nudge()
	turn.woke()
}

// hasToEnd reports whether st has to end at once, and why, unless it has come to its end or the timekeeper knows better.
func (st *stream) hasToEnd() (why Cause, ends bool) {
	if left := st.left.Load(); left != nil {
		return *left, true
	}
	return "", st.ending.Load() != nil
}

func (st *stream) isParked() bool { return st.state.Load() == parked }

// unpark takes st from its dispatcher; what it does about st from then on is nothing.
func (st *stream) unpark() {
	st.home.resting.remove(st)
	st.state.Store(busy)
}

// poke sends on a channel of 1 unless that is full: whoever receives has yet to look then, and will see everything.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
