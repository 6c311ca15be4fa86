//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// What is required.
const (
	readyWithin = time.Second
	lostWithin  = 2 * time.Second // from the moment that it is ready
	// few is how many of the runs that had ended before a kill are looked for after it; the others are at the end. Runs begin
	// meanwhile, so that on a slow machine there would be ever more of them.
	few = 100
	// keys is of how many starts at least the gateway remembers the keys: of 1,000 of one caller, and others begin meanwhile.
	keys = 800
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
	alarms := flag.Int("alarms", 24, "how many sources have an alert that fires and is resolved all the time")
	failing := flag.Int("failing", 6, "how many jobs have one")
	flag.Parse()
	if *gateway == "" || *dir == "" {
		flag.Usage()
		os.Exit(2)
	}
	o := startOutage(*alarms, *failing)
	defer o.close()
	if err := run(*gateway, *dir, *kills, *jobs, *sources, o); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// run is the sequence of lives of the gateway.
func run(program, dir string, kills, jobs, sources int, o *outage) error {
	up := startUpstream()
	defer up.close()
	g, err := newGateway(program, dir, up.url, jobs, sources, o)
	if err != nil {
		return err
	}
	c := &checker{gateway: g, upstream: up, outage: o, sources: sources, runs: map[string]*known{}}
	var ready []time.Duration
	for life := range kills + 1 {
		took, err := g.start()
		if err != nil {
			return fmt.Errorf("start %d: %w", life, err)
		}
		ready = append(ready, took)
		c.expect(took <= readyWithin, "start %d: ready after %v, want %v at most", life, took, readyWithin)
		ctx, end := context.WithCancel(context.Background())
		before := c.unseen(few)
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
	c.checkRuns(c.unseen(math.MaxInt), time.Minute) // those that are at work now, and all others
	c.checkAll()
	c.checkTold()
	g.stop()
	slices.Sort(ready)
	fmt.Printf("%d kills; ready after %v (median), %v (most)\n", kills, ready[len(ready)/2], ready[len(ready)-1])
	return c.report()
}
