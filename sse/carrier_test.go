package sse_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// failing is a writer of an application's that does something else with what contains a word.
type failing struct {
	http.ResponseWriter
	word string
	do   func()
}

func (f failing) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f failing) Write(p []byte) (int, error) {
	if strings.Contains(string(p), f.word) {
		f.do()
	}
	return f.ResponseWriter.Write(p)
}

// What a writer does to its goroutine, which need not be the handler's, is done to the handler: at the first write and
// at any later one.
func TestAWriterPanicsInItsHandler(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func()
		want any
	}{
		"panic": {func() { panic("boom") }, "boom"},
		"abort": {func() { panic(http.ErrAbortHandler) }, http.ErrAbortHandler},
		"exit":  {runtime.Goexit, http.ErrAbortHandler},
	} {
		for _, word := range []string{"first", "second"} {
			t.Run(name+" "+word, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				hub := sse.NewHub(ctx, nil)
				topic := hub.Topic("a", sse.TopicOptions{})
				say(t, topic, "first")
				got := make(chan any, 1)
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() {
						v := recover()
						got <- v
						panic(http.ErrAbortHandler)
					}()
					streams := hub.With(sse.StreamOptions{KeepConnection: true})
					_ = streams.Serve(failing{w, word, tt.do}, r, topic)
				}))
				defer srv.Close()
				resp, err := http.Get(srv.URL)
				if err == nil {
					defer resp.Body.Close()
					say(t, topic, "second")
				}
				select {
				case v := <-got:
					if v != tt.want {
						t.Errorf("the handler panicked with %v, want %v", v, tt.want)
					}
				case <-time.After(10 * time.Second):
					t.Error("the handler still waits")
				}
				if topic.Watched() {
					t.Error("the stream is still there")
				}
			})
		}
	}
}

// The goroutines that write have ended soon after what they wrote.
func TestIdleStreamsHaveNoWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		hub := sse.NewHub(ctx, nil)
		topic := hub.Topic("a", sse.TopicOptions{})
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = hub.With(sse.StreamOptions{KeepConnection: true}).Serve(w, r, topic)
		}))
		stream := srv.Open(t, "/", nil)
		carriers := func() int {
			synctest.Wait()
			stacks, n := make([]byte, 1<<20), 0
			for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
				head, frames, _ := strings.Cut(stack, "\n") // those of earlier tests may still be there
				if strings.Contains(head, "synctest bubble") && strings.Contains(frames, "sse.(*Hub).carry(") {
					n++
				}
			}
			return n
		}
		synctest.Wait() // the timekeeper looks once when a stream begins
		say(t, topic, "first")
		if ev, err := stream.Next(); err != nil || string(ev.Data) != "first" {
			t.Fatalf("Next = %q, %v", ev.Data, err)
		}
		if n := carriers(); n != 1 {
			t.Errorf("%d goroutines write to the stream, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if n := carriers(); n != 0 {
			t.Errorf("%d goroutines write to the idle stream, want none", n)
		}
		say(t, topic, "last")
		if ev, err := stream.Next(); err != nil || string(ev.Data) != "last" {
			t.Errorf("Next = %q, %v", ev.Data, err)
		}
	})
}
