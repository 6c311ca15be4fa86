package sse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tidewire/tidewire/sse"
)

// A reader that does not read leaves the kernel a few snapshots to keep, and gets the newest once it reads: what it finds
// is not what a send buffer of megabytes was given long ago.
func TestSlowReaderIsNotStale(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, e engine) {
		t.Parallel()
		const count = 5000 // of 200 bytes: 1 MB, which a send buffer takes if it may
		delivered := make(chan bool, count)
		f, srv := newNetFixture(t, e, &sse.HubOptions{Observer: &sse.Observer{Delivered: func(time.Duration) { delivered <- true }}}, nil)
		a := f.topic("a")
		a.Open("r")
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(conn, "GET /one/a HTTP/1.1\r\nHost: x\r\n\r\n")
		var got []byte
		read := func(until string) {
			t.Helper()
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			for buf := make([]byte, 4096); !bytes.Contains(got, []byte(until)); {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatalf("%v after %d bytes, want %q", err, len(got), until)
				}
				got = append(got, buf[:n]...)
			}
		}
		read("\n:\n") // the stream has begun
		taken := 0
		patience := time.After(time.Minute)
		for n, stuck := 1, false; n <= count; n++ {
			publish(t, a, fmt.Sprintf("~%d~%s", n, strings.Repeat("x", 180)))
			for !stuck && taken < n {
				select {
				case <-delivered:
					taken++
				case <-time.After(100 * time.Millisecond): // nobody takes it any more, or this machine is busy
					stuck = taken > 0
				case <-patience:
					t.Fatal("no snapshot was delivered")
				}
			}
		}
		// The receive buffer, 4 KB unsent and a segment or two hold some hundred; a send buffer alone would hold all.
		if taken += len(delivered); taken > 1000 {
			t.Errorf("the kernel took %d of %d snapshots for a reader that did not read, want a few", taken, count)
		}
		read(fmt.Sprintf("~%d~", count)) // the newest comes once it reads
	})
}

// 10,000 connections, or as many as 1.5 seconds are enough for, are opened and closed under a running fan-out, so that
// descriptors are used again all the time. Every stream carries the events of its own topic, and in the end no descriptor
// and no goroutine is left.
func TestConnectionsComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		const workers, topics = 16, 8
		const most, enough = 10_000, 1500 * time.Millisecond
		before, goroutines := descriptors(t), runtime.NumGoroutine()
		f, srv := newNetFixture(t, e, &sse.HubOptions{Heartbeat: 50 * time.Millisecond}, nil)
		stop := make(chan bool)
		var publisher, clients sync.WaitGroup
		for i := range topics {
			f.topic(fmt.Sprint(i)).Open("r")
			publish(t, f.topic(fmt.Sprint(i)), own(i))
		}
		publisher.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					publish(t, f.topic(fmt.Sprint(i%topics)), own(i%topics))
					if i%topics == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			}
		})
		var total atomic.Int64
		start := time.Now()
		for range workers {
			clients.Go(func() {
				buf := make([]byte, 32<<10)
				for time.Since(start) < enough && !t.Failed() && total.Add(1) <= most {
					i := rand.N(topics)
					conn, err := net.Dial("tcp", srv.Listener.Addr().String())
					if err != nil {
						t.Errorf("dial: %v", err)
						return
					}
					_ = conn.SetDeadline(time.Now().Add(patience))
					fmt.Fprintf(conn, "GET /one/%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
					seen := 0
					for reads := 1 + rand.N(3); reads > 0; reads-- {
						n, err := conn.Read(buf[seen:])
						if err != nil {
							t.Errorf("read: %v", err)
							break
						}
						seen += n
					}
					for j := range topics {
						if n := bytes.Count(buf[:seen], []byte(own(j))); j != i && n > 0 {
							t.Errorf("a stream of topic %d has an event of topic %d", i, j)
						} else if j == i && n == 0 {
							t.Errorf("a stream of topic %d has none of its events: %q", i, buf[:seen])
						}
					}
					if rand.N(2) == 0 {
						_ = conn.(*net.TCPConn).SetLinger(0) // a reset
					}
					conn.Close()
				}
			})
		}
		clients.Wait()
		t.Logf("%d connections", min(total.Load(), most))
		for range min(total.Load(), most) {
			if err := within(t, "departure", f.results); err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		}
		close(stop)
		publisher.Wait()
		if topics, streams := f.hub.Size(); streams != 0 {
			t.Errorf("the hub holds %d topics and %d streams, want no stream", topics, streams)
		}
		f.cancel()
		srv.Close()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			files, running := descriptors(t), runtime.NumGoroutine()
			if files <= before && running <= goroutines {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d descriptors and %d goroutines, want %d and %d as before", files, running, before, goroutines)
			}
		}
	})
}

