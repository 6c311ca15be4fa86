package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
		// The drain may ask for a heartbeat again that is just being written.
		if took := time.Since(begin); took > 61*time.Second || comments < 3 || comments > 5 {
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

// However often streams that pause are looked at as they end, the others with a pause are woken by what is published.
func TestPausesThatEndTwice(t *testing.T) {
	for _, e := range withPause(time.Minute) {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, e, nil)
				a, hold := f.topic("a"), f.topic("hold")
				say(t, a, "0")
				held := make(chan bool)
				for range 4 { // of each dispatcher
					defer hold.OnPublish(func() { <-held })()
				}
				for range 20 {
					say(t, hold, "x") // what is to be looked at from now on waits
					synctest.Wait()
					for range 5 {
						f.srv.Open(t, "/one/a", nil)
					}
					synctest.Wait()
					for range 10 {
						f.hub.End(func(any) bool { return true }, "")
						synctest.Wait()
					}
					close(held)
					synctest.Wait()
					held = make(chan bool)
				}
				if awake := f.hub.Awake(); awake != 0 {
					t.Errorf("%d streams with a pause are counted, want none", awake)
				}
				close(held)
				a.Open("next")
				stream := f.srv.Open(t, "/one/a", nil)
				synctest.Wait()
				begin := time.Now()
				say(t, a, "1")
				wantNext(t, stream, "1")
				if took := time.Since(begin); took > 0 {
					t.Errorf("the event came after %v, want at once", took)
				}
			})
		})
	}
}

// After a pause a stream gets all that its topic keeps, however many writes that takes.
func TestAPauseOfABacklog(t *testing.T) {
	for _, e := range withPause(10 * time.Second) {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, e, nil)
				a := f.backlog("a", 100)
				say(t, a, "0")
				stream := f.srv.Open(t, "/one/a", nil)
				wantNext(t, stream, "0")
				begin := time.Now()
				go func() {
					for n := range 200 {
						if n%50 == 0 {
							time.Sleep(time.Until(begin.Add(time.Duration(n/50*10+1) * time.Second)))
						}
						say(t, a, "%d", n+1)
					}
				}()
				for n := range 200 {
					wantNext(t, stream, fmt.Sprint(n+1))
					if got, want := time.Since(begin), time.Duration(n/50*10+10)*time.Second; got != want {
						t.Fatalf("event %d came after %v, want %v", n+1, got, want)
					}
				}
			})
		})
	}
}

// A heartbeat that a connection cannot take at once does not end the pause.
func TestAPauseIsNotCutShortByAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		hub.TakeMemorySockets()
		topic := hub.Topic("a", sse.TopicOptions{})
		say(t, topic, "first")
		var mu sync.Mutex
		var got []string
		begin := time.Now()
		write := func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%v %q", time.Since(begin), p))
			return len(p), nil
		}
		handOffWith(t, hub, topic, sse.StreamOptions{HandOff: true, Pause: time.Minute}, &stub{
			tryWrite: func(p []byte) (int, error) {
				if string(p) == ":\n" {
					return 0, nil
				}
				return write(p)
			},
			write: func(p []byte) (int, error) { time.Sleep(6 * time.Second); return write(p) },
		})
		say(t, topic, "second")
		time.Sleep(59 * time.Second)
		synctest.Wait()
		mu.Lock()
		if strings.Contains(fmt.Sprint(got), "second") {
			t.Errorf("an event came in the pause: %s", got)
		}
		mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if last := got[len(got)-1]; !strings.HasPrefix(last, "1m3s") || !strings.Contains(last, "second") {
			t.Errorf("written: %s, want the second event last, after 1m3s, when the connection is free", got)
		}
	})
}
