//go:build linux

package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// stallLimit is the stall timeout of a stream whose client does not read.
const stallLimit = 3 * time.Second

// stall is N streams of which every tenth is not read, at 50 snapshots a second. It is
// long because it is one sequence: streams, stall, publishing, and who is left.
func stall(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{stallTimeout: stallLimit, sendBuffer: 16 << 10}); err != nil {
		return err
	}
	lazy := b.job.N / 10
	healthy := b.job.N - lazy
	if err := b.connect(healthy, fast, 0); err != nil {
		return err
	}
	if err := b.reach(healthy); err != nil {
		return err
	}
	b.pace(50, min(time.Second, b.job.Time), func(time.Duration) {}) // warms up
	others, err := b.window(false)
	if err != nil {
		return err
	}
	if err := b.connect(lazy, stalled, 4096); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	all, before := descriptors(), settledMemory().rss

	// The publisher may be held up for good, so that it has a goroutine of its own.
	const hz = 50
	var calls, longest atomic.Int64
	began, published := time.Now(), make(chan struct{})
	go func() {
		defer close(published)
		b.pace(hz, b.job.Time, func(took time.Duration) {
			calls.Add(1)
			longest.Store(max(longest.Load(), int64(took)))
		})
	}()

	var full, gone time.Duration // when the last receive buffer was full, and the last stalled stream evicted
	var unread, frames int64
	peak, settled := before, false
	for second := 0; time.Since(began) < b.job.Time+500*time.Millisecond; {
		time.Sleep(100 * time.Millisecond)
		c, err := b.readers.do(order{Do: "count"})
		if err != nil {
			return err
		}
		since := time.Since(began)
		if c.Unread > unread {
			unread, full = c.Unread, since
		}
		if gone == 0 && descriptors() <= all-lazy {
			gone = since
		}
		if !settled && since > stallLimit { // all stall, none is evicted
			peak, settled = settledMemory().rss, true
		}
		if int(since.Seconds()) > second {
			second++
			b.out.Series = append(b.out.Series, point{float64(second), float64(c.Frames-frames) / float64(healthy)})
			frames = c.Frames
		}
	}
	c, err := b.readers.rest()
	if err != nil {
		return err
	}
	b.out.Others = others.cores()
	due := int64(math.Ceil(hz * b.job.Time.Seconds()))
	b.report("healthy-%", 100*float64(c.Frames)/float64(due*int64(healthy)))
	b.report("healthy-least-%", 100*float64(c.Least)/float64(due))
	b.report("published-%", 100*float64(calls.Load())/float64(due))
	b.report("publish-max-ms", float64(longest.Load())/1e6)
	b.report("evicted-%", 100*float64(max(0, all-descriptors()))/float64(lazy))
	if gone > 0 {
		b.report("evicted-after-s", (gone - full).Seconds())
	}
	peak = max(peak, settledMemory().rss)
	b.report("grown-MB", (peak-before)/(1<<20))
	b.report("rss-MB", peak/(1<<20))
	select {
	case <-published:
	default: // held up; this process ends anyway
		b.report("publisher-blocked", 1)
	}
	return nil
}

// slowReader is one client that reads 10 kB/s of a stream of 200 snapshots a second.
func slowReader(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	if err := b.connect(1, slow, 4096); err != nil {
		return err
	}
	if err := b.reach(1); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.pace(200, b.job.Time, func(time.Duration) {})
	}()
	began := time.Now()
	for time.Since(began) < b.job.Time {
		time.Sleep(min(time.Second, time.Until(began.Add(b.job.Time))))
		c, err := b.readers.do(order{Do: "count"})
		if err != nil {
			return err
		}
		b.out.Series = append(b.out.Series, point{time.Since(began).Seconds(), c.Stale / 1e3})
	}
	var second []float64
	for _, p := range b.out.Series[len(b.out.Series)/2:] {
		second = append(second, p.Y)
	}
	slices.Sort(second)
	b.report("median-s", second[len(second)/2])
	b.report("end-s", b.out.Series[len(b.out.Series)-1].Y)
	return nil
}

// lastOf is how many snapshots lastValue publishes.
const lastOf = 20_000

// lastValue is a client that sleeps while snapshots are published and then publishing stops; then it reads all there
// is.
func lastValue(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	if err := b.connect(1, stalled, 4096); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // it is subscribed
	published := make(chan struct{})
	go func() {
		defer close(published)
		for range lastOf {
			b.send()
		}
	}()
	time.Sleep(b.job.Time)
	if _, err := b.readers.do(order{Do: "release"}); err != nil {
		return err
	}
	select {
	case <-published:
	case <-time.After(10 * time.Second):
		return errors.New("publishing does not end")
	}
	time.Sleep(500 * time.Millisecond)
	read, err := b.readers.rest()
	if err != nil {
		return err
	}
	c, err := b.readers.do(order{Do: "check"})
	if err != nil {
		return err
	}
	b.report("missing", float64(lastOf-1-c.Last))
	if c.Whole {
		b.report("whole", 1)
	} else {
		b.report("whole", 0)
	}
	b.report("read-KB", float64(read.Bytes)/kb)
	return nil
}
