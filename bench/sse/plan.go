//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// limit bounds the whole run; what is left then is not measured.
const limit = 21 * time.Minute

// disturbance is from how many cores of other processes on a figure counts only if there is no better one.
const disturbance = 0.3

// plan returns the jobs in their order. The jobs of one batch, which take next to no processor time, run at once. It is
// long because each workload has its line.
func plan(quick, nchan bool) (batches [][]job) {
	const second = time.Second
	patience := second
	if quick {
		patience = 0
	}
	one := func(workload string, n int, window time.Duration, subjects ...string) {
		for _, s := range subjects {
			batches = append(batches, []job{{Workload: workload, Subject: s, N: n, Time: window, Patience: patience}})
		}
	}
	rates := func(window time.Duration) { // at which the processors may not suffice
		one("paced-100k", 1000, window, slices.Concat(ours, []string{"go-sse"})...)
		one("floor-100k", 1000, window, rawLoop)
		one("paced-150k", 1000, window, slices.Concat(ours, []string{"go-sse"})...)
	}
	all, withNchan := libraries, libraries
	if nchan {
		withNchan = slices.Concat(libraries, []string{nchanName})
	}
	slowTime := 30 * second
	if quick {
		slowTime = 6 * second
		one("memory", 10_000, 0, handOff, blocking, goroutine, parked, "go-sse")
		one("paced", 1000, 2*second, handOff, blocking, "r3labs/sse", "go-sse")
		one("floor", 1000, second, rawLoop)
		rates(2 * second)
		one("flat", 1000, 2*second, ours...)
		one("publish", 10_000, 3*second, handOff)
		one("publish", 1, 3*second, handOff)
		one("stall", 1000, 7*second, handOff)
		all = ours
	} else {
		for _, by := range []string{"tls", "h2-50", "h2-6"} {
			one("memory-"+by, carriedN[by], 0, slices.Concat([]string{blocking, parked}, peers)...)
		}
		one("memory", 1000, 0, slices.Concat(withNchan, []string{parked})...)
		one("memory", 10_000, 0, slices.Concat(withNchan, []string{parked})...)
		one("publish", 1, 3*second, peers...)
		one("publish", 10_000, 4*second, peers...)
		one("stall", 1000, 9*second, all...)
	}
	var batch []job
	for _, s := range all {
		batch = append(
			batch, job{Workload: "slow", Subject: s, N: 1, Time: slowTime},
			job{Workload: "last", Subject: s, N: 1, Time: 2 * second},
		)
	}
	for _, s := range ours {
		batch = append(batch, job{Workload: "h2", Subject: s, N: 200, Time: 10 * second})
	}
	batch = append(batch, job{Workload: "jobs", Subject: progressJobs, N: 100_000})
	if !quick {
		batch = append(batch, job{Workload: "topics", Subject: "r3labs/sse", N: 10_000})
	}
	batches = append(batches, batch)
	if !quick {
		for range 3 {
			one("paced", 1000, 3*second, withNchan...)
			one("floor", 1000, 2*second, rawLoop)
			rates(3 * second)
			for _, by := range []string{"tls", "h2-50", "h2-6"} {
				one("paced-"+by, 1000, 2*second, slices.Concat([]string{blocking}, peers)...)
			}
			for _, n := range []int{fewTopics, manyOfTopics} {
				for _, workload := range topicsWorkloads {
					one(workload, n, second, owners...)
				}
			}
			for _, workload := range []string{"pause-none", "pause-0s", "pause-1s"} {
				one(workload, pausedTopics, 2*second, owners...)
			}
			one("deploy", returning, second, ours...)
			one("flat", 1000, 3*second, withNchan...)
			one("publish", 1, 3*second, ours...)
			one("publish", 10_000, 4*second, ours...)
		}
	}
	return batches
}

// progressJobs is the subject of the workload jobs.
const progressJobs = "progress.Job"

// measure does all jobs, and then once more those that other processes have disturbed, as long as there is time.
func (r *results) measure(ctx context.Context, quick, nchan bool) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	batches := plan(quick, nchan)
	do := func(batch []job, what string) {
		j := batch[0]
		if time.Since(began)+j.Time*3/2+10*time.Second > limit {
			return
		}
		fmt.Fprintf(
			os.Stderr, "\r\x1b[K%s: %s, %s, N=%d, %v", what, j.Workload, j.Subject, j.N,
			time.Since(began).Round(time.Second),
		)
		r.Load = append(r.Load, figures.Load())
		done := make([]measured, len(batch))
		var wg sync.WaitGroup
		for i, j := range batch {
			wg.Go(func() { done[i] = j.run(ctx) })
		}
		wg.Wait()
		r.Measured = append(r.Measured, done...)
	}
	for i, batch := range batches {
		do(batch, fmt.Sprintf("%d of %d", i+1, len(batches)))
	}
	for _, batch := range batches {
		if j := batch[0]; !quick && len(batch) == 1 && r.disturbed(j.Workload, j.Subject, j.N) {
			do(batch, "again")
		}
	}
	fmt.Fprint(os.Stderr, "\r\x1b[K")
	r.Took = time.Since(began).Round(time.Second).String()
}

// describe notes what is measured, where and when.
func (r *results) describe(quick, nchan bool) (err error) {
	r.Quick, r.Go, r.Date = quick, runtime.Version(), time.Now().UTC().Format(time.DateOnly)
	if r.Machine, err = figures.Machine(); err != nil {
		return err
	}
	if r.Commit, err = figures.Commit(); err != nil {
		return err
	}
	var modules []string
	for _, s := range subjects {
		if s.module != "" {
			modules = append(modules, s.module)
		}
	}
	if r.Peers, err = figures.Modules(modules...); err != nil {
		return err
	}
	if nchan {
		version, err := nchanVersion()
		if err != nil {
			return err
		}
		r.Peers += ", " + version
	}
	return nil
}
