package sse

import "math"

// cursor is a reader's place in a topic: the run that it belongs to, and the number of the frame that it has had.
type cursor struct {
	topic  *Topic
	run    *run
	n      uint64
	missed uint64 // before the next frame, as the reader's last id has it
}

// cursorAt returns the place in r of a reader with this last event id, and what the id came to.
func (t *Topic) cursorAt(r *run, lastID string) (cursor, Resume) {
	n, missed, how := r.resumeAt(lastID, int(t.replay))
	return cursor{topic: t, run: r, n: n, missed: missed}, how
}

// take adds to b the frames that the reader has not had, up to sequence number limit, or the first of them if bounded,
// and takes note of them.
func (c *cursor) take(limit uint64, bounded bool, b *batch) {
	before := len(b.events)
	if c.run.since(c.n, limit, bounded, b); len(b.events) > before {
		c.n = b.events[len(b.events)-1].n
		switch c.missed {
		case 0:
		case unknown:
			b.events[before].missed = unknown
		default: // and what the topic forgot since
			b.events[before].missed += c.missed
			b.coalesced += c.missed
		}
		c.missed = 0
	}
}

// done reports whether the reader has had its run's terminal.
func (c *cursor) done() bool {
	newest := c.run.newest.Load()
	return newest != nil && newest.end && newest.n == c.n
}

// due adds to b, which has no events, what a reader of one run should get now, and reports whether that is all there
// will ever be.
func (c *cursor) due(b *batch) (last bool) {
	for {
		state := c.run.state.Load() // before the frames: once a run is replaced or removed, it gets no more
		c.take(math.MaxUint64, true, b)
		switch {
		case c.done():
			return true
		case state == runLive: // anything newer by now has a wake-up of its own
			return false
		case c.run.ended():
			return false // there is more
		}
		b.drop() // snapshots of a run that will have no end
		next := c.topic.current.Load()
		if state == runRemoved || next.name == "" {
			return true
		}
		c.run, c.n = next, 0
	}
}

// advance adds to b what a reader that follows the topic from run to run should get up to sequence number limit, and
// reports whether there is more beyond.
func (c *cursor) advance(limit uint64, b *batch) (more bool) {
	if now := c.topic.current.Load(); now != c.run {
		if c.run.ended() { // an end is not skipped, however soon the next run begins
			if c.take(limit, false, b); !c.done() {
				return true
			}
		}
		c.run, c.n = now, 0
	}
	c.take(limit, false, b)
	newest := c.run.newest.Load()
	return newest != nil && newest.n != c.n
}
