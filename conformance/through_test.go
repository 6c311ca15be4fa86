package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// TestProxies has each proxy forward the streams of each engine.
func TestProxies(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		for _, by := range []call{blocking, kept, handedOff} {
			t.Run(p.name+"/"+by.name, func(t *testing.T) {
				t.Parallel()
				throughProxy(t, p, by)
			})
		}
	}
}

// TestClientsThroughProxies has clients of others, one of Node.js and one of Go, reach the hub and a gateway through
// each proxy.
func TestClientsThroughProxies(t *testing.T) {
	t.Parallel()
	scenarios := append([]scenario{{"resumes " + handedOff.name, resumesAt(handedOff)}}, gatewayScenarios...)
	for _, p := range proxies {
		for _, c := range clients {
			if c.name != "eventsource 4" && c.name != "launchdarkly/eventsource" {
				continue
			}
			for _, s := range scenarios {
				t.Run(p.name+"/"+c.name+"/"+s.name, func(t *testing.T) {
					t.Parallel()
					s.play(t, c, p.start)
				})
			}
		}
	}
}

func throughProxy(t *testing.T, p proxy, by call) {
	ended := make(chan sse.Ended, 10)
	opts := &sse.HubOptions{
		Heartbeat: 2 * time.Second, DrainWindow: time.Second, // a busy machine must not take as long as a heartbeat
		Observer: &sse.Observer{Ended: func(e sse.Ended) { ended <- e }},
	}
	hub := newHub(t, opts)
	topic := hub.Topic("topic", sse.TopicOptions{})
	topic.Open("run")
	l := newLink(t, serve(t, by.of(hub, topic)).addr)
	at := p.start(t, l)

	// The first byte comes although there is no event yet; heartbeats pass, and so does each event when it is published.
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, want := resp.Header.Get("Content-Type"), "text/event-stream"; got != want {
		t.Errorf("Content-Type is %q, want %q", got, want)
	}
	body := bufio.NewReaderSize(resp.Body, 2<<20)
	await := func(line string) {
		t.Helper()
		for {
			got, err := body.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream ended before %.100q: %v", line, err)
			}
			if got == line+"\n" {
				return
			}
		}
	}
	for range 3 { // the first block, and two heartbeats
		await(":")
	}
	for n, text := range []string{"1", "2", strings.Repeat("3", 1<<20), "4"} {
		publish(t, topic, sse.Event{Data: []byte(text)})
		await(fmt.Sprintf("id: run-%d", n+1))
		await("data: " + text)
	}

	// The proxy passes on that the client leaves. The server notices with the second heartbeat from then on at the
	// latest; one more may be under way.
	leave()
	l.await(t, "the end of the proxy's connection", func() bool { return l.last().left })
	<-ended
	if got := read(&l.changing, func() int { return l.last().heartbeats() - l.last().beatsBefore }); got > 3 {
		t.Errorf("the server sent %d heartbeats to a client that had left, want 2, and one under way, at most", got)
	}
	comeBack(t, at, l, hub, by)
}

// comeBack has a reader of ours be drained, find the proxy without a server, and see the end of the next server's run.
func comeBack(t *testing.T, at string, l *link, hub *sse.Hub, by call) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := newHub(t, nil)
	after := next.Topic("topic", sse.TopicOptions{})
	after.Open("next")
	publish(t, after, sse.Event{Data: []byte("after")})
	successor := serve(t, by.of(next, after))

	var told []string
	refused := 0
	client := &sse.Client{
		MaxEvent: 2 << 20,
		OnRetry: func(err error, _ time.Duration) {
			// Varnish closes the connection, the others answer with a status.
			status, failed := (*sse.StatusError)(nil), (*url.Error)(nil)
			if errors.As(err, &status) || errors.As(err, &failed) {
				if refused++; refused == 1 {
					l.up()
				}
			}
		},
	}
	req, _ := http.NewRequest(http.MethodGet, at, nil)
	for ev, err := range client.Events(ctx, req) {
		if err != nil {
			t.Fatalf("after %q: %v", told, err)
		}
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %.20s", ev.ID, ev.Name, ev.Data)))
		switch {
		case ev.Name == "bye":
			l.down() // the server is gone: the proxy answers for it
			l.lead(successor.addr)
		case bytes.Equal(ev.Data, []byte("after")):
			if err := after.Close(sse.Event{Data: []byte("end")}); err != nil {
				t.Fatal(err)
			}
		case len(told) == 1:
			go hub.Drain(ctx)
		}
	}
	want := []string{"run-4  4", "run-4 bye", "next-1  after", "next-end  end"}
	if got, want := strings.Join(told, ", "), strings.Join(want, ", "); got != want {
		t.Errorf("it was told %s, want %s", got, want)
	}
	if refused == 0 {
		t.Error("the proxy never answered for a server that was gone")
	}
	if asked := read(&successor.changing, func() []asked { return successor.asked }); len(asked) != 2 || asked[0].last != "run-4" || asked[1].last != "next-end" {
		t.Errorf("it asked the successor %v, want twice, with the ids run-4 and next-end", asked)
	}
}
