//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tidewire/tidewire/bench/figures"
)

// section is a workload on the page.
type section struct {
	title, about string
	picture, alt string // none if empty
	subjects     []string
	columns      []column
}

// column is a value in a section's table.
type column struct {
	title    string
	workload string
	n        int
	name     string // of the value
	format   func(float64) string
}

func yes(v float64) string {
	if v != 0 {
		return "yes"
	}
	return "no"
}

func kilobytes(bytes float64) string { return figures.Kilobytes(bytes / kb) }

var sections = []section{
	{
		title: "Memory of an idle stream",
		about: `What a stream adds to the server's resident memory once it has had one event, after two collections and with free
memory returned; the kernel's 7 to 8 KB for a pair of sockets are not in it. The parked handler of net/http is a stream that
waits for its client to leave: less than that, no handler can cost that leaves the connection with net/http. The hand-off
engine gives the goroutines and buffers of net/http back; the blocking call keeps the goroutine of its handler.`,
		picture:  "sse-memory.svg",
		alt:      "Resident memory of an idle stream among 10,000",
		subjects: slices.Concat(libraries, []string{parked, nchanName}),
		columns: []column{
			{"N=1,000", "memory", 1000, "rss-KB", figures.Kilobytes},
			{"N=10,000", "memory", 10_000, "rss-KB", figures.Kilobytes},
			{"heap", "memory", 10_000, "heap-KB", figures.Kilobytes},
			{"stacks", "memory", 10_000, "stack-KB", figures.Kilobytes},
			{"goroutines", "memory", 10_000, "goroutines", figures.Count},
		},
	},
	{
		title: "Processor time of a delivery",
		about: `50 snapshots a second to 1,000 streams. Processor time is that of the server's process, user and system, over the
frames received. The loop of write(2) is the floor: it writes one prepared frame to 1,000 sockets, flat out from one thread,
with readers that read in rounds of 20 ms. Age is the moment of receipt minus the moment of publishing.`,
		picture:  "sse-cpu.svg",
		alt:      "Processor time of a delivery",
		subjects: slices.Concat(libraries, []string{rawLoop, nchanName}),
		columns: []column{
			{"processor time", "paced", 1000, "cpu-us", figures.Microseconds},
			{"received", "paced", 1000, "received-%", figures.Percent},
			{"bytes of a frame", "paced", 1000, "frame-B", figures.Count},
			{"age, median", "paced", 1000, "p50-ms", figures.Milliseconds},
			{"99th percentile", "paced", 1000, "p99-ms", figures.Milliseconds},
		},
	},
	{
		title: "More deliveries than the processors have time for",
		about: `100 and 150 snapshots a second to 1,000 streams. write(2) is the loop above at that pace, with readers that read at once,
as those of the others do. A publisher that waits for all readers is late, and its deliveries are those of the time it took.`,
		subjects: slices.Concat(ours, []string{"go-sse", rawLoop}),
		columns: []column{
			{"of 100,000", "paced-100k", 1000, "deliveries/s", figures.Count},
			{"processor time", "paced-100k", 1000, "cpu-us", figures.Microseconds},
			{"of 150,000", "paced-150k", 1000, "deliveries/s", figures.Count},
			{"age, median", "paced-150k", 1000, "p50-ms", figures.Milliseconds},
		},
	},
	{
		title: "Over TLS and HTTP/2",
		about: `Where no connection can be taken from its server: the memory of an idle stream, and 50 snapshots a second to 1,000
streams. TLS is under HTTP/1.1, with a connection a stream. HTTP/2 is in clear text, with 50 streams a connection (5,000 of them
for the memory) or 6 (3,000). Net/http keeps the request, its headers and a buffer of 4 KB of each stream, and a goroutine whose
stack is 4 KB over HTTP/2 and 8 KB over TLS, and 4 KB more over TLS for one that reads: all libraries pay that.`,
		subjects: slices.Concat([]string{blocking}, peers, []string{parked}),
		columns: []column{
			{"TLS: memory", "memory-tls", carriedN["tls"], "rss-KB", figures.Kilobytes},
			{"processor time", "paced-tls", 1000, "cpu-us", figures.Microseconds},
			{"HTTP/2, 50 each: memory", "memory-h2-50", carriedN["h2-50"], "rss-KB", figures.Kilobytes},
			{"processor time", "paced-h2-50", 1000, "cpu-us", figures.Microseconds},
			{"HTTP/2, 6 each: memory", "memory-h2-6", carriedN["h2-6"], "rss-KB", figures.Kilobytes},
			{"processor time", "paced-h2-6", 1000, "cpu-us", figures.Microseconds},
		},
	},
	{
		title: "Publisher flat out",
		about: `One publisher in a loop, 1,000 streams. Where the newest snapshot is all that counts, the question is how old it is
when it arrives. Libraries that queue deliver more frames and older ones; publishes differ because some calls wait for all
readers, and others replace a pointer.`,
		subjects: slices.Concat(libraries, []string{nchanName}),
		columns: []column{
			{"age, median", "flat", 1000, "p50-ms", figures.Milliseconds},
			{"99th percentile", "flat", 1000, "p99-ms", figures.Milliseconds},
			{"deliveries a second", "flat", 1000, "deliveries/s", figures.Count},
			{"publishes a second", "flat", 1000, "publishes/s", figures.Count},
		},
	},
	{
		title: "What Publish costs",
		about: `Twice a second, to one stream and to 10,000; the encoding of the snapshot, some 2 µs, is included. What a publisher
does not wait for is done by others afterwards: the age at 10,000 streams is how long that takes, the reading of all of them
included. With half a second between the calls all caches are cold.`,
		subjects: libraries,
		columns: []column{
			{"N=1, mean", "publish", 1, "publish-us", figures.Microseconds},
			{"N=10,000, mean", "publish", 10_000, "publish-us", figures.Microseconds},
			{"longest", "publish", 10_000, "publish-max-us", figures.Microseconds},
			{"age, median", "publish", 10_000, "p50-ms", figures.Milliseconds},
			{"99th percentile", "publish", 10_000, "p99-ms", figures.Milliseconds},
		},
	},
	{
		title: "Streams of many topics",
		about: `One stream of all topics, of which one changes at a time, 700 times a second; 20 streams, each of which leaves out another
topic; and one stream at 50,000 changes a second, some of which the next one replaces. Processor time is that of a change, in the
server's process, the publisher and its timer included. What a stream's begin costs is over its snapshots.`,
		subjects: owners,
		columns: []column{
			{"50 topics", "topics-one", fewTopics, "cpu-us", figures.Microseconds},
			{"5,000", "topics-one", manyOfTopics, "cpu-us", figures.Microseconds},
			{"20 streams: 50", "topics-sets", fewTopics, "cpu-us", figures.Microseconds},
			{"5,000", "topics-sets", manyOfTopics, "cpu-us", figures.Microseconds},
			{"50,000 a second: 50", "topics-fast", fewTopics, "cpu-us", figures.Microseconds},
			{"5,000", "topics-fast", manyOfTopics, "cpu-us", figures.Microseconds},
			{"begin, 5,000", "topics-sets", manyOfTopics, "attach-us", figures.Microseconds},
		},
	},
	{
		title: "Streams with a pause",
		about: `700 changes a second on 70 topics, without a stream, with 10 streams of all of them, and with 10 that pause for a
second. Processor time is that of a change.`,
		subjects: owners,
		columns: []column{
			{"no stream", "pause-none", pausedTopics, "cpu-us", figures.Microseconds},
			{"10 streams", "pause-0s", pausedTopics, "cpu-us", figures.Microseconds},
			{"with a pause", "pause-1s", pausedTopics, "cpu-us", figures.Microseconds},
		},
	},
	{
		title: "All clients return at once",
		about: `As after a deploy: 20,000 clients, or as many as the limit of files allows, connect from eight addresses, half of them with
an id of the current run and half with one of a former process, while 100 snapshots a second are published. Memory is what the
resident set grows by. A publisher that is held up by the machine, which has fewer processors than there is to do, does not wait
for the library: the time in which its thread was ready to run does not count as waiting. What remains is the runtime's: with
GOGC=off no Publish waits for 0.3 ms.`,
		subjects: ours,
		columns: []column{
			{"streams", "deploy", returning, "streams", figures.Count},
			{"half have a snapshot", "deploy", returning, "half-s", figures.Seconds},
			{"all", "deploy", returning, "last-s", figures.Seconds},
			{"processor time of one", "deploy", returning, "cpu-us", figures.Microseconds},
			{"longest Publish, waiting", "deploy", returning, "publish-waited-ms", figures.Milliseconds},
			{"by the clock", "deploy", returning, "publish-max-ms", figures.Milliseconds},
			{"most memory", "deploy", returning, "peak-MB", figures.Megabytes},
			{"afterwards", "deploy", returning, "settled-MB", figures.Megabytes},
		},
	},
	{
		title: "Readers that stall",
		about: `100 of 1,000 clients never read, at 50 snapshots a second; the sockets buffer little (SO_SNDBUF of 16 KB, SO_RCVBUF
of 4 KB), so that nine seconds suffice. Ours have a StallTimeout of 3 s. The time to the last eviction begins when the last
receive buffer is full, and so includes the filling of the send buffer. Memory is resident memory after two collections:
once when all that stall do so, and once at the end.`,
		picture:  "sse-stall.svg",
		alt:      "Snapshots a second that the readers get which do read",
		subjects: libraries,
		columns: []column{
			{"the others get", "stall", 1000, "healthy-%", figures.Percent},
			{"published", "stall", 1000, "published-%", figures.Percent},
			{"longest Publish", "stall", 1000, "publish-max-ms", figures.Milliseconds},
			{"evicted", "stall", 1000, "evicted-%", figures.Percent},
			{"after", "stall", 1000, "evicted-after-s", figures.Seconds},
			{"memory grown", "stall", 1000, "grown-MB", figures.Megabytes},
		},
	},
	{
		title: "A slow reader",
		about: `One client that takes 500 bytes every 50 ms (SO_RCVBUF of 4 KB) of a stream of 200 snapshots a second, a quarter of
it. Skipping snapshots is not enough for it to be up to date: the kernel's send buffer holds megabytes of old ones.
NewListener bounds it.`,
		picture:  "sse-slow.svg",
		alt:      "Age of the newest snapshot that a slow reader has, over time",
		subjects: libraries,
		columns: []column{
			{"age at the end", "slow", 1, "end-s", figures.Seconds},
			{"median of the second half", "slow", 1, "median-s", figures.Seconds},
		},
	},
	{
		title: "The last value",
		about: `A client sleeps while 20,000 snapshots are published, and then publishing stops; then it reads all there is. What
counts is that it ends at the newest one, and that nothing is torn.`,
		subjects: libraries,
		columns: []column{
			{"missing at the end", "last", 1, "missing", figures.Count},
			{"all frames whole", "last", 1, "whole", yes},
			{"read", "last", 1, "read-KB", figures.Kilobytes},
		},
	},
	{
		title:    "Idle HTTP/2 streams",
		about:    `200 streams over one connection without events, for three heartbeats and more (2 s each). Write deadlines that are left standing would reset them.`,
		subjects: ours,
		columns: []column{
			{"reset", "h2", 200, "ended", figures.Count},
			{"heartbeats each", "h2", 200, "beats", figures.Count},
		},
	},
	{
		title: "Idle jobs",
		about: `100,000 jobs of one Tracker with a snapshot of some 200 bytes each, which nobody watches; and for comparison 10,000
streams of r3labs/sse with one event.`,
		subjects: []string{progressJobs, "r3labs/sse"},
		columns: []column{
			{"resident memory, N=100,000", "jobs", 100_000, "rss-B", kilobytes},
			{"heap", "jobs", 100_000, "heap-B", kilobytes},
			{"goroutines", "jobs", 100_000, "goroutines", figures.Count},
			{"resident memory, N=10,000", "topics", 10_000, "rss-B", kilobytes},
			{"heap", "topics", 10_000, "heap-B", kilobytes},
			{"goroutines", "topics", 10_000, "goroutines", figures.Count},
		},
	},
}