func own(topic int) string { return fmt.Sprintf("of topic %d only", topic) }

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A client that vanishes without a word, as one that has lost its network does: nothing that is sent to it arrives. The
// kernel gives it up when what was sent has not been acknowledged for TCP_USER_TIMEOUT, which is shortened here; if the
// stream has much to say, StallTimeout may come first.
func TestHalfOpenClient(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, e engine) {
		t.Parallel()
		ends := make(chan sse.Ended, 1)
		f, srv := newNetFixture(t, e, &sse.HubOptions{
			Heartbeat:    200 * time.Millisecond,
			StallTimeout: time.Hour,
			Observer:     &sse.Observer{Ended: func(e sse.Ended) { ends <- e }},
		}, func(srv *httptest.Server) {
			srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
				raw, _ := c.(*net.TCPConn).SyscallConn()
				_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18, 1000) })
				return ctx
			}
		})
		f.topic("a").Open("r")
		conn, _ := ask(t, srv, "GET /one/a HTTP/1.1\r\nHost: x\r\n\r\n")
		raw, _ := conn.SyscallConn()
		_ = raw.Control(func(fd uintptr) {
			drop := []syscall.SockFilter{{Code: syscall.BPF_RET}} // keep 0 bytes of every packet: none arrives
			program := syscall.SockFprog{Len: 1, Filter: &drop[0]}
			content := unsafe.String((*byte)(unsafe.Pointer(&program)), unsafe.Sizeof(program))
			if err := syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER, content); err != nil {
				t.Errorf("drop packets: %v", err)
			}
		})
		want := []sse.Cause{sse.CauseTimeout}
		if e.name == "goroutine" {
			want = append(want, sse.CauseLeft, sse.CauseReset) // all that net/http says, unless a heartbeat gets the error first
		}
		start := time.Now()
		end := within(t, "end", ends)
		if d := time.Since(start); !slices.Contains(want, end.Cause) || d > 10*time.Second {
			t.Errorf("ended after %v, %v, want %v within a few seconds", d, end.Cause, want)
		}
	})
}

// Streams that were handed off end with their hub, the stuck ones included, and hold nothing afterwards.
func TestHandedOffStreamsEndWithTheHub(t *testing.T) {
	f := newHubFixture(t, nil)
	a := f.topic("a")
	srv := serve(t, f.hub.Handler(one(a)), nil)
	var idle []io.Reader
	for range 20 {
		_, resp := ask(t, srv, plain)
		idle = append(idle, resp.Body)
	}
	for range 20 {
		ask(t, srv, plain) // stuck: it reads no more than the head
	}
	quiet := serve(t, f.hub.Handler(one(f.topic("b"))), nil)
	_, resp := ask(t, quiet, plain)
	publish(t, a, strings.Repeat("x", 8<<20))
	var readers sync.WaitGroup
	for _, r := range idle {
		readers.Go(func() { _, _ = io.Copy(io.Discard, r) })
	}
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	f.cancel()
	for range 41 {
		within(t, "end", f.results)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("an idle stream ends with %v, want the end of the body", err)
	}
	readers.Wait()
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("streams ended %v after their hub, want promptly", d)
	}
	late, err := http.Get(srv.URL)
	if err != nil || late.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request after the hub's end: %v, %v, want 503", late, err)
	}
}
