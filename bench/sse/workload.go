//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/sse"
)

const kb = 1024

// memoryOfStreams is what N idle streams cost that have had one event.
func memoryOfStreams(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	b.send()
	before := b.memory()
	if err := b.connect(b.job.N, fast, 0); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // the requests of HTTP/2 are all sent at once
	if err := b.reach(b.job.N); err != nil {
		return err
	}
	time.Sleep(1500 * time.Millisecond) // until what has served the event is gone, too
	per := b.memory().minus(before, b.job.N)
	b.report("rss-KB", per.rss/kb)
	if per.heap > 0 { // nginx has none of these
		b.report("heap-KB", per.heap/kb)
		b.report("stack-KB", per.stack/kb)
		b.report("goroutines", per.goroutines)
	}
	return nil
}

// deliveries is the rate of the workload paced, over all streams.
const deliveries = 50_000

// paced publishes at a steady rate to N streams.
func paced(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	return b.paced(deliveries / float64(b.job.N))
}

// pacedAt is paced at another rate: one at which the processors may not suffice.
func pacedAt(rate float64) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		if err := b.start(ctx, subjectOptions{}); err != nil {
			return err
		}
		return b.paced(rate / float64(b.job.N))
	}
}

// publishCost publishes twice a second to N streams.
func publishCost(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	return b.paced(2)
}

func (b *bench) paced(hz float64) error {
	if err := b.connect(b.job.N, fast, 0); err != nil {
		return err
	}
	if err := b.reach(b.job.N); err != nil {
		return err
	}
	b.pace(hz, min(time.Second, b.job.Time), func(time.Duration) {}) // warms up
	others, err := b.window(true)
	if err != nil {
		return err
	}
	var calls publishing
	cpu, began := b.cpu(), time.Now()
	b.pace(hz, b.job.Time, calls.add)
	took := max(b.job.Time, time.Since(began)) // a publisher that is held up is late
	if _, err := b.readers.rest(); err != nil {
		return err
	}
	cpu = b.cpu() - cpu
	c, err := b.readers.do(order{Do: "results"})
	if err != nil {
		return err
	}
	b.out.Others = others.cores()
	if c.Frames == 0 {
		return errors.New("nothing was received")
	}
	b.report("cpu-us", microseconds(cpu)/float64(c.Frames))
	b.report("deliveries/s", float64(c.Frames)/took.Seconds())
	b.report("received-%", 100*float64(c.Frames)/float64(calls.calls*b.job.N))
	b.report("frame-B", float64(c.Bytes)/float64(c.Frames))
	b.report("publish-us", microseconds(calls.mean()))
	b.report("publish-max-us", microseconds(calls.most))
	b.reportAges(c)
	return nil
}

// floor writes one prepared frame to N sockets with write(2), round by round from one thread: no publisher, no
// encoding.
func floor(ctx context.Context, b *bench) error { return writeLoop(ctx, b, 0) }

// floorAt is floor at a rate over all sockets, with readers that read at once.
func floorAt(rate float64) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return writeLoop(ctx, b, rate) }
}

// writeLoop is the raw loop, flat out if rate is 0. It is long because it stands apart from everything that it is
// compared with, down to its own sockets.
func writeLoop(ctx context.Context, b *bench, rate float64) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	if err := b.startReaders(portOf(l), func([]byte) {}); err != nil {
		return err
	}
	accepted := make(chan []net.Conn, 1)
	go func() {
		var conns []net.Conn
		for len(conns) < b.job.N {
			c, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, c)
		}
		accepted <- conns
	}()
	if err := b.connect(b.job.N, fast, 0); err != nil {
		return err
	}
	conns := <-accepted
	if len(conns) < b.job.N {
		return fmt.Errorf("%d of %d connections", len(conns), b.job.N)
	}
	fds := make([]int, len(conns))
	for i, c := range conns {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return err
		}
	}
	runtime.GC() // so that none runs in the window
	waitForQuiet(b.job.Patience, b.pids...)
	begin := order{Do: "begin", Pause: 20 * time.Millisecond}
	if rate > 0 {
		begin = order{Do: "begin", Ages: true}
	}
	if _, err := b.readers.do(begin); err != nil {
		return err
	}
	others := watchOthers(b.pids...)
	frame, err := sse.Event{ID: "0123456789abcdef-1", Data: encode(1)}.AppendTo(nil)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tails := make([]int, len(fds)) // how much of the last frame is unsent
	cpu, began, again := b.cpu(), time.Now(), 0
	for round := 0; time.Since(began) < b.job.Time; round++ {
		if rate > 0 { // at absolute times, as pace does
			time.Sleep(time.Until(began.Add(time.Duration(float64(round*b.job.N) / rate * float64(time.Second)))))
		}
		for i, fd := range fds {
			rest := frame
			if tails[i] > 0 {
				rest = frame[len(frame)-tails[i]:]
			}
			switch n, err := syscall.Write(fd, rest); err {
			case nil:
				tails[i] = len(rest) - n
			case syscall.EAGAIN:
				again++
			default:
				return err
			}
		}
	}
	took := time.Since(began)
	cpu = b.cpu() - cpu
	c, err := b.readers.rest()
	if err != nil {
		return err
	}
	b.out.Others = others.cores()
	b.report("cpu-us", microseconds(cpu)/float64(c.Frames))
	b.report("deliveries/s", float64(c.Frames)/took.Seconds())
	b.report("frame-B", float64(len(frame)))
	b.report("again", float64(again))
	runtime.KeepAlive(conns)
	return nil
}

// flatOut publishes without a pause.
func flatOut(ctx context.Context, b *bench) error {
	if err := b.start(ctx, subjectOptions{}); err != nil {
		return err
	}
	if err := b.connect(b.job.N, fast, 0); err != nil {
		return err
	}
	if err := b.reach(b.job.N); err != nil {
		return err
	}
	others, err := b.window(true)
	if err != nil {
		return err
	}
	var calls publishing
	cpu, began, published := b.cpu(), time.Now(), make(chan struct{})
	go func() {
		defer close(published)
		for time.Since(began) < b.job.Time {
			calls.add(b.send())
		}
	}()
	select {
	case <-published:
	case <-time.After(3 * b.job.Time):
		return fmt.Errorf("a publish does not return within %v", 2*b.job.Time)
	}
	took := time.Since(began)
	cpu = b.cpu() - cpu
	c, err := b.readers.do(order{Do: "results"})
	if err != nil {
		return err
	}
	b.out.Others = others.cores()
	b.report("deliveries/s", float64(c.Frames)/took.Seconds())
	b.report("publishes/s", float64(calls.calls)/took.Seconds())
	b.report("cpu-us", microseconds(cpu)/float64(max(1, c.Frames)))
	b.reportAges(c)
	return nil
}
