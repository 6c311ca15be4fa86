//go:build linux

package main

import (
	"fmt"

	"github.com/tidewire/tidewire/bench/figures"
)

// evaluate compares the results with the bars. For a quick run only the bars of its workloads apply. It is long
// because every bar has its line.
func evaluate(r *results) []figures.Bar {
	var bars []figures.Bar
	atMost := func(what string, want float64, format func(float64) string, got float64) {
		bars = append(bars, figures.AtMost(what, want, format, got))
	}
	atLeast := func(what string, want float64, format func(float64) string, got float64) {
		bars = append(bars, figures.AtLeast(what, want, format, got))
	}

	idle := func(s string) float64 { return r.at("memory", s, 10_000, "rss-KB") }
	others := append([]string{parked}, peers...)
	atMost("Idle stream among 10,000, hand-off engine", 2, figures.Kilobytes, idle(handOff))
	atMost("Idle stream among 10,000, hand-off engine, over the best of net/http and the peers", 0.25, figures.Times,
		idle(handOff)/r.least("memory", 10_000, "rss-KB", others...))
	atMost("Idle stream among 10,000, blocking call, over go-sse", 0.8, figures.Times, idle(blocking)/idle("go-sse"))
	atMost(
		"Idle stream among 10,000, goroutine engine, over a parked net/http handler", 1.15, figures.Times,
		idle(goroutine)/idle(parked),
	)

	for _, by := range []struct {
		what, name string
		time       float64 // two runs of one subject differ by a few per cent
	}{
		{"TLS", "tls", 1.15}, {"HTTP/2, 50 a connection", "h2-50", 1.05}, {"HTTP/2, 6 a connection", "h2-6", 1.15},
	} {
		if r.Quick {
			continue
		}
		n, memory, paced := carriedN[by.name], "memory-"+by.name, "paced-"+by.name
		atMost(
			fmt.Sprintf("Idle stream over %s, over the best of net/http and the peers", by.what), 1, figures.Times,
			r.at(memory, blocking, n, "rss-KB")/r.least(memory, n, "rss-KB", others...),
		)
		atMost(
			fmt.Sprintf("Processor time of a delivery over %s, over the best peer", by.what), by.time, figures.Times,
			r.at(paced, blocking, 1000, "cpu-us")/r.least(paced, 1000, "cpu-us", peers...),
		)
	}

	cpu := func(s string) float64 { return r.at("paced", s, 1000, "cpu-us") }
	atMost("Processor time of a delivery, hand-off engine, over the best peer", 0.85, figures.Times,
		cpu(handOff)/r.least("paced", 1000, "cpu-us", peers...))
	atMost("Processor time of a delivery, blocking call, over go-sse", 0.8, figures.Times, cpu(blocking)/cpu("go-sse"))
	for _, s := range taken {
		atMost(
			fmt.Sprintf("Processor time of a delivery, %s, over write(2) in a loop", called(s)),
			map[string]float64{handOff: 1.3, blocking: 1.45}[s], figures.Times,
			cpu(s)/r.at("floor", rawLoop, 1000, "cpu-us"),
		)
		atLeast(
			fmt.Sprintf("100,000 deliveries a second asked for, %s, over what write(2) delivers", called(s)), 0.95,
			figures.Times,
			r.at("paced-100k", s, 1000, "deliveries/s")/r.at("floor-100k", rawLoop, 1000, "deliveries/s"),
		)
		atLeast(
			fmt.Sprintf("150,000 deliveries a second asked for, %s, over what go-sse delivers", called(s)), 1.1,
			figures.Times,
			r.at("paced-150k", s, 1000, "deliveries/s")/r.at("paced-150k", "go-sse", 1000, "deliveries/s"),
		)
	}

	for _, s := range ours {
		atMost(
			fmt.Sprintf("Publisher flat out, 1,000 streams, %s: age, median", called(s)), 5, figures.Milliseconds,
			r.at("flat", s, 1000, "p50-ms"),
		)
		atMost(
			fmt.Sprintf("Publisher flat out, 1,000 streams, %s: age, 99th percentile", called(s)), 15,
			figures.Milliseconds, r.at("flat", s, 1000, "p99-ms"),
		)
	}
	for _, s := range owners {
		if r.Quick {
			continue
		}
		for _, workload := range topicsWorkloads {
			atMost(
				fmt.Sprintf("A change of one of 5,000 topics of a stream over one of 50, %s, %s", called(s), topicsCalled[workload]),
				1.3, figures.Times,
				r.at(workload, s, manyOfTopics, "cpu-us")/r.at(workload, s, fewTopics, "cpu-us"),
			)
		}
		none := r.at("pause-none", s, pausedTopics, "cpu-us")
		atMost(
			fmt.Sprintf("700 changes a second, streams with a pause of 1 s over those without, %s", called(s)), 0.2, figures.Times,
			(r.at("pause-1s", s, pausedTopics, "cpu-us")-none)/(r.at("pause-0s", s, pausedTopics, "cpu-us")-none),
		)
	}
	for _, s := range ours {
		if r.Quick {
			continue
		}
		what := fmt.Sprintf("20,000 clients return at once, %s: ", called(s))
		atMost(what+"until the last has a snapshot", 5, figures.Seconds, r.at("deploy", s, returning, "last-s"))
		atMost(what+"longest Publish", 1, figures.Milliseconds, r.at("deploy", s, returning, "publish-waited-ms"))
	}
	for _, s := range ours {
		if r.Quick && !r.has("publish", s) {
			continue
		}
		mean := r.at("publish", s, 10_000, "publish-us")
		atMost(fmt.Sprintf("Publish to 10,000 streams, %s, mean", called(s)), 100, figures.Microseconds, mean)
		atMost(
			fmt.Sprintf("Publish to 10,000 streams, %s, over Publish to one", called(s)), 2, figures.Times,
			mean/r.at("publish", s, 1, "publish-us"),
		)
	}
	for _, s := range ours {
		if r.Quick && !r.has("stall", s) {
			continue
		}
		at := func(name string) float64 { return r.at("stall", s, 1000, name) }
		what := fmt.Sprintf("100 of 1,000 readers stalled, %s: ", called(s))
		atLeast(what+"snapshots that the others get", 99, figures.Percent, at("healthy-%"))
		atLeast(what+"stalled streams evicted", 100, figures.Percent, at("evicted-%"))
		atMost(
			fmt.Sprintf("%stime to the last eviction (the limit is %v)", what, stallLimit),
			(stallLimit + 2e9).Seconds(), figures.Seconds, at("evicted-after-s"),
		)
		atMost(what+"longest Publish", 5, figures.Milliseconds, at("publish-max-ms"))
		atMost(what+"memory grown", 2, figures.Megabytes, at("grown-MB"))
	}
	for _, s := range ours {
		atMost(
			fmt.Sprintf("Reader of 10 kB/s, %s: age at the end", called(s)), 1, figures.Seconds,
			r.at("slow", s, 1, "end-s"),
		)
	}
	for _, s := range ours {
		atMost(
			fmt.Sprintf("Publishing stops while a reader sleeps, %s: snapshots missing at its end", called(s)), 0,
			figures.Count, r.at("last", s, 1, "missing"),
		)
		atLeast(
			fmt.Sprintf("Publishing stops while a reader sleeps, %s: all frames whole", called(s)), 1, figures.Count,
			r.at("last", s, 1, "whole"),
		)
	}
	for _, s := range ours {
		name := map[string]string{handOff: "Hub.Handler", blocking: "Hub.Serve", goroutine: "KeepConnection"}[s]
		atMost(
			fmt.Sprintf("200 idle HTTP/2 streams, %s: streams reset", name), 0, figures.Count,
			r.at("h2", s, 200, "ended"),
		)
		atLeast(
			fmt.Sprintf("200 idle HTTP/2 streams, %s: heartbeats that each has got", name), 3, figures.Count,
			r.at("h2", s, 200, "beats"),
		)
	}
	atMost("Idle job among 100,000: resident memory", kb, kilobytes, r.at("jobs", progressJobs, 100_000, "rss-B"))
	atMost("100,000 idle jobs: goroutines", 0, figures.Count, r.at("jobs", progressJobs, 100_000, "goroutines"))
	return bars
}
