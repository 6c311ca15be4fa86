package smartpoll_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Delay tells when a task will start: due or not, in line or in the hook that scheduled it.
func TestDelayOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1})
		in, also := smartpoll.In(g), smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 5}))
		type delayer interface{ Delay(any) time.Duration }
		check := func(when string, x delayer, want map[string]time.Duration) {
			t.Helper()
			for key, want := range want {
				if got := x.Delay(key); got != want {
					t.Errorf("%s: Delay(%s) = %v, want %v", when, key, got, want)
				}
			}
		}
		s := mustNew(t, starts(&j, begin, "a", 0, in), starts(&j, begin, "b", 0, in, also), starts(&j, begin, "c", 0, in, also),
			starts(&j, begin, "d", 0, in), starts(&j, begin, "e", 0, in), starts(&j, begin, "ahead", 0, in, smartpoll.HeadStart(time.Hour)),
			starts(&j, begin, "free", 0), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			onRun(func(i *internal) {
				for _, key := range []string{"a", "b", "c", "d", "free"} {
					i.Schedule(key, 0)
				}
				check("before anything starts", i, map[string]time.Duration{"a": 0, "b": time.Second, "c": 2 * time.Second, "d": 3 * time.Second,
					"e": 0, "free": 0})
			}))
		r := run(s)
		synctest.Wait()
		check("in line", s, map[string]time.Duration{"a": 0, "b": time.Second, "c": 2 * time.Second, "d": 3 * time.Second, "e": 0})
		s.Schedule("e", 2500*time.Millisecond)
		check("not due", s, map[string]time.Duration{"e": 1500 * time.Millisecond})
		s.Schedule("ahead", 0)
		synctest.Wait()
		check("with a head start", s, map[string]time.Duration{"ahead": time.Second, "b": 2 * time.Second, "d": 4 * time.Second})
		s.Schedule("ahead", -1)
		s.Pause("c")
		time.Sleep(500 * time.Millisecond)
		check("half a second on, without one", s, map[string]time.Duration{"b": 500 * time.Millisecond, "d": 1500 * time.Millisecond, "e": 500 * time.Millisecond})
		time.Sleep(time.Minute)
		r.stop()
		slices.Sort(j.lines) // no order is promised of what starts together
		j.want(t, "a 0s", "b 1s", "d 2s", "e 3s", "free 0s")
		if value := caught(func() { s.Delay("none") }); value != "smartpoll: task not found: string: none" {
			t.Errorf("Delay of an unknown key panics with %v", value)
		}
	})
}
