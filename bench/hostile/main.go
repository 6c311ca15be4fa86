//go:build linux

// Command hostile runs a gateway with 100 honest sources and 200 honest streams, and at the same time hostile
// upstreams, clients and configurations. It fails if the gateway takes more than 150 MB, if an honest poll is late by
// more than a second, if an honest stream ends or an honest token is refused, or if goroutines or file descriptors are
// left afterwards.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

// What is required.
const (
	honestSources = 100
	honestStreams = 200
	mostMemory    = 150 << 20
	mostLate      = time.Second
	settle        = 45 * time.Second // for the remains of the attacks to disappear
)

func main() {
	gateway := flag.String("gateway", "", "the program to run")
	dir := flag.String("dir", "", "a directory to write to")
	length := flag.Duration("for", time.Minute, "how long the attacks go on")
	flag.Parse()
	if *gateway == "" || *dir == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*gateway, *dir, *length); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// run attacks a gateway and checks its bars. It is long because it is one sequence: start, attacks, and the final
// checks.
func run(program, dir string, length time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), length+3*time.Minute)
	defer cancel()
	up := startUpstreams()
	defer up.close()
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	g, err := startGateway(ctx, program, dir, addr, up)
	if err != nil {
		return err
	}
	defer g.stop()

	honest := g.openStreams(ctx)
	if err := honest.ready(ctx); err != nil {
		return err
	}
	before, err := g.figures(ctx)
	if err != nil {
		return err
	}
	up.measure()
	attacking, end := context.WithTimeout(ctx, length)
	defer end()
	attacked := g.attack(attacking, dir)
	watched := g.watchMemory(attacking)
	<-attacking.Done()
	requests := attacked()
	memory := <-watched
	late, polls := up.latest()

	after := before
	for deadline := time.Now().Add(settle); time.Now().Before(deadline); {
		if after, err = g.figures(ctx); err != nil {
			return err
		}
		if after.goroutines <= before.goroutines+20 && after.descriptors <= before.descriptors+20 {
			break
		}
		time.Sleep(time.Second)
	}
	admitted := g.admitted(ctx)
	ended, events := honest.state()

	fmt.Printf("%d hostile requests in %v: %v\n", total(requests), length, requests)
	fmt.Printf(
		"%d honest polls, the latest %v late; %d honest streams got %d events\n", polls, late.Round(time.Millisecond),
		honestStreams, events,
	)
	fmt.Printf("memory: %d MB before, %d MB at most; goroutines %d, then %d; descriptors %d, then %d\n",
		before.memory>>20, memory>>20, before.goroutines, after.goroutines, before.descriptors, after.descriptors)
	var failed []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			failed = append(failed, fmt.Sprintf(format, args...))
		}
	}
	check(memory <= mostMemory, "the gateway took %d MB, want at most %d", memory>>20, mostMemory>>20)
	check(late <= mostLate, "an honest poll was %v late, want at most %v", late, mostLate)
	check(polls > 0, "there was no honest poll")
	check(ended == 0, "%d honest streams ended", ended)
	check(events > 0, "the honest streams got no event")
	check(admitted == nil, "%v", admitted)
	check(
		after.goroutines <= before.goroutines+20, "%d goroutines are left, there were %d", after.goroutines,
		before.goroutines,
	)
	check(
		after.descriptors <= before.descriptors+20, "%d descriptors are left, there were %d", after.descriptors,
		before.descriptors,
	)
	for _, what := range failed {
		fmt.Println("FAILED:", what)
	}
	if failed != nil {
		return fmt.Errorf("%d of 8 checks failed", len(failed))
	}
	fmt.Println("all as it has to be")
	return nil
}

func total(requests map[string]int) (n int) {
	for _, k := range requests {
		n += k
	}
	return n
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
