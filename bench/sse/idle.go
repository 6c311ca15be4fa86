//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	"github.com/tidewire/tidewire/sse/progress"
)

// idleHTTP2 is N streams over shared HTTP/2 connections in clear text, without events for three heartbeats.
func idleHTTP2(ctx context.Context, b *bench) error {
	heartbeat := b.job.Time / 5
	l, publish, err := subjectOf(b.job.Subject).serve(ctx, subjectOptions{heartbeat: heartbeat}, manyEach)
	if err != nil {
		return err
	}
	publish(encode(0))
	client := &http.Client{Transport: &http.Transport{Protocols: manyEach.protocols()}}
	var beats, ended, open atomic.Int64
	for range b.job.N {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(req)
		if err != nil {
			return err
		}
		if response.ProtoMajor != 2 {
			return fmt.Errorf("answered over %s, want HTTP/2", response.Proto)
		}
		open.Add(1)
		go func() {
			defer response.Body.Close()
			buf := make([]byte, 4096)
			for {
				n, err := response.Body.Read(buf)
				if n == len(":\n") || n == len(":\n\n") {
					beats.Add(1)
				}
				if err != nil {
					ended.Add(1)
					return
				}
			}
		}()
	}
	time.Sleep(b.job.Time)
	b.report("ended", float64(ended.Load()))
	b.report("beats", float64(beats.Load())/float64(b.job.N))
	return nil
}

// idleJobs is N progress jobs with a snapshot each, without readers.
func idleJobs(ctx context.Context, b *bench) error {
	tracker := progress.New(ctx, 0, 0, nil)
	topics := names(b.job.N)
	before := settledMemory()
	for i, topic := range topics {
		job, _ := tracker.Start(topic)
		job.Publish(snapshot{
			TS:        "2026-01-02T15:04:05.6Z",
			Status:    "running",
			Percent:   12.5,
			Stage:     "scan",
			Message:   "probing 127.0.0.42 on port 502",
			Found:     12,
			Scanned:   i,
			Total:     1 << 20,
			StartedAt: "2026-01-02T15:04:05Z",
		})
	}
	b.reportTopics(before)
	runtime.KeepAlive(tracker)
	runtime.KeepAlive(topics)
	return nil
}

// idleTopics is N streams of a peer with an event each, without readers.
func idleTopics(_ context.Context, b *bench) error {
	server := r3labs.New()
	server.AutoReplay = false
	topics := names(b.job.N)
	before := settledMemory()
	for i, topic := range topics {
		server.CreateStream(topic)
		server.Publish(topic, &r3labs.Event{Data: encode(i)})
	}
	b.reportTopics(before)
	runtime.KeepAlive(server)
	runtime.KeepAlive(topics)
	return nil
}

func names(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("discovery/%06d", i)
	}
	return names
}

func (b *bench) reportTopics(before memory) {
	time.Sleep(200 * time.Millisecond)
	per := settledMemory().minus(before, b.job.N)
	b.report("rss-B", per.rss)
	b.report("heap-B", per.heap)
	b.report("goroutines", per.goroutines*float64(b.job.N))
}
