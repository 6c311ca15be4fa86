package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

func newHub(t *testing.T, opts *sse.HubOptions) *sse.Hub {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return sse.NewHub(ctx, opts)
}

func latest(topic *sse.Topic) string {
	ev, ok := topic.Latest()
	if !ok {
		return "none"
	}
	return show(ev)
}

func TestTopicRuns(t *testing.T) {
	hub := newHub(t, nil)
	a := hub.Topic("a", sse.TopicOptions{})
	state := func() string {
		return fmt.Sprintf("%s %v %s", a.Run(), a.Ended(), latest(a))
	}
	for _, step := range []struct {
		do   string
		err  error
		want string
	}{
		{"", nil, " false none"},
		{"open r", nil, "r false none"},
		{"publish  1", nil, "r false r-1=1"},
		{"publish  2", nil, "r false r-2=2"},
		{"open r", nil, "r false r-2=2"}, // again: nothing happens
		{"publish r-9 3", nil, "r false r-9=3"},
		{"publish own 4", nil, "r false own=4"},
		{"publish a-b-c 5", nil, "r false a-b-c=5"}, // not of the form <run>-<n>
		{"publish x-y 6", nil, "r false x-y=6"},
		{"publish  7", nil, "r false r-10=7"}, // goes on after r-9,
		{"publish r-8 its own", nil, "r false r-8=its own"},
		{"publish r-09 8", nil, "r false r-09=8"}, // not the same as r-9
		{"close  end", nil, "r true r-end=end"},
		{"close  again", sse.ErrClosed, "r true r-end=end"},
		{"publish  late", sse.ErrClosed, "r true r-end=end"},
		{"publish r-10 late", sse.ErrClosed, "r true r-end=end"},
		{"open r", nil, "r true r-end=end"},
		{"publish s-4 8", nil, "s false s-4=8"},
		{"publish  9", nil, "s false s-5=9"},
		{"close t-end 10", nil, "t true t-end=10"},
		{"open u", nil, "u false none"},
		{"close bye 11", nil, "u true bye=11"},
		{"open v", nil, "v false none"},
	} {
		verb, rest, _ := strings.Cut(step.do, " ")
		var err error
		switch id, data, _ := strings.Cut(rest, " "); verb {
		case "open":
			a.Open(id)
		case "publish":
			err = a.Publish(sse.Event{ID: id, Data: []byte(data)})
		case "close":
			err = a.Close(sse.Event{ID: id, Data: []byte(data)})
		}
		if got := state(); got != step.want || err != step.err {
			t.Errorf("after %q: %q, error %v, want %q, %v", step.do, got, err, step.want, step.err)
		}
	}

	if err := a.Publish(sse.Event{ID: "a\nb"}); err == nil || latest(a) != "none" {
		t.Errorf("Publish(bad id) = %v and newest %s, want an error and nothing published", err, latest(a))
	}
	if err := a.Close(sse.Event{Name: "a\nb"}); err == nil || a.Ended() {
		t.Errorf("Close(bad name) = %v, ended %v, want an error and no end", err, a.Ended())
	}
	for _, run := range []string{"", "a-b", "a b", "ä", "x\n", strings.Repeat("x", 41)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Open(%q) does not panic", run)
				}
			}()
			a.Open(run)
		}()
	}

	b := hub.Topic("b", sse.TopicOptions{})
	publish(t, b, "1")
	if run := b.Run(); len(run) < 16 || latest(b) != run+"-1=1" {
		t.Errorf("published without Open: run %q, newest %s, want a random run", run, latest(b))
	}
	_ = b.Publish(sse.Event{Name: "x", Data: nil})
	if ev, _ := b.Latest(); ev.Data != nil || ev.Name != "x" {
		t.Errorf("Latest() = %+v, want nil Data", ev)
	}
	_ = b.Publish(sse.Event{Data: []byte{}})
	if ev, _ := b.Latest(); ev.Data == nil || len(ev.Data) != 0 {
		t.Errorf("Latest() = %+v, want Data empty, not nil", ev)
	}
}

