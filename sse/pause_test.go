package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// withPause are the engines, for streams of a pause.
func withPause(pause time.Duration) []engine {
	return []engine{
		withOptions("goroutine", sse.StreamOptions{KeepConnection: true, Pause: pause}, memoryServer),
		withOptions("handoff", sse.StreamOptions{HandOff: true, Pause: pause}, handOffServer),
		withOptions("blocking", sse.StreamOptions{Pause: pause}, handOffServer),
	}
}

// sparse runs test in a bubble, with streams of the topics a and b that pause, on each engine.
func sparse(
	t *testing.T, pause time.Duration, test func(t *testing.T, f *fixture, a, b *sse.Topic, open func() *ssetest.Stream),
) {
	for _, e := range withPause(pause) {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, e, &sse.HubOptions{DrainWindow: time.Millisecond})
				test(t, f, f.topic("a"), f.topic("b"), func() *ssetest.Stream { return f.srv.Open(t, "/all/a,b", nil) })
				want := int64(1)
				if e.name == "goroutine" {
					want = 0
				}
				if got := f.opened[sse.EngineHandOff].Load(); got != want {
					t.Errorf("%d streams were handed off, want %d", got, want)
				}
			})
		})
	}
}

func say(t *testing.T, topic *sse.Topic, format string, args ...any) {
	t.Helper()
	if err := topic.Publish(sse.Event{Data: fmt.Appendf(nil, format, args...)}); err != nil {
		t.Error(err)
	}
}

func TestAPauseBetweenEvents(t *testing.T) {
	sparse(t, 500*time.Millisecond, func(t *testing.T, _ *fixture, a, b *sse.Topic, open func() *ssetest.Stream) {
		say(t, a, "a0")
		stream := open()
		begin := time.Now()
		go func() {
			for n := 1; n <= 20; n++ {
				time.Sleep(90 * time.Millisecond)
				say(t, a, "a%d", n)
				if n == 3 || n == 12 {
					say(t, b, "b%d", n)
				}
			}
			time.Sleep(10 * time.Second)
			say(t, b, "late")
		}()
		var got []string
		for len(got) < 8 {
			ev, err := stream.Next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%v %s", time.Since(begin), ev.Data))
		}
		want := []string{"0s a0", "500ms b3", "500ms a5", "1s a11", "1.5s b12", "1.5s a16", "2s a20", "11.8s late"}
		if !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// A pause that is longer than the heartbeats' silence holds up neither them nor the drain.
func TestAPauseBeatsAndDrains(t *testing.T) {
	sparse(t, time.Hour, func(t *testing.T, f *fixture, a, _ *sse.Topic, open func() *ssetest.Stream) {
		say(t, a, "1")
		stream := open()
		begin := time.Now()
		say(t, a, "2")
		go func() {
			time.Sleep(time.Minute)
			if err := f.hub.Drain(context.Background()); err != nil {
				t.Errorf("Drain = %v", err)
			}
		}()
		var comments int
		var data []string
		for lines := bufio.NewScanner(stream.Response.Body); lines.Scan(); {
			switch text := lines.Text(); {
			case text == ":":
				comments++
			case len(text) > 6 && text[:6] == "data: ":
				data = append(data, text[6:])
			}
		}
		if took := time.Since(begin); took > 61*time.Second || comments < 3 || comments > 4 {
			t.Errorf("the stream ended after %v with %d heartbeats, want 1m0s and one every 15 s", took, comments)
		}
		if len(data) == 0 || data[0] != "1" {
			t.Errorf("data %q, want 1 first", data)
		}
	})
}

// A stream that ends while it rests is let go at once, and the others go on; one that is stuck rests once it has written.
func TestAPauseOfManyStreams(t *testing.T) {
	for _, e := range withPause(10 * time.Second) {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, e, nil)
				a := f.topic("a")
				a.Open("r")
				publish(t, a, "0")
				var streams []*ssetest.Stream
				for range 5 {
					stream := f.srv.Open(t, "/one/a", nil)
					streams = append(streams, stream)
					wantNext(t, stream, "0")
					time.Sleep(time.Second)
				}
				streams[1].Close()
				time.Sleep(9 * time.Second) // more than until it is noticed
				if _, open := f.hub.Size(); open != 4 {
					t.Errorf("the hub holds %d streams, want 4", open)
				}
				large := strings.Repeat("x", 64<<10) // more than the connection holds
				publish(t, a, large)
				time.Sleep(7 * time.Second) // stuck
				for i, stream := range streams {
					if i != 1 {
						wantNext(t, stream, large)
					}
				}
				synctest.Wait() // all rest
				read := time.Now()
				publish(t, a, "skipped")
				publish(t, a, "last")
				for i, stream := range streams {
					if i != 1 {
						wantNext(t, stream, "last")
					}
				}
				if took := time.Since(read); took != 10*time.Second {
					t.Errorf("the last event came %v after the large one was read, want 10s", took)
				}
			})
		})
	}
}

func wantNext(t *testing.T, stream *ssetest.Stream, want string) {
	t.Helper()
	ev, err := stream.Next()
	if err != nil || string(ev.Data) != want {
		t.Fatalf("event %.20q, %v, want %.20q", ev.Data, err, want)
	}
}
