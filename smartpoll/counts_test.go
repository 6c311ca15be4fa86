package smartpoll_test

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// What tasks do, and those of a group, is told at any time: before there is an owner, while a hook hangs, and between Runs.
func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := smartpoll.GroupConfig{Running: 2, Rate: 10, Burst: 3}
		g := smartpoll.NewGroup(config)
		begin := time.Now()
		var j journal
		var s *smartpoll.Scheduler
		want := func(counts smartpoll.Counts, info smartpoll.GroupInfo) {
			t.Helper()
			synctest.Wait()
			info.Limit = config
			if got := g.Info(); !reflect.DeepEqual(got, info) {
				t.Errorf("Info() = %+v, want %+v", got, info)
			}
			if s != nil && s.Counts() != counts {
				t.Errorf("Counts() = %+v, want %+v", s.Counts(), counts)
			}
		}
		want(smartpoll.Counts{}, smartpoll.GroupInfo{})
		in := smartpoll.In(g)
		s = mustNew(t, smartpoll.WithMaxRunning(3), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			works(&j, begin, "a", time.Minute, in), works(&j, begin, "twice", time.Minute, in), works(&j, begin, "b", time.Minute, in),
			works(&j, begin, "c", time.Minute, in), works(&j, begin, "twice", time.Minute), works(&j, begin, "d", time.Minute),
			smartpoll.WithTask("hangs", func(context.Context) (hook, error) {
				return func(context.Context, *internal) error { time.Sleep(time.Hour); return nil }, nil
			}))
		want(smartpoll.Counts{Tasks: 6}, smartpoll.GroupInfo{Members: 3})
		s.Schedule("a", 0)
		want(smartpoll.Counts{Tasks: 6, Ready: 1}, smartpoll.GroupInfo{Members: 3, Waiting: 1})
		r := run(s)
		want(smartpoll.Counts{Tasks: 6, Running: 1}, smartpoll.GroupInfo{Members: 3, Running: 1})
		admits(t, &j, begin, s, g, "x", time.Minute)
		admits(t, &j, begin, s, g, "y", time.Minute)
		s.Schedule("b", 0)
		s.Schedule("c", 0)
		s.Schedule("d", 0)
		s.Schedule("twice", 0)
		want(smartpoll.Counts{Tasks: 6, Running: 3, Parked: 2}, smartpoll.GroupInfo{Members: 3, Running: 2, Admissions: 1, Waiting: 3})
		s.Schedule("hangs", 0)
		want(smartpoll.Counts{Tasks: 6, Running: 3, Parked: 2, Ready: 1}, smartpoll.GroupInfo{Members: 3, Running: 2, Admissions: 1, Waiting: 3})
		s.Remove("c")
		s.Remove("a")
		s.Pause("hangs")
		parked := func() {
			t.Helper()
			want(smartpoll.Counts{Tasks: 4, Running: 3, Parked: 1}, smartpoll.GroupInfo{Members: 1, Running: 2, Admissions: 1, Waiting: 2})
		}
		parked()
		s.PauseAll("standby") // b keeps its place until its turn comes
		parked()
		s.ResumeAll("standby")
		parked()
		mustAdd(t, s, "a", nothing, in)
		time.Sleep(61 * time.Second)
		s.Resume("hangs")
		want(smartpoll.Counts{Tasks: 5, Running: 2}, smartpoll.GroupInfo{Members: 2, Running: 2, Admissions: 1}) // b and the hook that hangs
		r.cancel()
		r.stop()
		want(smartpoll.Counts{Tasks: 5}, smartpoll.GroupInfo{Members: 2})
		g.Pause("first")
		g.Pause("second")
		want(smartpoll.Counts{Tasks: 5}, smartpoll.GroupInfo{Members: 2, Pauses: []string{"first", "second"}})
		g.Resume("first")
		g.Resume("second")
		config = smartpoll.GroupConfig{Rate: rate.Limit(7)}
		g.SetLimit(config)
		want(smartpoll.Counts{Tasks: 5}, smartpoll.GroupInfo{Members: 2})
	})
}
