//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// evaluate compares the results with the bars.
func evaluate(r results) []figures.Bar {
	seconds := func(d time.Duration) float64 { return d.Seconds() }
	return []figures.Bar{
		figures.AtLeast("Polls within 100 ms of their time", 97, figures.Percent, 100*r.OnTime),
		figures.AtMost("Memory of the gateway (RSS, at its greatest)", 150, figures.Megabytes, r.Peak/1e6),
		figures.AtMost(
			"Processor time of a poll, over that of a plain request at the same rate", 2.5, figures.Times,
			seconds(r.Poll)/seconds(r.Plain),
		),
		figures.AtMost(
			"From a change to its event at a reader, 99th percentile", (interval + 50*time.Millisecond).Seconds(),
			figures.Seconds, r.Age.P99,
		),
		figures.AtMost("Processor time of a poll with its past on disk, over that with its past in memory", 1.25, figures.Times,
			seconds(r.Stores[1].Poll)/seconds(r.Stores[0].Poll)),
		figures.AtMost("Memory of the gateway with the past on disk", 150, figures.Megabytes, r.Stores[1].Peak/1e6),
		figures.AtMost("From the start of the process to its first answer", 1, figures.Seconds, r.Ready.Seconds()),
	}
}

// summary is the results for a terminal.
func summary(r results, bars []figures.Bar) string {
	var b strings.Builder
	fmt.Fprintf(
		&b,
		"%d sources, every %v; a poll takes %v, watched %v, a plain request %v, of a loop without pauses %v; load %s\n",
		r.Sources, interval, r.Poll, r.Watched, r.Plain, r.Hot, figures.Range(r.Loads),
	)
	fmt.Fprintf(&b, "late: median %s, p99 %s, most %s; %d changes: median %s, p99 %s, most %s\n",
		figures.Seconds(r.Late.Median), figures.Seconds(r.Late.P99), figures.Seconds(r.Late.Most), r.Changes,
		figures.Seconds(r.Age.Median), figures.Seconds(r.Age.P99), figures.Seconds(r.Age.Most))
	fmt.Fprintf(&b, "with history: a poll takes %v in memory, %v on disk, which grows by %s a second at first; memory %s, %s\n",
		r.Stores[0].Poll, r.Stores[1].Poll, figures.Megabytes(r.Stores[1].Disk/1e6),
		figures.Megabytes(r.Stores[0].Peak/1e6), figures.Megabytes(r.Stores[1].Peak/1e6))
	for _, bar := range bars {
		fmt.Fprintf(&b, "%-7s %s: %s (%s)\n", bar.Mark(), bar.What, bar.Got, bar.Want)
	}
	return b.String()
}

// page is the results for people.
func page(r results, bars []figures.Bar) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# What polling costs

The gateway polls %s sources of one local server every %v, without jitter, each an answer of some 400 bytes of which it picks
three values. Written by `+"`go run ./gateway`"+` in `+"`bench/`"+`.

%s
`, figures.Count(float64(r.Sources)), interval, figures.BarTable(bars))
	micro := func(d time.Duration) string { return figures.Duration(float64(d)) }
	fmt.Fprintf(
		&b,
		`
| | median | 99th percentile | greatest |
|---|---|---|---|
| how late polls reached the server | %s | %s | %s |
| from a change to its event at a reader of everything (%s changes) | %s | %s | %s |

| processor time | |
|---|---|
| a poll: request, decoding, picking, snapshot, store, topic | %s |
| a poll while a stream of everything is read | %s |
| a plain request with `+"`http.Client`"+`, its body read and decoded, at the same rate | %s |
| such a request in a loop without pauses | %s |
| a poll whose numbers are kept for a day, in memory | %s |
| the same on disk (`+"`store: {dir: …}`"+`), with each poll and the state of its source | %s |

`,
		figures.Seconds(
			r.Late.Median,
		),
		figures.Seconds(r.Late.P99), figures.Seconds(r.Late.Most), figures.Count(float64(r.Changes)),
		figures.Seconds(
			r.Age.Median,
		),
		figures.Seconds(r.Age.P99), figures.Seconds(r.Age.Most), micro(r.Poll), micro(r.Watched), micro(r.Plain),
		micro(r.Hot), micro(r.Stores[0].Poll), micro(r.Stores[1].Poll),
	)
	fmt.Fprintf(&b, `## How

- Server, gateway, plain requests and reader are processes of their own. The gateway is the real program with a real file.
- The time of a poll is known: a source's are multiples of its pause, moved by a part of it that depends on its name. The
  server notes how long after that time each request comes. The share is of the polls that were due, so one that did not
  come counts as well.
- Plain requests are made one after the other on one connection, in turns with the polls, so that what else the machine does
  concerns both: as many a second as there are polls, so that a timer begins each, and its answer wakes a goroutine that
  sleeps. A loop without pauses has nothing to wake up from, and finds the caches as it left them; no poller is one.
- The past is measured in turns in memory and on disk, with a gateway of its own each time.
- A value changes every %v, and says when it did. A change waits for the next poll, so half the pause is the median to expect.

Measured on %s; %s, commit %s, %v each; load average %s.
`, change, r.Machine, r.Go, r.Commit, r.Length, figures.Range(r.Loads))
	return []byte(b.String())
}
