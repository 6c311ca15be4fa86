//go:build unix

package smartpoll_test

import (
	"sync"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// A job cannot reschedule itself but by Remove and Schedule, which is the other time of an idle one. The hot cycle is
// the faster way: a schedule that is always due, with its guard against runs that overlap.
var robfigContender = contender{
	name: "robfig",

	hotCycle: func(tb testing.TB, n int, more func() bool) {
		c := newCron(tb, n-1, cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
		var mu sync.Mutex // the second stage
		ended, done := false, make(chan struct{})
		c.Schedule(next(func(now time.Time) time.Time { return now }), cron.FuncJob(func() {
			mu.Lock()
			defer mu.Unlock()
			if !ended && !more() {
				ended = true
				close(done)
			}
		}))
		c.Start()
		<-done
	},

	schedule: func(tb testing.TB, n int, more func() bool) {
		c := newCron(tb, n-1)
		id := c.Schedule(in(farAhead(n)), cron.FuncJob(func() {}))
		c.Start()
		d := elsewhere()
		for more() {
			c.Remove(id)
			id = c.Schedule(in(d()), cron.FuncJob(func() {}))
		}
	},

	every: func(tb testing.TB, n int, d time.Duration, second func(int, time.Time)) {
		c := newCron(tb, 0, cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
		var mu sync.Mutex // the second stage
		for key := range n {
			delay := d * time.Duration(key) / time.Duration(n)
			c.Schedule(next(func(now time.Time) time.Time {
				due := now.Add(delay)
				delay = d
				return due
			}), cron.FuncJob(func() {
				started := time.Now()
				mu.Lock()
				defer mu.Unlock()
				second(key, started)
			}))
		}
		c.Start()
	},

	deliver: func(tb testing.TB, n int, more func() bool) {
		c := newCron(tb, n)
		id := c.Entries()[n-1].ID
		c.Start()
		for more() {
			c.Entry(id)
		}
	},

	hold: func(tb testing.TB, n int) { newCron(tb, n).Start() },
}

// next is a cron.Schedule.
type next func(time.Time) time.Time

func (f next) Next(now time.Time) time.Time { return f(now) }

// in is a cron.Schedule that is due d after it is asked.
type in time.Duration

func (d in) Next(now time.Time) time.Time { return now.Add(time.Duration(d)) }

// newCron returns a Cron with n idle jobs.
func newCron(tb testing.TB, n int, options ...cron.Option) *cron.Cron {
	c := cron.New(append(options, cron.WithLogger(cron.DiscardLogger))...)
	for key := range n {
		c.Schedule(in(farAhead(key)), cron.FuncJob(func() {}))
	}
	tb.Cleanup(func() { <-c.Stop().Done() })
	return c
}
