package sse_test

import (
	"context"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Recent returns what a topic keeps, whatever is asked for.
func TestRecent(t *testing.T) {
	hub := sse.NewHub(t.Context(), nil)
	recent := func(topic *sse.Topic, n int) string {
		var got []string
		for _, ev := range topic.Recent(n) {
			got = append(got, show(ev))
		}
		return strings.Join(got, " ")
	}
	log, tank := hub.Topic("log", sse.TopicOptions{Backlog: 3}), hub.Topic("tank", sse.TopicOptions{})
	for _, topic := range []*sse.Topic{log, tank} {
		expect(t, "before the first", recent(topic, 5), "")
		topic.Open("r")
		expect(t, "before the first", recent(topic, 5), "")
		publish(t, topic, "1", "2", "3", "4")
		expect(t, "none", recent(topic, 0)+recent(topic, -1), "")
		expect(t, "one", recent(topic, 1), "r-4=4")
	}
	expect(t, "two", recent(log, 2), "r-3=3 r-4=4")
	expect(t, "all", recent(log, 100), "r-2=2 r-3=3 r-4=4")
	expect(t, "all of a topic without a backlog", recent(tank, 100), "r-4=4")
	finish(t, log, "end")
	expect(t, "with the end", recent(log, 2), "r-4=4 r-end=end")
	log.Remove("r")
	expect(t, "of a topic that was removed", recent(log, 2), "")
}

// Whoever opens the log sees its last two lines first; a program can have them too.
func ExampleTopic_Recent() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, nil)
	log := hub.Topic("log", sse.TopicOptions{Backlog: 100, Replay: 2})
	for _, line := range []string{"starting", "listening", "ready"} {
		log.Publish(sse.Event{Data: []byte(line)})
	}
	log.Close(sse.Event{Data: []byte("stopped")})

	for _, ev := range log.Recent(3) {
		fmt.Printf("kept: %s\n", ev.Data)
	}

	w := &ssetest.Writer{}
	_ = hub.Serve(w, httptest.NewRequest("GET", "/log", nil), log)
	for ev := range sse.Read(strings.NewReader(w.Body()), nil) {
		fmt.Printf("sent: %s\n", ev.Data)
	}
	// Output:
	// kept: listening
	// kept: ready
	// kept: stopped
	// sent: ready
	// sent: stopped
}

// What a topic keeps takes memory for what there is, however much it may be.
func TestABacklogWithoutBound(t *testing.T) {
	hub := sse.NewHub(t.Context(), nil)
	log := hub.Topic("log", sse.TopicOptions{Backlog: math.MaxInt, Replay: math.MaxInt})
	for n := range 100_000 {
		say(t, log, "%d", n)
	}
	kept := log.Recent(math.MaxInt)
	if n := len(kept); n < 50_000 || string(kept[n-1].Data) != "99999" {
		t.Errorf("the topic keeps %d events of a few bytes, want as many as 4 MiB hold", n)
	}
}

// A loop ends with its context although there is always more to yield.
func TestWatchOfABacklogEndsWithItsContext(t *testing.T) {
	hub := sse.NewHub(t.Context(), nil)
	log := hub.Topic("log", sse.TopicOptions{Backlog: 100})
	say(t, log, "0")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range log.Watch(ctx) {
		if n++; n == 100 { // and far behind
			cancel()
		}
		if n == 1000 {
			t.Fatal("the loop goes on")
		}
		say(t, log, "%d", 2*n)
		say(t, log, "%d", 2*n+1)
	}
}
