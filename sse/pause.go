package sse

import "time"

// rest has st, which is busy, look for what was published when its pause is over (see [StreamOptions]), and not before.
// Heartbeats go on, and it can end.
func (st *stream) rest() {
	st.resting.Store(true)
	if st.pausing != nil {
		st.pausing.Reset(st.pause)
		return
	}
	st.pausing = time.AfterFunc(st.pause, func() {
		st.resting.Store(false)
		st.nudge()
	})
}
