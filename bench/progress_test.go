//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// snapshotPayload is a progress report such as a scan would publish: nine fields, some 200 bytes of JSON.
type snapshotPayload struct {
	Status    string  `json:"status"`
	Percent   float64 `json:"percent"`
	Stage     string  `json:"stage"`
	Message   string  `json:"message"`
	Found     int     `json:"found"`
	Scanned   int     `json:"scanned"`
	Total     int     `json:"total"`
	StartedAt string  `json:"started_at"`
	UpdatedAt string  `json:"updated_at"`
}

func payload(n int) snapshotPayload {
	return snapshotPayload{
		Status: "running", Percent: float64(n%1000) / 10, Stage: "scan", Message: "probing 127.0.0.42 on port 502",
		Found: n / 100, Scanned: n, Total: 1 << 20, StartedAt: "2026-01-02T15:04:05Z", UpdatedAt: "2026-01-02T15:04:06Z",
	}
}

// BenchmarkPublish publishes flat out on one topic that nobody watches and that 1,000 clients read over loopback TCP,
// all in this process. cpu-ns/op is the processor time of the publishing thread, which is what a Publish costs; ns/op
// includes waiting for a processor, which 2,000 goroutines of streams and clients want as well.
func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			job, received := attach(b, readers)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b.ReportAllocs()
			before, began, cpu := received.Load(), time.Now(), threadTime()
			n := 0
			for b.Loop() {
				n++
				job.Publish(payload(n))
			}
			b.ReportMetric(float64(threadTime()-cpu)/float64(n), "cpu-ns/op")
			if readers > 0 {
				b.ReportMetric(float64(received.Load()-before)/time.Since(began).Seconds(), "reads/s")
			}
		})
	}
}

// Publishing flat out costs the same with 0 and with 1,000 readers: within 3 times, in processor time of the
// publishing thread, so that it holds on a busy machine too.
func TestPublishCostsTheSame(t *testing.T) {
	const most, publishes = 3, 50000
	cost := make(map[int]time.Duration)
	for _, readers := range []int{0, 1000} {
		t.Run(fmt.Sprintf("readers=%d", readers), func(t *testing.T) {
			job, received := attach(t, readers)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before, cpu := received.Load(), threadTime()
			for n := range publishes {
				job.Publish(payload(n))
			}
			cost[readers] = (threadTime() - cpu) / publishes
			if readers > 0 && received.Load() == before {
				t.Error("the readers got nothing meanwhile")
			}
		})
	}
	t.Logf("processor time per Publish: %v without readers, %v with 1,000", cost[0], cost[1000])
	if cost[1000] > most*cost[0] {
		t.Errorf("Publish costs %v with 1,000 readers and %v without, want at most %d times as much", cost[1000], cost[0], most)
	}
}

// threadTime returns the processor time of the calling thread so far.
func threadTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var r syscall.Rusage
	if err := syscall.Getrusage(thisThread, &r); err != nil {
		panic("bench: getrusage: " + err.Error())
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// attach starts a job with that many clients reading its stream, until b ends, and a counter of what they read.
func attach(b testing.TB, readers int) (*progress.Job, *atomic.Int64) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	tracker := progress.New(ctx, 0, 0, nil)
	job, _ := tracker.Start("scan")
	job.Publish(payload(0))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := tracker.Serve(w, r, "scan"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			b.Errorf("Serve: %v", err)
		}
	})
	var received atomic.Int64
	b.Cleanup(func() {
		stop()
		server.Close()
		wg.Wait()
	})
	for range readers {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")); err != nil {
			b.Fatal(err)
		}
		first := make(chan struct{})
		wg.Go(func() {
			defer conn.Close()
			p := make([]byte, 4096)
			for n := 0; ; n++ {
				if _, err := conn.Read(p); err != nil {
					return
				}
				if n == 0 {
					close(first)
				}
				received.Add(1)
			}
		})
		select {
		case <-first:
		case <-time.After(10 * time.Second):
			b.Fatal("a reader got nothing within 10 s")
		}
	}
	return job, &received
}

// BenchmarkIdleJob shows what a job that waits costs: heap bytes and goroutines for each of 20,000 topics with one
// snapshot of 200 bytes and no stream, running and retained.
func BenchmarkIdleJob(b *testing.B) {
	const jobs = 20000
	for _, retained := range []bool{false, true} {
		name := "running"
		if retained {
			name = "retained"
		}
		b.Run(name, func(b *testing.B) {
			var perJob, goroutines float64
			idle := runtime.NumGoroutine()
			for b.Loop() {
				ctx, stop := context.WithCancel(context.Background())
				tracker := progress.New(ctx, time.Hour, 0, nil)
				tracker.Start("first")
				before, goBefore := heap(), runtime.NumGoroutine()
				for i := range jobs {
					job, _ := tracker.Start(fmt.Sprint("scan/", i))
					job.Publish(payload(i))
					if retained {
						job.Finish(payload(i))
					}
				}
				perJob = float64(heap()-before) / jobs
				goroutines = float64(runtime.NumGoroutine()-goBefore) / jobs
				if _, isNew := tracker.Start("first"); isNew { // and keeps the tracker until here
					b.Fatal("the first job has gone")
				}
				stop()
				for runtime.NumGoroutine() > idle { // what the tracker held is garbage only then
					time.Sleep(time.Millisecond)
				}
			}
			b.ReportMetric(perJob, "B/job")
			b.ReportMetric(goroutines, "goroutines/job")
		})
	}
}

// heap returns the bytes in use after a full collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
