package sse

import "time"

// rest waits for a pause (see [StreamOptions]), or until the stream ends. Heartbeats go on; what is published does not
// wake the stream, which has to look at it afterwards.
func (st *stream) rest(pause time.Duration, left <-chan struct{}) error {
	st.resting.Store(true)
	defer st.resting.Store(false)
	over := time.NewTimer(pause)
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
				if err := st.send([][]byte{st.comment()}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
