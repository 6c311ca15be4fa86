//go:build unix

package smartpoll_test

import (
	"sync"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// A hot cycle is RunNow by the job itself, its other time an Update, as its API has it. Every 10 ms it runs at a fixed
// rate, in singleton mode, so that runs of a task do not overlap.
var gocronContender = contender{
	name: "gocron",

	hotCycle: func(tb testing.TB, n int, more func() bool) {
		s := newGocron(tb)
		addIdle(tb, s, n-1)
		var mu sync.Mutex // the second stage
		var job gocron.Job
		done := make(chan struct{})
		job = addJob(tb, s, farAhead(0), func() {
			mu.Lock()
			again := more()
			mu.Unlock()
			if again {
				runNow(job)
			} else {
				close(done)
			}
		})
		s.Start()
		runNow(job)
		<-done
	},

	schedule: func(tb testing.TB, n int, more func() bool) {
		s := newGocron(tb)
		id := addIdle(tb, s, n)[0].ID()
		s.Start()
		d, task := elsewhere(), gocron.NewTask(func() {})
		for more() {
			if _, err := s.Update(id, gocron.DurationJob(d()), task); err != nil {
				tb.Fatal(err)
			}
		}
	},

	every: func(tb testing.TB, n int, d time.Duration, second func(int, time.Time)) {
		s := newGocron(tb)
		var mu sync.Mutex // the second stage
		for key := range n {
			addJob(tb, s, d, func() {
				started := time.Now()
				mu.Lock()
				defer mu.Unlock()
				second(key, started)
			}, gocron.WithSingletonMode(gocron.LimitModeReschedule))
		}
		s.Start()
	},

	deliver: func(tb testing.TB, n int, more func() bool) {
		s := newGocron(tb)
		job := addIdle(tb, s, n)[0]
		s.Start()
		for more() {
			if _, err := job.NextRun(); err != nil {
				tb.Fatal(err)
			}
		}
	},

	hold: func(tb testing.TB, n int) {
		s := newGocron(tb)
		addIdle(tb, s, n)
		s.Start()
	},
}

// runNow calls RunNow until it succeeds: on a busy machine it gives up waiting for the scheduler after 100 ms.
func runNow(job gocron.Job) {
	for job.RunNow() != nil {
	}
}

func newGocron(tb testing.TB) gocron.Scheduler {
	s, err := gocron.NewScheduler(gocron.WithStopTimeout(time.Second))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Shutdown() })
	return s
}

func addJob(tb testing.TB, s gocron.Scheduler, every time.Duration, f func(), options ...gocron.JobOption) gocron.Job {
	job, err := s.NewJob(gocron.DurationJob(every), gocron.NewTask(f), options...)
	if err != nil {
		tb.Fatal(err)
	}
	return job
}

func addIdle(tb testing.TB, s gocron.Scheduler, n int) []gocron.Job {
	jobs := make([]gocron.Job, n)
	for key := range jobs {
		jobs[key] = addJob(tb, s, farAhead(key), func() {})
	}
	return jobs
}
