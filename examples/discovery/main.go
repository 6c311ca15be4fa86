// Command discovery finds the open TCP ports of a loopback address, and shows its progress to all visitors. Open
// http://127.0.0.1:8483 in a few windows, or use
//
//	curl -X POST   http://127.0.0.1:8483/discovery/127.0.0.1    start, or join the scan that runs
//	curl -N        http://127.0.0.1:8483/discovery/127.0.0.1    watch it
//	curl -X DELETE http://127.0.0.1:8483/discovery/127.0.0.1    cancel it
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"path"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/sse/progress"
)

//go:embed page.html
var page []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	tracker := progress.New(context.Background(), time.Minute, 15*time.Second, nil)
	server := &http.Server{Addr: "127.0.0.1:8483", Handler: handler(tracker, 1<<16-1)}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	log.Printf("open http://%s", server.Addr)
	<-ctx.Done()
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(tracker.Shutdown(patience), server.Shutdown(patience)); err != nil {
		log.Fatal(err)
	}
}

// handler serves the page and the scans, up to port last.
func handler(tracker *progress.Tracker, last int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(page) })
	mux.Handle("GET /tidewire.js", web.Handler()) // another program serves a copy of the file
	mux.Handle("/discovery/{host}", progress.Handler(tracker, progress.HandlerOptions{
		Topic: topic,
		Work: func(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
			return scan(ctx, report, r.PathValue("host"), last)
		},
	}))
	return http.NewCrossOriginProtection().Handler(mux)
}

// topic makes requests for one address share a scan. Other machines are not ours to scan.
func topic(r *http.Request) string {
	addr, err := netip.ParseAddr(r.PathValue("host"))
	if err != nil || !addr.IsLoopback() {
		return ""
	}
	return path.Join("discovery", addr.String())
}

// scan connects to each port up to last, 32 at a time, and returns those that answer.
func scan(ctx context.Context, report *progress.Reporter, host string, last int) ([]int, error) {
	var mu sync.Mutex // guards the two below
	done, open := 0, []int{}
	ports := make(chan int)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for port := range ports {
				ok := answers(ctx, host, port)
				mu.Lock()
				if done++; ok {
					open = append(open, port)
				}
				if ok || done%256 == 0 || done == last {
					report.Step(done, last, fmt.Sprintf("%d of %d ports, %d open", done, last, len(open)))
				}
				mu.Unlock()
			}
		})
	}
	for port := 1; port <= last && ctx.Err() == nil; port++ {
		ports <- port
	}
	close(ports)
	workers.Wait()
	slices.Sort(open)
	return open, ctx.Err()
}

// answers reports whether something listens on port.
func answers(ctx context.Context, host string, port int) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	defer conn.Close()
	return conn.LocalAddr().String() != conn.RemoteAddr().String() // it can happen to connect to itself
}
