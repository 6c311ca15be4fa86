package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// stub is a connection to hand off, which takes everything unless tryWrite and write say otherwise.
type stub struct {
	net.Conn
	tryWrite func([]byte) (int, error)
	write    func([]byte) (int, error)
	closed   atomic.Bool
}

func (s *stub) TryWrite(p []byte) (int, error)   { return s.tryWrite(p) }
func (s *stub) Write(p []byte) (int, error)      { return s.write(p) }
func (s *stub) Left() bool                       { return false }
func (s *stub) SetWriteDeadline(time.Time) error { return nil }
func (s *stub) Close() error                     { s.closed.Store(true); return nil }

// hijackable is a ResponseWriter whose connection is a stub.
type hijackable struct {
	*ssetest.Writer
	conn *stub
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// handOff hands a stream of topic off whose connection is conn.
func handOff(t testing.TB, hub *sse.Hub, topic *sse.Topic, conn *stub) {
	handOffWith(t, hub, topic, sse.StreamOptions{HandOff: true}, conn)
}

func handOffWith(t testing.TB, hub *sse.Hub, topic *sse.Topic, opts sse.StreamOptions, conn *stub) {
	ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, &net.TCPAddr{})
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
	if err := hub.With(opts).Serve(hijackable{&ssetest.Writer{}, conn}, req, topic); err != nil {
		t.Error(err)
	}
}

// A reader that was behind gets up to 16 events, or 16 KB, in a write.
func TestEventsAreJoined(t *testing.T) {
	for _, tt := range []struct{ size, events, want string }{
		{"1", "40", "[16 16 8]"},
		{"5000", "7", "[3 3 1]"},
		{"20000", "3", "[1 1 1]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var size, events int
			fmt.Sscan(tt.size, &size)
			fmt.Sscan(tt.events, &events)
			hub := newHub(t, nil)
			hub.TakeMemorySockets()
			topic := hub.Topic("log", sse.TopicOptions{Backlog: 100})
			release, stuck, writes := make(chan bool), true, []int(nil)
			handOff(t, hub, topic, &stub{
				tryWrite: func(p []byte) (int, error) {
					if stuck {
						stuck = false
						return 3, nil
					}
					writes = append(writes, strings.Count(string(p), "data:"))
					return len(p), nil
				},
				write: func(p []byte) (int, error) {
					<-release
					if !strings.HasSuffix(string(p), "data: first\n\n") || strings.HasPrefix(string(p), "id:") {
						t.Errorf("the rest of the event that was begun = %q", p)
					}
					return len(p), nil
				},
			})
			publish(t, topic, "first")
			synctest.Wait()
			for range events {
				publish(t, topic, strings.Repeat("x", size))
			}
			close(release)
			synctest.Wait()
			expect(t, "events a write", fmt.Sprint(writes), tt.want)
		})
	}
}

// Passing an event on to a connection allocates nothing.
func TestDeliveryAllocatesNothing(t *testing.T) {
	const streams, events = 200, 100
	hub := newHub(t, nil)
	hub.TakeMemorySockets()
	topic := hub.Topic("a", sse.TopicOptions{})
	var delivered sync.WaitGroup
	for range streams {
		handOff(t, hub, topic, &stub{tryWrite: func(p []byte) (int, error) { delivered.Done(); return len(p), nil }})
	}
	data := []byte(strings.Repeat("x", 200))
	round := func() {
		delivered.Add(streams)
		if err := topic.Publish(sse.Event{Data: data}); err != nil {
			t.Error(err)
		}
		delivered.Wait()
	}
	round()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range events {
		round()
	}
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / (streams * events); n > 0.1 { // publishing allocates the frame
		t.Errorf("%.2f allocations a delivery, want next to none", n)
	}
}

// Hubs start and stop while streams are handed off, borrowed and given back. The bubble fails the test if a goroutine stays.
func TestHandOffStartStop(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			hub := sse.NewHub(ctx, nil)
			hub.TakeMemorySockets()
			topic := hub.Topic("a", sse.TopicOptions{})
			var all sync.WaitGroup
			var conns []*stub
			for i := range 20 {
				conn := &stub{
					tryWrite: func(p []byte) (int, error) { return len(p) / (1 + i%2), nil },
					write:    func(p []byte) (int, error) { time.Sleep(time.Duration(i) * 100 * time.Millisecond); return len(p), nil },
				}
				conns = append(conns, conn)
				all.Go(func() {
					time.Sleep(time.Duration(i) * 200 * time.Millisecond)
					handOff(t, hub, topic, conn)
				})
				all.Go(func() {
					time.Sleep(time.Duration(i) * 200 * time.Millisecond)
					_ = topic.Publish(event("x"))
				})
			}
			all.Go(func() { time.Sleep(2 * time.Second); _ = hub.Drain(ctx) })
			all.Go(func() { time.Sleep(3 * time.Second); cancel() })
			all.Wait()
			synctest.Wait()
			time.Sleep(5 * time.Second)
			if _, streams := hub.Size(); streams != 0 {
				t.Errorf("the hub holds %d streams, want none", streams)
			}
			for i, conn := range conns[:10] { // those that came before the drain
				if !conn.closed.Load() {
					t.Errorf("connection %d is still open", i)
				}
			}
		})
	}
}
