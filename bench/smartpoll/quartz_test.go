//go:build unix

package smartpoll_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/reugn/go-quartz/job"
	"github.com/reugn/go-quartz/quartz"
)

// The hot cycle is a trigger that is always due, with its guard against runs that overlap; the other time of an idle
// job is ScheduleJob with Replace. Adding a job walks all others, which is why there are not more.
var quartzContender = contender{
	name: "go-quartz",
	most: 10_000,

	hotCycle: func(tb testing.TB, n int, more func() bool) {
		s := newQuartz(tb, n-1)
		var mu sync.Mutex // the second stage
		ended, done := false, make(chan struct{})
		scheduleJob(tb, s, "hot", func() {
			mu.Lock()
			defer mu.Unlock()
			if !ended && !more() {
				ended = true
				close(done)
			}
		}, trigger(func(int64) int64 { return quartz.NowNano() }))
		s.Start(context.Background())
		<-done
	},

	schedule: func(tb testing.TB, n int, more func() bool) {
		s := newQuartz(tb, n)
		s.Start(context.Background())
		d := elsewhere()
		for more() {
			scheduleJob(tb, s, "0", func() {}, quartz.NewSimpleTrigger(d()))
		}
	},

	every: func(tb testing.TB, n int, d time.Duration, second func(int, time.Time)) {
		s := newQuartz(tb, 0)
		var mu sync.Mutex // the second stage
		begin := quartz.NowNano() + time.Second.Nanoseconds()
		for key := range n {
			first := begin + (d * time.Duration(key) / time.Duration(n)).Nanoseconds()
			scheduleJob(tb, s, fmt.Sprint(key), func() {
				started := time.Now()
				mu.Lock()
				defer mu.Unlock()
				second(key, started)
			}, trigger(func(prev int64) int64 { return max(first, prev+d.Nanoseconds()) }))
		}
		s.Start(context.Background())
		time.Sleep(time.Duration(begin - quartz.NowNano()))
	},

	deliver: func(tb testing.TB, n int, more func() bool) {
		s := newQuartz(tb, n)
		s.Start(context.Background())
		key := quartz.NewJobKey(fmt.Sprint(n - 1))
		for more() {
			if _, err := s.GetScheduledJob(key); err != nil {
				tb.Fatal(err)
			}
		}
	},

	hold: func(tb testing.TB, n int) { newQuartz(tb, n).Start(context.Background()) },
}

// trigger is a quartz.Trigger.
type trigger func(prev int64) int64

func (f trigger) NextFireTime(prev int64) (int64, error) { return f(prev), nil }
func (f trigger) Description() string                    { return "trigger" }

// function is a quartz.Job.
type function func()

func (f function) Execute(context.Context) error { f(); return nil }
func (f function) Description() string           { return "function" }

// newQuartz returns a scheduler with n idle jobs, "0" and so on.
func newQuartz(tb testing.TB, n int) quartz.Scheduler {
	s, err := quartz.NewStdScheduler(quartz.WithOutdatedThreshold(time.Minute)) // late rather than not at all
	if err != nil {
		tb.Fatal(err)
	}
	for key := range n {
		scheduleJob(tb, s, fmt.Sprint(key), func() {}, quartz.NewSimpleTrigger(farAhead(key)))
	}
	tb.Cleanup(func() {
		s.Stop()
		s.Wait(context.Background())
	})
	return s
}

// scheduleJob schedules f under name, in place of what was there.
func scheduleJob(tb testing.TB, s quartz.Scheduler, name string, f func(), t quartz.Trigger) {
	detail := quartz.NewJobDetailWithOptions(job.NewIsolatedJob(function(f)), quartz.NewJobKey(name), &quartz.JobDetailOptions{Replace: true})
	if err := s.ScheduleJob(detail, t); err != nil {
		tb.Fatal(err)
	}
}
