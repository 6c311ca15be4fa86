package progress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Start, Publish, Finish, Serve, Watch, Cancel, expiry and the end of the Tracker in any order: every stream gets one
// run's snapshots in order and at most one terminal, the last, and everything comes to its end.
func TestStress(t *testing.T) {
	for round := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		tracker, err := progress.Open(ctx, snapshot.NewMemory(), &progress.Options{Retention: 300 * time.Microsecond})
		if err != nil {
			t.Fatal(err)
		}
		topic := func() string { return fmt.Sprint("a", rand.IntN(3)) }
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { // workers
				for range 300 {
					job, isNew := tracker.Start(topic())
					if rand.IntN(4) == 0 {
						job, isNew = tracker.StartOrJoin(topic())
					}
					if !isNew {
						continue
					}
					for n := range rand.IntN(20) {
						job.Publish(n)
					}
					go job.Publish(1000) // late or not
					go job.Retain(time.Duration(rand.IntN(600)) * time.Microsecond)
					job.Finish("end")
				}
			})
			wg.Go(func() { // streams
				for range 100 {
					w := &ssetest.Writer{}
					rec := &recorder{}
					w.OnWrite = rec.Write
					rctx, stop := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
					err := tracker.Serve(w, httptest.NewRequest("GET", "/", nil).WithContext(rctx), topic())
					stop()
					if err != nil && !errors.Is(err, progress.ErrNoTopic) {
						t.Errorf("Serve() = %v", err)
					}
					rec.check(t)
				}
			})
			wg.Go(func() { // in process
				for range 100 {
					wctx, stop := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
					run, final := "", false
					for s, err := range tracker.Watch(wctx, topic()) {
						if err != nil {
							break
						}
						if final || run != "" && s.Run != run {
							t.Errorf("Watch yielded %v after run %q, final %v", s, run, final)
						}
						run, final = s.Run, s.Final
					}
					stop()
					tracker.Cancel(topic())
				}
			})
		}
		if round%2 == 1 {
			time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, cancel)
		}
		wg.Wait()
		cancel()
	}
}

// recorder keeps what a stream wrote.
type recorder struct{ b strings.Builder }

func (r *recorder) Write(p []byte) (int, error) { return r.b.Write(p) }

// data returns the data of all events, unquoted.
func (r *recorder) data(t *testing.T) string {
	t.Helper()
	var all []string
	for ev, err := range sse.Read(strings.NewReader(r.b.String()), nil) {
		if err != nil {
			t.Errorf("what the stream wrote ends with %v", err)
		} else if ev.Data != nil {
			all = append(all, strings.Trim(string(ev.Data), `"`))
		}
	}
	return strings.Join(all, " ")
}

// check looks at the events: one run, rising numbers, the terminal last.
func (r *recorder) check(t *testing.T) {
	run, last := "", int64(-1)
	for ev, err := range sse.Read(strings.NewReader(r.b.String()), nil) {
		if err != nil || ev.Data == nil {
			continue
		}
		id, n, ok := strings.Cut(ev.ID, "-")
		if run != "" && id != run {
			t.Errorf("stream changed from run %q to %q", run, id)
		}
		run = id
		num := int64(1 << 62)
		if n != "end" {
			var err error
			if num, err = strconv.ParseInt(n, 10, 64); err != nil || !ok {
				t.Errorf("event id %q", ev.ID)
			}
		}
		if num <= last {
			t.Errorf("event %q came after %d", ev.ID, last)
		}
		last = num
	}
}

// Under a flood, over real sockets: every reader sees growing snapshots and ends with the terminal; one that stops
// reading is cut off while the publisher and the others see nothing of it.
func TestFlood(t *testing.T) {
	const readers, stall = 20, 2 * time.Second
	ctx := t.Context()
	hub := sse.NewHub(ctx, &sse.HubOptions{StallTimeout: stall})
	tracker, err := progress.Open(ctx, snapshot.NewMemory(), &progress.Options{Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	job := mustStart(t, tracker, "a")
	job.Publish(payload(0))
	cutOff := make(chan time.Time, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := tracker.Serve(w, r, "a")
		if err != nil {
			t.Errorf("Serve() = %v", err)
		}
		if r.URL.Path == "/stuck" {
			cutOff <- time.Now()
		}
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(16 << 10) // otherwise the kernel takes megabytes before a write is stuck
		return ctx
	}
	server.Start()
	defer server.Close()

	// The stuck one asks and never reads.
	dialer := net.Dialer{}
	stuck, err := dialer.DialContext(ctx, "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if err := stuck.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	io.WriteString(stuck, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")

	var attached, wg sync.WaitGroup
	attached.Add(readers)
	for range readers {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			resp, err := client.Get(server.URL)
			if err != nil {
				t.Errorf("GET: %v", err)
				attached.Done()
				return
			}
			defer resp.Body.Close()
			last, events, terminal := -1, 0, false
			for ev, err := range sse.Read(resp.Body, nil) {
				if err != nil {
					break
				}
				if ev.Data == nil {
					continue
				}
				if terminal {
					t.Errorf("event %q after the terminal", ev.ID)
				}
				if events++; events == 1 {
					attached.Done()
				}
				if terminal = strings.HasSuffix(ev.ID, "-end"); terminal {
					continue
				}
				head, _, _ := strings.Cut(strings.Trim(string(ev.Data), `"`), " ")
				n, err := strconv.Atoi(head)
				if err != nil || n <= last {
					t.Errorf("snapshot %d (%v) came after %d", n, err, last)
				}
				last = n
			}
			if !terminal {
				t.Errorf("a stream ended after snapshot %d without the terminal", last)
			}
			if events < 3 {
				t.Errorf("a stream got %d events, want some of the flood", events)
			}
		})
	}
	attached.Wait()
	var longest time.Duration
	began := time.Now()
	wasCut := time.Time{}
	n := 0
	for wasCut.IsZero() && time.Since(began) < 20*time.Second {
		n++
		before := time.Now()
		job.Publish(payload(n))
		longest = max(longest, time.Since(before))
		select {
		case wasCut = <-cutOff:
		case <-time.After(time.Millisecond):
		}
	}
	job.Finish("end")
	wg.Wait()
	if wasCut.IsZero() {
		t.Errorf("the reader that never reads was still served after %v", time.Since(began))
	}
	t.Logf("%d snapshots, longest Publish %v, stuck reader cut off after %v", n, longest, wasCut.Sub(began))
}

// payload is a snapshot of some 4 KB, so that a flood fills the kernel's buffers.
func payload(n int) string { return strconv.Itoa(n) + " " + strings.Repeat("x", 4000) }
