//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// What is required.
const (
	readyWithin = time.Second
	lostWithin  = 2 * time.Second // from the moment that it is ready
	// unwritten is how old a value may be that a kill takes away: the batch, and the way from the upstream's answer to it
	// on a busy machine.
	unwritten = 50*time.Millisecond + 200*time.Millisecond
)

func main() {
	gateway := flag.String("gateway", "", "the program to run")
	dir := flag.String("dir", "", "a directory to write to")
	kills := flag.Int("kills", 100, "how often the gateway is killed")
	jobs := flag.Int("jobs", 60, "how many jobs run without a pause")
	sources := flag.Int("sources", 500, "how many sources are polled every second")
	flag.Parse()
	if *gateway == "" || *dir == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*gateway, *dir, *kills, *jobs, *sources); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// run is the sequence of lives of the gateway.
func run(program, dir string, kills, jobs, sources int) error {
	up := startUpstream()
	defer up.close()
	g, err := newGateway(program, dir, up.url, jobs, sources)
	if err != nil {
		return err
	}
	c := &checker{gateway: g, upstream: up, sources: sources, runs: map[string]*known{}}
	var ready []time.Duration
	for life := range kills + 1 {
		took, err := g.start()
		if err != nil {
			return fmt.Errorf("start %d: %w", life, err)
		}
		ready = append(ready, took)
		c.expect(took <= readyWithin, "start %d: ready after %v, want %v at most", life, took, readyWithin)
		ctx, end := context.WithCancel(context.Background())
		before := c.unseen()
		worked := c.work(ctx, jobs)
		c.checkRuns(before, lostWithin)
		c.checkHistory()
		if life == kills {
			end()
			worked()
			break
		}
		time.Sleep(500*time.Millisecond + rand.N(2*time.Second))
		c.kill(end)
		worked()
	}
	c.checkRuns(c.unseen(), time.Minute) // those that are at work now
	c.checkAll()
	g.stop()
	slices.Sort(ready)
	fmt.Printf("%d kills; ready after %v (median), %v (most)\n", kills, ready[len(ready)/2], ready[len(ready)-1])
	return c.report()
}
