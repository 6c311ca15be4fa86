package sse

import (
	"net/http"
	"time"
)

// AtMostEvery returns w with the wish that its stream takes what has changed no more often than each pause: given it,
// [Hub.Serve], [Hub.ServeRun] and [Hub.ServeAll] wait that long after they have written events before they look again, so a
// reader that is happy with less gets the newest snapshot of each topic once a pause. The ends of runs wait likewise,
// heartbeats and drains do not. Give the result to one of them directly. Such a stream is not handed off.
//
// All topics of a stream wait together. With a wait for each, an id would tell of some that are further than others, and a
// client that breaks off could not resume by it.
func AtMostEvery(w http.ResponseWriter, pause time.Duration) http.ResponseWriter {
	return atMostEvery{w, pause}
}

type atMostEvery struct {
	http.ResponseWriter
	pause time.Duration
}

// Unwrap is for [http.ResponseController].
func (w atMostEvery) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// rest waits until the hub's clock is at until, for the sake of [AtMostEvery], or the stream ends. Heartbeats go on.
func (st *stream) rest(until int64, left <-chan struct{}) error {
	rest := time.Duration(until - st.hub.now())
	if rest <= 0 {
		return nil
	}
	over := time.NewTimer(rest)
	defer over.Stop()
	for st.part.Load() == nil {
		select {
		case <-over.C:
			return nil
		case <-left:
			return nil
		case <-st.hub.streamCtx.Done():
			return nil
		case <-st.wake:
			if st.beat.Swap(false) {
				if err := st.send([][]byte{comment}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
