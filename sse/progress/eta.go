package progress

import (
	"math"
	"time"
)

// etaMemory is the time after which a step counts 1/e as much as a new one: long enough for the estimate to be stable
// in bursts, short enough for it to adapt soon to a stage of another speed.
const etaMemory = 15 * time.Second

// eta estimates when a growing percentage will reach 100. The zero value has no estimate.
type eta struct {
	percent float64
	at      time.Time // of the last change of percent; zero before the first
	gained  float64   // percents, older ones weighing less
	spent   float64   // seconds, likewise; gained / spent is the speed
	left    float64   // seconds from at, if gained is not 0
}

// update records that the percentage is percent at now.
func (e *eta) update(percent float64, now time.Time) {
	switch {
	case e.at.IsZero() || percent < e.percent: // the beginning, or a restart
		*e = eta{percent: percent, at: now}
	case percent > e.percent:
		took, memory := now.Sub(e.at).Seconds(), etaMemory.Seconds()
		fade, weight := math.Exp(-took/memory), 1.0
		if took > 0 { // the early part of a long step has faded by its end
			weight = (1 - fade) * memory / took
		}
		e.gained = e.gained*fade + weight*(percent-e.percent)
		e.spent = e.spent*fade + weight*took
		e.percent, e.at = percent, now
		e.left = (100 - percent) * e.spent / e.gained
	}
}

// remaining returns the seconds from now to the end, counting down between steps, and whether there is an estimate.
// There is none once the estimated end has passed.
func (e *eta) remaining(now time.Time) (seconds float64, ok bool) {
	if e.gained == 0 || math.IsInf(e.left, 0) {
		return 0, false
	}
	seconds = e.left - now.Sub(e.at).Seconds()
	return max(seconds, 0), seconds > 0 || e.percent == 100
}
