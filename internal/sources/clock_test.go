package sources_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A machine that has slept, whose monotonic clock stood meanwhile, polls what is due by the wall clock, and judges then.
func TestAfterASleepSourcesArePolledAndThenJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "sources:\n"
		for i := range 40 {
			yaml += fmt.Sprintf("  s%d: {exec: [s], every: 6h, timeout: 2s, stale_after: 7h}\n", i)
		}
		p := newPolling(t, yaml+"  late: {exec: [s], every: 720h}\n  hangs: {exec: [s], every: 6h, timeout: 2s, stale_after: 7h}\n  sum: {from: [s0, hangs]}\n")
		time.Sleep(10 * time.Hour)
		for _, name := range []string{"s0", "hangs", "sum"} {
			if now := p.now(name); now["state"] != "ok" {
				t.Fatalf("%s is %v before the sleep, want ok", name, now)
			}
		}
		wake := make(chan struct{})
		p.say(func(name string) (any, error) {
			if name == "hangs" {
				<-wake
			}
			return 1.0, nil
		})
		before := len(p.polled("late"))
		due := at(t, p.now("late")["next_at"]).Sub(p.Wall()) - 48*time.Hour
		if due < time.Hour {
			t.Fatalf("late is due %v after the sleep, want a source that is due later", due)
		}
		slept := time.Since(p.begun)
		p.Step(48 * time.Hour)
		time.Sleep(7 * time.Second)
		spread := map[time.Duration]int{}
		for i := range 40 {
			name := fmt.Sprintf("s%d", i)
			polls := p.polled(name)
			last := polls[len(polls)-1]
			if last < slept {
				t.Errorf("%s was not polled after the sleep", name)
			}
			spread[(last-slept).Truncate(time.Second)]++
			if now := p.now(name); now["state"] != "ok" {
				t.Errorf("%s is %v, want ok", name, now)
			}
		}
		if len(spread) < 4 {
			t.Errorf("polls by second after the sleep: %v, want them spread", spread)
		}
		if now := p.now("hangs"); now["state"] != "ok" {
			t.Errorf("hangs is %v before its poll had its time", now)
		}
		time.Sleep(7 * time.Second)
		for _, name := range []string{"hangs", "sum"} {
			if now := p.now(name); now["state"] != "stale" {
				t.Errorf("%s is %v, want stale: its value is two days old", name, now)
			}
		}
		close(wake)
		if n := len(p.polled("late")); n != before {
			t.Errorf("late was polled %d times, want not before it is due", n-before)
		}
		p.Step(due - time.Hour)
		time.Sleep(time.Hour + 2*time.Second)
		if n := len(p.polled("late")); n != before+1 {
			t.Errorf("late was polled %d times more, want once when it was due by the wall clock", n-before)
		}
	})
}

// After the process stood still everything is due, staleness too; but nobody was asked meanwhile.
func TestAProcessThatStoodStillPollsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "sources:\n"
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprintf("s%d", i))
			yaml += fmt.Sprintf("  s%d: {exec: [s], every: 10s, timeout: 5s, stale_after: 30s, backoff: {min: 1s, max: 10s}, alert: {notify: ops}}\n", i)
		}
		p := newPolling(t, yaml+"  sum: {from: [s0, s1], stale_after: 30s, alert: {notify: ops}}\nnotify: {ops: {http: http://ops.invalid/}}\n")
		names = append(names, "sum")
		var unwell atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for _, name := range names {
			go func() {
				for e := range p.Topic(name).Watch(ctx) {
					if v := decode(t, e.Data); v["state"] != "ok" && v["state"] != "pending" || v["alert"] != nil {
						unwell.Add(1)
					}
				}
			}()
		}
		time.Sleep(time.Minute)
		// Polls that are in progress then run into their timeout.
		p.say(func(string) (any, error) { time.Sleep(4 * time.Second); return nil, errors.New("timed out") })
		time.Sleep(3 * time.Second)
		p.Stall(t.Context(), 65*time.Second)
		p.say(func(string) (any, error) { return 1.0, nil })
		time.Sleep(time.Minute)
		if n := unwell.Load(); n != 0 {
			t.Errorf("%d snapshots are stale or have an alert, want none", n)
		}
		for _, name := range names {
			if now := p.now(name); now["state"] != "ok" {
				t.Errorf("%s is %v, want ok", name, now)
			}
		}
		p.say(func(string) (any, error) { return nil, errors.New("broken") })
		time.Sleep(time.Minute)
		for _, name := range names {
			if now := p.now(name); now["state"] != "stale" {
				t.Errorf("%s is %v, want stale: it was polled", name, now)
			}
		}
	})
}

// What people are told is coming lies ahead, by the clock as it is set.
func TestTimesLieAheadAfterTheClockWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, "sources:\n  tank: {exec: [tank], every: 6h}\n")
		for _, step := range []time.Duration{time.Hour, -48 * time.Hour, 200 * 365 * 24 * time.Hour, -200 * 365 * 24 * time.Hour} {
			p.Step(step)
			time.Sleep(10 * time.Second)
			ahead := at(t, p.now("tank")["next_at"]).Sub(p.Wall())
			if ahead < 0 || ahead > 6*time.Hour {
				t.Errorf("after a step of %v the next poll is in %v, want within its 6h", step, ahead)
			}
		}
		p.wantPolls("after all", "tank", 12*time.Hour, 2)
	})
}
