//go:build linux

// Command gateway measures how well the gateway polls, holds the results to the bars, and writes the results page:
//
//	go run ./gateway          # in bench/: about a minute and a half; writes ../docs/benchmarks-gateway.md
//	go run ./gateway -quick   # half a minute; writes nothing
//
// It builds tidewire and has it poll 1,000 sources of one local server every second. The server, the gateway, the loop
// of plain requests that it is compared with, and the reader of its stream are separate processes, so that the
// processor time of each can be measured. It exits with 1 if a bar is missed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "upstream":
			must(upstreamMain())
			return
		case "loop":
			must(loopMain(os.Args[2], os.Args[3], os.Args[4]))
			return
		case "reader":
			must(readerMain(os.Args[2]))
			return
		}
	}
	quick := flag.Bool("quick", false, "short measurements, for a first impression; writes no page")
	sources := flag.Int("sources", 1000, "how many sources are polled")
	docs := flag.String("docs", "../docs", "where benchmarks-gateway.md goes; empty writes none")
	raw := flag.String("raw", "", "a file to keep the results in, as JSON")
	from := flag.String("from", "", "a file that -raw has kept: read that and measure nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		must(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}

	var r results
	if *from != "" {
		text, err := os.ReadFile(*from)
		must(err)
		must(json.Unmarshal(text, &r))
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		length := 30 * time.Second
		if *quick {
			length = 8 * time.Second
		}
		var err error
		r, err = measure(ctx, *sources, length)
		must(err)
	}
	if *raw != "" {
		text, err := json.Marshal(r)
		must(err)
		must(os.WriteFile(*raw, text, 0o644))
	}

	bars := evaluate(r)
	fmt.Print(summary(r, bars))
	if *docs != "" && !*quick {
		must(os.WriteFile(filepath.Join(*docs, "benchmarks-gateway.md"), page(r, bars), 0o644))
	}
	for _, b := range bars {
		if !b.Met {
			os.Exit(1)
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(2)
	}
}
