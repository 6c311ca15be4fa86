package sse

import (
	"container/heap"
	"math"
	"sync/atomic"
	"time"
)

// pause is that of a stream which has one (see [StreamOptions]). While the stream rests, what is published does not
// wake it; its dispatcher does when the pause is over.
type pause struct {
	length time.Duration
	rests  atomic.Bool
	left   atomic.Bool // the stream has ended
	until  int64       // on the hub's clock; written by whoever has the stream, before it rests
	place  int         // in its dispatcher's resting, from 1; 0: it is not in there
	gone   bool        // its dispatcher does not count it any more
}

// resting reports whether st waits for the end of its pause.
func (st *stream) resting() bool { return st.pause != nil && st.pause.rests.Load() }

// rest has st, which somebody has, wait for its pause if it has written events, unless there are more to write at once,
// and reports whether it does. Heartbeats go on, and it can end. Its dispatcher has to be told.
func (st *stream) rest(wrote []due, more bool) bool {
	if st.pause == nil || len(wrote) == 0 || more {
		return false
	}
	st.pause.until = st.hub.now() + int64(min(st.pause.length, math.MaxInt64/2))
	st.pause.rests.Store(true)
	return true
}

// resting is a dispatcher's streams that rest, as a heap: the one whose pause is over first is the first. One timer is
// for all of them. It belongs to the dispatcher's goroutine, but for awake.
type resting struct {
	streams []*stream
	timer   *time.Timer
	armed   int64 // the time that the timer is set to, on the hub's clock; 0 once it has fired

	// awake is how many streams of the dispatcher have a pause and are not in the heap. While there is none, what is
	// published on topics that only such streams watch need not wake the dispatcher.
	awake atomic.Int64
}

func newResting() *resting {
	r := &resting{timer: time.NewTimer(time.Hour)}
	r.timer.Stop()
	return r
}

// take notes a stream that rests now, or one with a pause that has ended. It may be told of either more than once.
func (r *resting) take(st *stream) {
	switch {
	case st.pause == nil || st.pause.gone:
	case st.pause.left.Load():
		r.remove(st)
		st.pause.gone = true
		r.awake.Add(-1)
	case st.resting():
		r.add(st)
	}
}

// add adds st, unless it is in there.
func (r *resting) add(st *stream) {
	if st.pause.place == 0 {
		heap.Push(r, st)
		r.awake.Add(-1)
	}
}

// remove takes st out, if it is in there. Its pause goes on.
func (r *resting) remove(st *stream) {
	if st.pause != nil && st.pause.place > 0 {
		r.awake.Add(1)
		heap.Remove(r, st.pause.place-1)
	}
}

// over takes out the streams whose pause is over, and appends them to streams. A publisher that has not seen them
// awake has queued its topic before, so the dispatcher takes what is queued afterwards.
func (r *resting) over(h *Hub, streams []*stream) []*stream {
	if len(r.streams) == 0 {
		return streams
	}
	for now := h.now(); len(r.streams) > 0 && r.streams[0].pause.until <= now; {
		st := r.streams[0]
		r.remove(st)
		st.pause.rests.Store(false)
		streams = append(streams, st)
	}
	return streams
}

// arm sets the timer to the end of the first pause.
func (r *resting) arm(h *Hub) {
	if len(r.streams) > 0 && r.armed != r.streams[0].pause.until {
		r.armed = r.streams[0].pause.until
		r.timer.Reset(time.Duration(r.armed - h.now()))
	}
}

func (r *resting) Len() int           { return len(r.streams) }
func (r *resting) Less(i, j int) bool { return r.streams[i].pause.until < r.streams[j].pause.until }

func (r *resting) Swap(i, j int) {
	r.streams[i], r.streams[j] = r.streams[j], r.streams[i]
	r.streams[i].pause.place, r.streams[j].pause.place = i+1, j+1
}

func (r *resting) Push(st any) {
	r.streams = append(r.streams, st.(*stream))
	st.(*stream).pause.place = len(r.streams)
}

func (r *resting) Pop() any {
	last := len(r.streams) - 1
	st := r.streams[last]
	r.streams[last] = nil
	r.streams = r.streams[:last]
	st.pause.place = 0
	return st
}
