//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// deployRate is how many snapshots a second are published while the clients return.
const deployRate = 100

// deploy is N clients of one topic that return at once: half of them with an id of its run, half with one of a former
// process. It is long because it is one sequence: what was there before, the storm, and what it took.
func deploy(ctx context.Context, b *bench) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	n := min(b.job.N, int(files.Cur)-64) // each side of a stream is a file of its process
	hub := sse.NewHub(ctx, nil)
	topic := hub.Topic("t", sse.TopicOptions{})
	topic.Open("now")
	handler := streamsOf(b.job.Subject, hub, 0).Handler(func(*http.Request) ([]*sse.Topic, error) {
		return []*sse.Topic{topic}, nil
	})
	l, err := serveOn(ctx, handler)
	if err != nil {
		return err
	}
	if err := b.startReaders(portOf(l), publishOn(topic)); err != nil {
		return err
	}
	b.send()
	others, err := b.window(false)
	if err != nil {
		return err
	}
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak of memory begins anew
	before, cpu, over, waits := residentSet(), b.cpu(), make(chan struct{}), make(chan publisherWaits)
	go func() { waits <- b.publishUntil(over) }()
	ids := []string{"now-1", "former-7"}
	if _, err := b.readers.do(order{Do: "storm", Port: b.port, Path: path, N: n, IDs: ids}); err != nil {
		return err
	}
	var c counts
	for began := time.Now(); c.Reached < n; time.Sleep(50 * time.Millisecond) {
		if c, err = b.readers.do(order{Do: "count"}); err != nil {
			return err
		}
		if time.Since(began) > 40*time.Second {
			return fmt.Errorf("%d of %d streams have a snapshot after 40 s", c.Reached, n)
		}
	}
	close(over)
	w := <-waits
	b.out.Others = others.cores()
	if c.Open != n {
		return errors.New("streams were lost")
	}
	b.report("streams", float64(n))
	b.report("half-s", c.FirstHalf)
	b.report("last-s", c.FirstLast)
	b.report("cpu-us", microseconds(b.cpu()-cpu)/float64(n))
	b.report("publishes", float64(w.calls))
	b.report("publish-max-ms", w.most.Seconds()*1e3)
	b.report("publish-waited-ms", w.waited.Seconds()*1e3)
	b.report("publish-late", float64(w.late))
	b.report("peak-MB", (residentPeak()-before)/(1<<20))
	b.report("settled-MB", (settledMemory().rss-before)/(1<<20))
	return nil
}

// publisherWaits tells of the calls of a publisher.
type publisherWaits struct {
	publishing
	late   int           // calls that waited for more than a millisecond
	waited time.Duration // the longest call, without the time in which the machine had no processor for it
}

// publishUntil publishes deployRate times a second until over.
func (b *bench) publishUntil(over <-chan struct{}) (w publisherWaits) {
	runtime.LockOSThread() // whose time the kernel accounts for
	defer runtime.UnlockOSThread()
	tick := time.NewTicker(time.Second / deployRate)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return w
		case <-tick.C:
			queued := runQueueDelay()
			took := b.send()
			w.add(took)
			waited := took - (runQueueDelay() - queued)
			w.waited = max(w.waited, waited)
			if waited > time.Millisecond {
				w.late++
			}
		}
	}
}

// runQueueDelay is the time that this thread was ready to run and had no processor.
func runQueueDelay() time.Duration {
	text, _ := os.ReadFile("/proc/thread-self/schedstat")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.Atoi(fields[1])
	return time.Duration(ns)
}

// residentPeak is the greatest resident set since the last reset, in bytes.
func residentPeak() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "\nVmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.Atoi(fields[0])
	return float64(kb) * 1024
}
