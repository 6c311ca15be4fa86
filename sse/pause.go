package sse

import "time"

// rest waits until the hub's clock is at until, for the sake of [StreamOptions].Pause, or the stream ends. Heartbeats go on.
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
