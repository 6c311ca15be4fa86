//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// changesPerSecond is the rate of the workloads with many topics, over all topics.
const changesPerSecond = 700

// The numbers of topics, and of clients that return at once.
const (
	fewTopics    = 50
	manyOfTopics = 5000
	pausedTopics = 70
	returning    = 20_000
)

// owners are the engines that the workloads with many topics tell apart.
var owners = []string{handOff, goroutine}

// topicsWorkloads are those that compare few topics with many.
var topicsWorkloads = []string{"topics-one", "topics-sets", "topics-fast"}

// topicsCalled is how the bars name them.
var topicsCalled = map[string]string{
	"topics-one":  "one stream, 700 changes a second",
	"topics-sets": "20 streams of different sets",
	"topics-fast": "one stream, 50,000 changes a second",
}

// topicsPlan is one workload with many topics.
type topicsPlan struct {
	streams int     // of all topics but those that set leaves out
	sets    bool    // each stream has a set of topics of its own
	hz      float64 // changes a second
	pause   time.Duration
}

// topicsPlans are the workloads of streams of N topics.
var topicsPlans = map[string]topicsPlan{
	"topics-one":  {streams: 1, hz: changesPerSecond},
	"topics-same": {streams: 20, hz: changesPerSecond},
	"topics-sets": {streams: 20, sets: true, hz: changesPerSecond},
	"topics-fast": {streams: 1, hz: 50_000},

	"pause-none": {streams: 0, hz: changesPerSecond},
	"pause-0s":   {streams: 10, hz: changesPerSecond},
	"pause-1s":   {streams: 10, hz: changesPerSecond, pause: time.Second},
}

// streamsOf serves streams of many topics by the engine of that name.
func streamsOf(name string, hub *sse.Hub, pause time.Duration) sse.Streams {
	opts := sse.StreamOptions{Pause: pause}
	switch name {
	case handOff:
		opts.HandOff = true
	case goroutine:
		opts.KeepConnection = true
	}
	return hub.With(opts)
}

// serveTopics starts the server and the readers of a hub with N topics, each of which has a snapshot. The query of a
// request may leave one topic out.
func (b *bench) serveTopics(ctx context.Context, pause time.Duration) error {
	hub := sse.NewHub(ctx, nil)
	topics := make([]*sse.Topic, b.job.N)
	for i, name := range names(b.job.N) {
		topics[i] = hub.Topic(name, sse.TopicOptions{})
	}
	all := slices.Concat(topics, topics)
	handler := streamsOf(b.job.Subject, hub, pause).Handler(func(r *http.Request) ([]*sse.Topic, error) {
		if without, err := strconv.Atoi(r.URL.Query().Get("without")); err == nil {
			return all[without+1 : without+len(topics)], nil
		}
		return topics, nil
	})
	publish := func(data []byte) {
		if err := topics[b.n%len(topics)].Publish(sse.Event{Data: data}); err != nil {
			panic(err)
		}
	}
	l, err := serveOn(ctx, handler)
	if err != nil {
		return err
	}
	if err := b.startReaders(portOf(l), publish); err != nil {
		return err
	}
	for range topics {
		b.send()
	}
	return nil
}

// manyTopics is streams of N topics of which one changes at a time.
func manyTopics(p topicsPlan) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		if err := b.serveTopics(ctx, p.pause); err != nil {
			return err
		}
		cpu, due := b.cpu(), int64(0)
		for i := range p.streams {
			path, n := "/", b.job.N
			if p.sets {
				path, n = fmt.Sprintf("/?without=%d", i%b.job.N), b.job.N-1
			}
			if _, err := b.readers.do(order{
				Do: "connect", Port: b.port, Path: path, N: 1, Kind: fast, Over: b.over,
			}); err != nil {
				return err
			}
			due += int64(n)
		}
		if err := b.receive(due); err != nil {
			return err
		}
		b.report("attach-us", microseconds(b.cpu()-cpu)/math.Max(1, float64(due)))
		b.pace(p.hz, min(time.Second, b.job.Time), func(time.Duration) {}) // warms up
		others, err := b.window(true)
		if err != nil {
			return err
		}
		var calls publishing
		cpu = b.cpu()
		b.pace(p.hz, b.job.Time, calls.add)
		time.Sleep(p.pause + 50*time.Millisecond)
		cpu = b.cpu() - cpu
		c, err := b.readers.do(order{Do: "results"})
		if err != nil {
			return err
		}
		b.out.Others = others.cores()
		b.report("cpu-us", microseconds(cpu)/float64(calls.calls))
		b.report("received", float64(c.Frames)/float64(calls.calls))
		b.report("publish-us", microseconds(calls.mean()))
		b.report("publish-max-us", microseconds(calls.most))
		if c.Frames > 0 {
			b.reportAges(c)
		}
		return nil
	}
}

// receive waits for that many frames.
func (b *bench) receive(frames int64) error {
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		c, err := b.readers.do(order{Do: "count"})
		if err != nil {
			return err
		}
		if c.Frames >= frames {
			return nil
		}
	}
	return errors.New("the first snapshots do not reach all streams within 20 s")
}