// table returns the section's cells, the head first, without subjects and columns of which nothing is known.
func (s section) table(r *results) [][]string {
	var columns []column
	for _, c := range s.columns {
		for _, subject := range s.subjects {
			if len(c.outcomes(r, subject)) > 0 {
				columns = append(columns, c)
				break
			}
		}
	}
	head := []string{""}
	for _, c := range columns {
		head = append(head, c.title)
	}
	rows := [][]string{head}
	for _, subject := range s.subjects {
		row, known := []string{title(subject)}, false
		for _, c := range columns {
			row = append(row, c.cell(r, subject))
			known = known || len(c.outcomes(r, subject)) > 0
		}
		if known {
			rows = append(rows, row)
		}
	}
	return rows
}

// of is the column's workload for a subject: the floor is one of its own.
func (c column) of(subject string) string {
	if subject == rawLoop {
		return strings.Replace(c.workload, "paced", "floor", 1)
	}
	return c.workload
}

func (c column) outcomes(r *results, subject string) []measured {
	outcomes, _ := r.of(c.of(subject), subject, c.n)
	return outcomes
}

// cell formats a value; "~" stands before one that other processes have disturbed.
func (c column) cell(r *results, subject string) string {
	v := r.at(c.of(subject), subject, c.n, c.name)
	cell := figures.Shown(v, c.format)
	if !math.IsNaN(v) && r.disturbed(c.of(subject), subject, c.n) {
		return "~" + cell
	}
	return cell
}

