//go:build linux

// Command sse measures package sse beside its peers, holds the results to the bars, and writes the results page:
//
//	go run ./sse          # in bench/: some seventeen minutes; writes ../docs/benchmarks-sse.md and its pictures
//	go run ./sse -quick   # two minutes, ours and little else; writes nothing
//
// Each figure is measured in a process of its own, which serves N streams over loopback to readers in a second one.
// That has one thread and raw sockets, so that the readers' processor time and memory do not count, and cost little. It
// exits with 1 if a bar is missed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"github.com/tidewire/tidewire/bench/figures"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "readers":
			must(readersMain())
			return
		case "job":
			must(jobMain(os.Args[2]))
			return
		}
	}
	quick := flag.Bool("quick", false, "few workloads and short ones, for a first impression; writes no page")
	docs := flag.String(
		"docs", "../docs", "where benchmarks-sse.md goes, and its pictures into images; empty writes none",
	)
	raw := flag.String("raw", "", "a file to keep the results in, as JSON")
	from := flag.String("from", "", "a file that -raw has kept: read that and measure nothing")
	nchan := flag.Bool(
		"nchan", false, "measure nchan too, with the nginx and the module of Debian (nginx, libnginx-mod-nchan)",
	)
	flag.Parse()
	if flag.NArg() > 0 {
		must(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}

	r := &results{}
	if *from != "" {
		text, err := os.ReadFile(*from)
		must(err)
		must(json.Unmarshal(text, r))
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		must(r.describe(*quick, *nchan))
		r.measure(ctx, *quick, *nchan)
		stop()
	}
	if *raw != "" {
		text, err := json.Marshal(r)
		must(err)
		must(os.WriteFile(*raw, text, 0o644))
	}

	bars := evaluate(r)
	fmt.Print(summary(r, bars))
	if *docs != "" && !r.Quick {
		must(os.WriteFile(filepath.Join(*docs, "benchmarks-sse.md"), page(r, bars), 0o644))
		for name, svg := range pictures(r) {
			must(os.WriteFile(filepath.Join(*docs, "images", name), svg, 0o644))
		}
	}
	for _, b := range bars {
		if !b.Met {
			os.Exit(1)
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sse:", err)
		os.Exit(2)
	}
}

// pictures are those of the page, by file name.
func pictures(r *results) map[string][]byte {
	return map[string][]byte{
		"sse-memory.svg": compare(
			r, "Resident memory of an idle stream among 10,000", "memory", 10_000, "rss-KB", figures.Kilobytes,
			slices.Concat(libraries, []string{parked, nchanName}),
		),
		"sse-cpu.svg": compare(
			r, "Processor time of a delivery, 1,000 streams", "paced", 1000, "cpu-us", figures.Microseconds,
			slices.Concat(libraries, []string{rawLoop, nchanName}),
		),
		"sse-slow.svg": overTime(
			r, "A reader of 10 kB/s", "age of the newest snapshot that it has", "slow", 1, figures.Seconds,
		),
		"sse-stall.svg": overTime(
			r, "100 of 1,000 readers stalled", "snapshots a second that each of the others gets", "stall", 1000,
			figures.Count,
		),
	}
}
