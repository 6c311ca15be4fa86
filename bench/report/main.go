// Command report measures smartpoll beside its peers, holds the results to the bars, and writes the results page:
//
//	go run ./report          # in bench/: some five minutes; writes ../docs/benchmarks-smartpoll.md and its pictures
//	go run ./report -quick   # about a minute; writes nothing
//
// It runs the benchmarks in ../smartpoll, each figure in a process of its own, all of them once per round, so that what
// else the machine does meets all alike, and takes medians over the rounds. It exits with 1 if a bar is missed.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidewire/tidewire/bench/figures"
)

func main() {
	quick := flag.Bool("quick", false, "fewer rounds and sizes, for a first impression; writes no page")
	docs := flag.String(
		"docs", "../docs", "where benchmarks-smartpoll.md goes, and its pictures into images; empty writes none",
	)
	raw := flag.String("raw", "", "a file to keep the results in, in the format of go test -bench")
	from := flag.String("from", "", "a file that -raw has kept: read that and measure nothing")
	baseline := flag.String(
		"baseline", firstLight, "the commit whose hot cycle must not have become slower; empty compares with none",
	)
	flag.Parse()
	if flag.NArg() > 0 {
		fail(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}

	var text []byte
	var err error
	if *from != "" {
		text, err = os.ReadFile(*from)
	} else {
		text, err = measure(*quick, *baseline)
	}
	if err != nil {
		fail(err)
	}
	if *raw != "" {
		if err := os.WriteFile(*raw, text, 0o644); err != nil {
			fail(err)
		}
	}

	r, err := parse(bytes.NewReader(text))
	if err != nil {
		fail(err)
	}
	bars := evaluate(r)
	fmt.Print(summary(r, bars))
	if *docs != "" && !*quick {
		if err := write(*docs, r, bars); err != nil {
			fail(err)
		}
	}
	for _, b := range bars {
		if !b.Met {
			os.Exit(1)
		}
	}
}

// write writes the page and its pictures.
func write(docs string, r *results, bars []figures.Bar) error {
	if err := os.WriteFile(filepath.Join(docs, "benchmarks-smartpoll.md"), page(r, bars), 0o644); err != nil {
		return err
	}
	for _, w := range workloads {
		if w.picture == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(docs, "images", w.picture), w.plot(r), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "report:", err)
	os.Exit(2)
}