func TestHubTopics(t *testing.T) {
	hub := newHub(t, nil)
	names := func() string {
		var got []string
		for topic := range hub.Topics() {
			got = append(got, topic.Name())
		}
		slices.Sort(got)
		return strings.Join(got, " ")
	}
	a := hub.Topic("a", sse.TopicOptions{Backlog: 3})
	if hub.Topic("a", sse.TopicOptions{}) != a {
		t.Errorf("Topic(a) twice gives two topics")
	}
	if _, ok := hub.Lookup("a"); ok {
		t.Errorf("Lookup(a) finds a topic without a run")
	}
	expect(t, "Topics without runs", names(), "")
	a.Open("r")
	hub.Topic("b", sse.TopicOptions{}).Open("s")
	if got, ok := hub.Lookup("a"); got != a || !ok {
		t.Errorf("Lookup(a) = %v, %v, want it", got, ok)
	}
	expect(t, "Topics", names(), "a b")

	if a.Remove("other") || a.Remove("") {
		t.Errorf("Remove of another run = true, want false")
	}
	expect(t, "Topics", names(), "a b")
	if !a.Remove("r") || a.Remove("r") {
		t.Errorf("Remove(r) = false, or true twice")
	}
	expect(t, "Topics after Remove", names(), "b")

	idle := hub.Topic("idle", sse.TopicOptions{})
	if !idle.Remove("") || hub.Topic("idle", sse.TopicOptions{}) == idle {
		t.Errorf("a topic without a run did not leave")
	}

	// The handle still names the topic, wherever it comes back.
	again := hub.Topic("a", sse.TopicOptions{})
	publish(t, again, "1")
	if a.Run() != again.Run() || latest(a) != latest(again) {
		t.Errorf("the old handle sees %s, the new one %s", latest(a), latest(again))
	}
	publish(t, a, "2")
	expect(t, "newest", latest(again), again.Run()+"-2=2")
	if !a.Remove(a.Run()) || again.Run() != "" {
		t.Errorf("Remove by the old handle leaves run %q", again.Run())
	}
	publish(t, a, "3")
	if got, ok := hub.Lookup("a"); !ok || latest(got) != latest(a) {
		t.Errorf("Publish by the old handle is not found")
	}

	func() {
		defer func() {
			if got := fmt.Sprint(recover()); !strings.Contains(got, `topic "a" is served by another hub`) {
				t.Errorf("Serve of another hub's topic: panic %v", got)
			}
		}()
		other := newHub(t, nil)
		_ = other.ServeAll(&ssetest.Writer{}, httptest.NewRequest("GET", "/", nil), a)
	}()
}

func TestTopicWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		a := hub.Topic("a", sse.TopicOptions{})
		a.Open("r")
		publish(t, a, "0", "1")
		got := make(chan string)
		watch := func(ctx context.Context, topic *sse.Topic) {
			go func() {
				defer close(got)
				for ev := range topic.Watch(ctx) {
					got <- show(ev)
				}
			}()
		}
		watch(t.Context(), a)
		expect(t, "newest", <-got, "r-2=1")
		publish(t, a, "2")
		expect(t, "live", <-got, "r-3=2")
		publish(t, a, "3")
		synctest.Wait() // it stands in the loop with 3
		publish(t, a, "skipped", "4")
		finish(t, a, "end")
		a.Open("s") // has no part in it
		for _, want := range []string{"r-4=3", "r-6=4", "r-end=end", ""} {
			expect(t, "rest", <-got, want)
		}

		got = make(chan string)
		watch(t.Context(), a)
		synctest.Wait()
		a.Remove("s")
		expect(t, "after Remove", <-got, "")

		got = make(chan string)
		ctx, cancel := context.WithCancel(t.Context())
		watch(ctx, a)
		synctest.Wait()
		publish(t, a, "5")
		if s := <-got; !strings.HasSuffix(s, "-1=5") {
			t.Errorf("once the topic is back = %q, want 5", s)
		}
		cancel()
		expect(t, "after ctx", <-got, "")

		got = make(chan string)
		b := hub.Topic("b", sse.TopicOptions{Backlog: 2})
		b.Open("r")
		watch(t.Context(), b)
		synctest.Wait()
		publish(t, b, "1")
		synctest.Wait()
		publish(t, b, "2", "3", "4")
		for _, want := range []string{"r-1=1", "gap(1)", "r-3=3", "r-4=4"} {
			expect(t, "of a backlog", <-got, want)
		}
		finish(t, b, "end")
		expect(t, "terminal", <-got, "r-end=end")
		<-got

		hubCtx, end := context.WithCancel(t.Context())
		c := sse.NewHub(hubCtx, nil).Topic("c", sse.TopicOptions{})
		got = make(chan string)
		watch(t.Context(), c)
		synctest.Wait()
		end()
		expect(t, "after the hub", <-got, "")

		publish(t, a, "6") // a loop that is left early
		for range a.Watch(t.Context()) {
			break
		}
	})
}