// summary is what the command prints.
func summary(r *results, bars []figures.Bar) string {
	var out bytes.Buffer
	fmt.Fprintf(
		&out, "%s\n%s, commit %s, %s; load average %s; took %s\n\n", r.Machine, r.Go, r.Commit, r.Peers,
		figures.Range(r.Load), r.Took,
	)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, s := range sections {
		rows := s.table(r)
		if len(rows) == 1 {
			continue
		}
		fmt.Fprintf(table, "%s\n", s.title)
		for _, row := range rows {
			fmt.Fprintf(table, "  %s\n", strings.Join(row, "\t"))
		}
		fmt.Fprintln(table)
	}
	for _, b := range bars {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Mark(), b.What, b.Want, b.Got)
	}
	_ = table.Flush()
	for _, m := range r.Measured {
		if m.Error != "" {
			fmt.Fprintf(&out, "\nfailed: %s, %s, N=%d: %s\n", m.Job.Workload, title(m.Job.Subject), m.Job.N, m.Error)
		}
	}
	return out.String()
}

// page is docs/benchmarks-sse.md.
// It is long because the text of the page is in it.
func page(r *results, bars []figures.Bar) []byte {
	var out bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }

	p("# sse beside its peers")
	p("")
	p(
		"This page is written by the command that measures: `cd bench && go run ./sse`, some seventeen minutes on two cores. It exits with",
	)
	p(
		"an error if a bar below is missed; `-quick` takes two minutes and writes nothing. The code is in [bench/sse](../bench/sse).",
	)
	p("")
	p("| | |")
	p("|---|---|")
	p("| Machine | %s |", r.Machine)
	p("| Go | %s |", r.Go)
	p("| Commit | %s, %s |", r.Commit, r.Date)
	p("| Peers | %s |", r.Peers)
	p("| Load average | %s while measuring, the measurement itself included |", figures.Range(r.Load))
	p("")
	p(
		"Each figure is measured in a process of its own, which serves HTTP/1.1 in clear text, unless it says otherwise, over",
	)
	p(
		"loopback to readers in a second process, of one thread, on the same cores. A snapshot is some 200 bytes of JSON. Deliveries",
	)
	p("and ages, and what our Publish costs, are medians of three rounds, in which the contenders take turns. A window in which")
	p(
		"other processes took more than %v cores is left out if there is a better one; ~ marks what has none. Differences under 20 %%",
		disturbance,
	)
	p("are noise: compare within a table, and ratios rather than microseconds. – is what was not measured or does not exist.")
	p("")
	p("## Bars")
	p("")
	p("%s", figures.BarTable(bars))
	for _, s := range sections {
		p("")
		p("## %s", s.title)
		p("")
		p("%s", s.about)
		p("")
		if s.picture != "" {
			p("![%s](images/%s)", s.alt, s.picture)
			p("")
		}
		p("%s", figures.Table(s.table(r)))
	}
	p("")
	p("## What is not shown")
	p("")
	p(
		"- A network, compression, a proxy in between; more than two cores. Over loopback the receive path of the kernel runs",
	)
	p("  inside the sender's write, so deliveries look dearer than they are over a network.")
	p("- Many publishers on one topic, churn.")
	p(
		"- Events that are no snapshots, of which each reader must get every one. Libraries that queue deliver more of them in a",
	)
	p(
		"  second than ours do snapshots: one wake-up that writes many stale events is cheap, and is what snapshots do not want.",
	)
	p("- What peers can do and sse cannot: brokers between processes, subscriptions by template, history on disk.")
	p("- Mercure, Centrifugo and others that are programs rather than libraries.")
	return out.Bytes()
}
