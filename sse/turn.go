package sse

import (
	"runtime"
	"time"
)

const (
	wakeAtOnce = 16                    // readers that are woken before they may run
	maxWait    = 50 * time.Microsecond // for others to run, for each reader that was woken

	longTurn   = time.Millisecond      // a shorter one is no burden to anybody
	turnsApart = 15 * time.Millisecond // about as often as a screen is drawn
	outrun     = 32                    // events of a topic that are published in vain, in two turns, by who does not pause
)

// turn is one round of a dispatcher through the readers that it has to wake or to write to. It shares the processors:
// publishers that do not get one leave nothing but old snapshots to write, and clients on the same machine do not read
// them.
//
// One publisher that never pauses, 1,000 clients, two cores: without rests snapshots are delivered 1.3 times as often,
// but the 99th percentile of their age is 15 to 17 ms instead of 11 to 14, and what a client has at any time is older
// too. That publisher publishes thousands of events in a turn. One that paces itself publishes a few, finds a processor
// whenever its time has come, and would lose deliveries to a rest: at 100 events a second, every third.
type turn struct {
	began  time.Time
	woken  int
	waited time.Duration // for those who were let run

	topics int    // whose readers this is about
	again  uint64 // how often they were published, in the turn before and in this one, while they were queued already
}

// woke is called for each reader that was woken, and lets them run now and then: a publisher that is preempted waits
// behind all that are runnable. Where many others run as well that takes long, so it is bounded.
func (t *turn) woke() {
	t.woken++
	if t.woken%wakeAtOnce == 0 && t.waited <= time.Duration(t.woken)*maxWait {
		now := time.Now()
		runtime.Gosched()
		t.waited += time.Since(now)
	}
}

// end rests after a long turn whose readers are outrun by publishers: until the time for the next turn, but for no
// longer than this one took.
func (t *turn) end() {
	if t.again <= outrun*uint64(t.topics) {
		return
	}
	if took := time.Since(t.began); took >= longTurn {
		time.Sleep(min(took, turnsApart-took))
	}
}