// A Watch of one run is of no other, and makes no topic.
func TestTopicWatchRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		a := hub.Topic("a", sse.TopicOptions{})
		watch := func(run string) <-chan string {
			got := make(chan string, 10)
			go func() {
				defer close(got)
				for ev := range a.WatchRun(t.Context(), run) {
					got <- show(ev)
				}
			}()
			synctest.Wait()
			return got
		}
		expect(t, "before the run", <-watch("r"), "")
		a.Open("r")
		got := watch("r")
		expect(t, "another run", <-watch("s"), "")
		publish(t, a, "1")
		expect(t, "live", <-got, "r-1=1")
		finish(t, a, "end")
		expect(t, "terminal", <-got, "r-end=end")
		expect(t, "after the terminal", <-got, "")
		expect(t, "retained", <-watch("r"), "r-end=end")
		a.Remove("r")
		expect(t, "removed", <-watch("r"), "")
		if _, ok := hub.Lookup("a"); ok {
			t.Error("WatchRun brought the topic back")
		}
		a.Open("s")
		expect(t, "replaced", <-watch("r"), "")
		defer func() {
			if recover() == nil {
				t.Error("WatchRun of a name that no run can have did not panic")
			}
		}()
		a.WatchRun(t.Context(), "a-1")
	})
}

// What depends on a topic is told of its changes, and counts as no reader.
func TestOnPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub := sse.NewHub(ctx, nil)
		a := hub.Topic("a", sse.TopicOptions{OnWatched: func(watched bool) { t.Errorf("OnWatched(%v)", watched) }})
		a.Publish(sse.Event{Data: []byte("0")})
		var calls atomic.Int32
		var seen string
		stop := a.OnPublish(func() {
			calls.Add(1)
			seen = latest(a)
			panic("contained")
		})
		expect := func(do string, want int32) {
			t.Helper()
			synctest.Wait()
			if got := calls.Swap(0); got != want || a.Watched() {
				t.Errorf("%s: %d calls, watched: %v, want %d and that it is not", do, got, a.Watched(), want)
			}
		}
		expect("at the beginning", 0)
		a.Publish(sse.Event{ID: "r-1", Data: []byte("1")})
		expect("publish", 1)
		if want := "r-1=1"; seen != want {
			t.Errorf("the function saw %s, want %s", seen, want)
		}
		a.Close(sse.Event{Data: []byte("2")})
		expect("close", 1)
		a.Remove("r")
		expect("remove", 1)
		hub.Topic("a", sse.TopicOptions{}).Open("s")
		expect("open, by another handle", 1)
		hub.Topic("b", sse.TopicOptions{}).Open("s")
		expect("open another topic", 0)
		stop()
		stop()
		a.Publish(sse.Event{Data: []byte("3")})
		expect("publish after stop", 0)

		again := a.OnPublish(func() { calls.Add(1) })
		again()
		a.Remove("s")
		calls.Store(0)
		stop = a.OnPublish(func() { calls.Add(1) }) // of a topic that has left the hub
		a.Publish(sse.Event{Data: []byte("4")})
		expect("publish to a topic that came back", 1)
		stop()
	})
}

func TestOnWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		calls := make(chan bool, 10)
		a := hub.Topic("a", sse.TopicOptions{OnWatched: func(watched bool) {
			calls <- watched
			time.Sleep(time.Second)
		}})
		expectCall := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if n := len(calls); n != 1 {
				t.Fatalf("%s: %d calls, want one, %v", when, n, want)
			}
			if got := <-calls; got != want {
				t.Errorf("%s: OnWatched(%v), want %v", when, got, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			go func() {
				for range a.Watch(ctx) {
				}
			}()
		}
		expectCall("ten watchers", true)
		time.Sleep(2 * time.Second)
		cancel()
		expectCall("all have left", false)

		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		go func() { // comes while that call lasts
			for range a.Watch(ctx) {
			}
		}()
		synctest.Wait()
		if len(calls) != 0 {
			t.Errorf("calls overlap")
		}
		time.Sleep(time.Second)
		expectCall("another watcher", true)
		cancel()
		time.Sleep(time.Second)
		expectCall("it has left", false)
		time.Sleep(time.Second)
	})
}

