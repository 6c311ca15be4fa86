//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// results are all figures of a run, and what they were measured on.
type results struct {
	Machine, Commit, Go string
	Loads               []string
	Sources             int
	Length              time.Duration // of each measurement

	Ready   time.Duration // from the start of the process to its first answer
	OnTime  float64       // share of the polls that were due
	Late    spread        // of polls
	Poll    time.Duration // processor time of a poll
	Watched time.Duration // of one that a stream of everything watches
	Plain   time.Duration // of a plain request of a loop that makes as many a second as there are polls
	Hot     time.Duration // of one of a loop that makes them as fast as it can
	Peak    float64       // memory of the gateway, in bytes
	Stores  [2]stored     // with the history of each source kept: in memory, and on disk
	Age     spread        // of a change when its event came
	Changes int
}

// A spread describes the distribution of values, in seconds.
type spread struct{ Median, P99, Most float64 }

// spreadOf sorts values.
func spreadOf(values []float64) (s spread) {
	slices.Sort(values)
	if n := len(values); n > 0 {
		s = spread{values[n/2], values[n*99/100], values[n-1]}
	}
	return s
}

// stored is what it costs to keep the past of all sources.
type stored struct {
	Poll time.Duration // processor time of a poll
	Peak float64       // memory of the gateway, in bytes
	Disk float64       // bytes that the directory grew by in each second
}

// rounds is in how many turns polls and plain requests are measured, so that what else the machine does concerns both.
const rounds = 4

// configuration has the upstream polled by so many sources, with more keys of the file and of each source.
func configuration(url string, sources int, keys, ofEach string) []byte {
	var b strings.Builder
	b.WriteString(keys)
	fmt.Fprintf(
		&b, "version: 1\ndefaults: {every: %v, jitter: 0}\nupstreams: {plant: {http: %q}}\nsources:\n", interval, url,
	)
	for i := range sources {
		fmt.Fprintf(
			&b,
			"  tank-%d: {http: {upstream: plant, path: /tank/tank-%[1]d}, pick: {level: .tank.level, running: .pump.running, changed: .changed}%[2]s}\n",
			i, ofEach,
		)
	}
	return []byte(b.String())
}

// measure measures everything, polling and streaming for the given length each. It is long because it is
// one sequence, whose steps share the processes that they measure.
func measure(ctx context.Context, sources int, length time.Duration) (r results, err error) {
	r = results{Sources: sources, Length: length}
	if r.Machine, err = figures.Machine(); err != nil {
		return r, err
	}
	if r.Commit, err = figures.Commit(); err != nil {
		return r, err
	}
	if r.Go, err = figures.Output("go", "env", "GOVERSION"); err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp("", "tidewire-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	binary, file := filepath.Join(dir, "tidewire"), filepath.Join(dir, "tidewire.yaml")
	if _, err := figures.Output("go", "-C", "..", "build", "-o", binary, "./cmd/tidewire"); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}

	up, err := start(ctx, self, "upstream")
	if err != nil {
		return r, err
	}
	defer up.stop()
	address, err := up.address()
	if err != nil {
		return r, err
	}
	url := "http://" + address
	if err := os.WriteFile(file, configuration(url, sources, "", ""), 0o600); err != nil {
		return r, err
	}
	begun := time.Now()
	gateway, err := start(ctx, binary, "serve", "--listen", "127.0.0.1:0", file)
	if err != nil {
		return r, err
	}
	defer gateway.stop()
	if address, err = gateway.address(); err != nil {
		return r, err
	}
	if err := get("http://"+address+"/readyz", new(any)); err != nil {
		return r, err
	}
	r.Ready = time.Since(begun)
	time.Sleep(3 * interval) // the first polls all come at once

	var polls upstreamPolls
	var late []float64
	var due float64 // polls
	var cpu time.Duration
	var plain, hot loopResult
	for range rounds {
		r.Loads = append(r.Loads, figures.Load())
		begun := time.Now()
		seen, took, err := poll(url, gateway, length/rounds)
		if err != nil {
			return r, err
		}
		polls.Polls += seen.Polls
		polls.OnTime += seen.OnTime
		late = append(late, seen.Late...)
		cpu += took
		due += float64(sources) * time.Since(begun).Seconds() / interval.Seconds()
		if err := plain.add(ctx, self, url, length/rounds, interval/time.Duration(sources)); err != nil {
			return r, err
		}
		if err := hot.add(ctx, self, url, length/rounds/4, 0); err != nil {
			return r, err
		}
	}
	r.OnTime, r.Late = float64(polls.OnTime)/due, spreadOf(late)
	r.Poll, r.Plain, r.Hot = cpu/time.Duration(max(polls.Polls, 1)), plain.each(), hot.each()

	reader, err := start(ctx, self, "reader", "http://"+address+"/api/v1/stream")
	if err != nil {
		return r, err
	}
	time.Sleep(interval)
	seen, took, err := poll(url, gateway, length)
	if err != nil {
		return r, err
	}
	var ages []float64
	if err := reader.finish(&ages); err != nil {
		return r, err
	}
	r.Changes = len(ages)
	r.Watched, r.Age = took/time.Duration(max(seen.Polls, 1)), spreadOf(ages)
	r.Loads = append(r.Loads, figures.Load())
	r.Peak = gateway.peak()
	gateway.stop()
	return r, r.measureStores(ctx, url, binary, dir)
}

// measureStores measures what the past costs, in turns in memory and on disk.
func (r *results) measureStores(ctx context.Context, url, binary, dir string) error {
	for range rounds / 2 {
		for i, keys := range []string{"", "store: {dir: data}\n"} {
			s := &r.Stores[i]
			file, data := filepath.Join(dir, "past.yaml"), filepath.Join(dir, "data")
			text := configuration(url, r.Sources, keys, ", show: {value: level, history: 24h}")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				return err
			}
			gateway, err := start(ctx, binary, "serve", "--listen", "127.0.0.1:0", file)
			if err != nil {
				return err
			}
			defer gateway.stop()
			if _, err := gateway.address(); err != nil {
				return err
			}
			time.Sleep(5 * interval)
			before := size(data)
			seen, took, err := poll(url, gateway, r.Length/(rounds/2))
			if err != nil {
				return err
			}
			s.Poll += took / time.Duration(max(seen.Polls, 1)) / (rounds / 2)
			s.Disk += (size(data) - before) / r.Length.Seconds()
			s.Peak = max(s.Peak, gateway.peak())
			gateway.stop()
		}
	}
	r.Loads = append(r.Loads, figures.Load())
	return nil
}

// size is how many bytes the files of a directory have.
func size(dir string) (bytes float64) {
	list, _ := os.ReadDir(dir)
	for _, f := range list {
		if info, err := f.Info(); err == nil {
			bytes += float64(info.Size())
		}
	}
	return bytes
}

// poll lets the gateway poll for a time, and returns the requests seen by the upstream and the processor time used.
func poll(url string, gateway *process, length time.Duration) (seen upstreamPolls, cpu time.Duration, err error) {
	if err := get(url+"/polls", new(upstreamPolls)); err != nil {
		return seen, 0, err
	}
	before := gateway.cpu()
	time.Sleep(length)
	cpu = gateway.cpu() - before
	return seen, cpu, get(url+"/polls", &seen)
}

// get decodes the JSON at url into v.
func get(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