// OnWatched is called for a topic that comes back after it had left the hub as it is for any other.
func TestOnWatchedOfATopicThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, nil)
		calls, under := make(chan bool, 10), make(chan bool, 1)
		a := hub.Topic("a", sse.TopicOptions{OnWatched: func(watched bool) {
			select {
			case under <- true:
			default:
				t.Error("calls overlap")
			}
			calls <- watched
			time.Sleep(time.Second)
			<-under
		}})
		watch := func() (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for range a.Watch(ctx) {
				}
			}()
			synctest.Wait()
			return cancel
		}
		a.Open("r")
		stop := watch()
		time.Sleep(2 * time.Second)
		a.Remove("r")
		stop() // and a leaves the hub
		synctest.Wait()
		stop = watch()
		time.Sleep(3 * time.Second)
		if !a.Watched() {
			t.Error("the topic is not watched")
		}
		stop()
		time.Sleep(2 * time.Second)
		if topics, _ := hub.Size(); topics != 0 {
			t.Errorf("the hub holds %d topics, want none", topics)
		}
		var got []bool
		for len(calls) > 0 {
			got = append(got, <-calls)
		}
		if want := "[true false true false]"; fmt.Sprint(got) != want {
			t.Errorf("OnWatched was called with %v, want %s", got, want)
		}
	})
}

// Eight publishers at once: every reader sees rising numbers and ends with the terminal. A number given outside the lock of the store
// would let a lower one overwrite a higher one.
func TestPublishersAtOnce(t *testing.T) {
	for _, backlog := range []int{1, 64} {
		hub := newHub(t, nil)
		a := hub.Topic("a", sse.TopicOptions{Backlog: backlog})
		a.Open("r")
		const publishers, each = 8, 2000
		var readers, writers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				last, missed := uint64(0), uint64(0)
				for ev := range a.Watch(t.Context()) {
					var n uint64
					switch {
					case ev.Name == "gap":
						fmt.Sscan(string(ev.Data), &n)
						missed += n
						continue
					case ev.ID == "r-end":
						n = publishers*each + 1
					default:
						fmt.Sscanf(ev.ID, "r-%d", &n)
					}
					if n <= last || backlog > 1 && n != last+missed+1 && last > 0 {
						t.Errorf("backlog %d: %d missed, then %s after %d", backlog, missed, ev.ID, last)
						return
					}
					last, missed = n, 0
				}
				if last != publishers*each+1 {
					t.Errorf("backlog %d: ended at %d, want the terminal", backlog, last)
				}
			})
		}
		for range publishers {
			writers.Go(func() {
				for range each {
					if err := a.Publish(event("x")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		ends := make(chan error, 4)
		for range 4 {
			go func() { ends <- a.Close(event("end")) }()
		}
		won := 0
		for range 4 {
			if err := <-ends; err == nil {
				won++
			} else if !errors.Is(err, sse.ErrClosed) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 4 terminals counted, want 1", won)
		}
		readers.Wait()
	}
}

// A reader that waits for what was published last gets it, however the next publish meets the sweep that woke it: no
// wake-up is lost. Behind the reader in each topic's list are a thousand who stand in their loop, to make the sweep long.
func TestNoWakeUpIsLost(t *testing.T) {
	hub := newHub(t, nil)
	const topics, standing, rounds = 2, 1000, 5000
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range topics {
		a := hub.Topic(fmt.Sprint(i), sse.TopicOptions{})
		a.Open("r")
		publish(t, a, "first")
		echo := make(chan string)
		all.Go(func() {
			for ev := range a.Watch(ctx) {
				select {
				case echo <- string(ev.Data):
				case <-ctx.Done():
				}
			}
		})
		<-echo
		for range standing {
			all.Go(func() {
				for range a.Watch(ctx) {
					<-ctx.Done()
				}
			})
		}
		all.Go(func() {
			defer cancel()
			for n := range rounds {
				want := fmt.Sprint(n)
				if err := a.Publish(event(want)); err != nil {
					t.Error(err)
				}
				select {
				case got := <-echo:
					if got != want {
						t.Errorf("topic %d: got %s, want %s", i, got, want)
					}
				case <-ctx.Done(): // the other topic is through
					return
				case <-time.After(patience):
					t.Errorf("topic %d: %s never came", i, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			a := sse.NewHub(ctx, nil).Topic("a", sse.TopicOptions{})
			a.Open("r")
			var watchers sync.WaitGroup
			for range readers {
				watchers.Go(func() {
					for range a.Watch(ctx) {
					}
				})
			}
			data := []byte(strings.Repeat("x", 200))
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Publish(sse.Event{Data: data}); err != nil {
					b.Fatal(err)
				}
			}
			cancel()
			watchers.Wait()
		})
	}
}
