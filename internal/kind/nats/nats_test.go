package nats_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/nats"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// A listener is a source of an upstream at a server, with what it has been told.
type listener struct {
	kind.Subscriber
	told chan string // a value, "connected", or why the subscription has ended
}

// open returns a source of an upstream that is a server.
func open(t *testing.T, link io.Closer, up *nats.Upstream, subject, ask string) *listener {
	t.Helper()
	secrets := secret.New(up.Secrets().Said...)
	f, err := (&nats.Source{Upstream: up, Subject: subject, Ask: ask}).Open(kind.Env{
		Link: link, Parse: value.JSON, Secrets: secrets, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &listener{f.(kind.Subscriber), make(chan string, 100)}
}

func linkTo(t *testing.T, s *server) (io.Closer, *nats.Upstream) {
	t.Helper()
	up := &nats.Upstream{Name: "bus", Server: nats.Server{URL: s.url()}}
	link, err := up.Open(kind.UpstreamEnv{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return link, up
}

// start subscribes once, until the test ends or stop is called.
func (l *listener) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		err := l.Subscribe(ctx, func(fetch kind.FetchFunc) {
			if fetch == nil {
				l.told <- "connected"
				return
			}
			r, err := fetch(ctx)
			l.told <- fmt.Sprint(r.Value, err)
		})
		l.told <- err.Error()
	})
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}

func (l *listener) wants(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-l.told; !strings.Contains(got, w) {
			t.Errorf("told %q, want %q", got, w)
		}
	}
}

// A source is told the messages of its subject, and why it is not told any more. It shares the connection with the others.
func TestSubscribe(t *testing.T) {
	s := newServer(t)
	link, up := linkTo(t, s)
	a, b := open(t, link, up, "plant.a", ""), open(t, link, up, "plant.b", "")
	a.start(t)
	b.start(t)
	a.wants(t, "connected")
	b.wants(t, "connected")
	s.publish("plant.a", `{"level": 1}`)
	s.publish("plant.b", `{`)
	s.publish("plant.a", `{"level": 2}`)
	a.wants(t, "map[level:1] <nil>", "map[level:2] <nil>")
	b.wants(t, "JSON")
	if s.dialed != 1 {
		t.Errorf("two sources have made %d connections, want 1", s.dialed)
	}
	s.cut()
	a.wants(t, "subscribe plant.a: the server has closed the connection")
	b.wants(t, "subscribe plant.b: the server has closed the connection")
	if _, err := a.Fetch(t.Context()); !errors.Is(err, kind.ErrNotAsked) || kind.CanAsk(a.Subscriber) {
		t.Errorf("Fetch = %v of a source that cannot be asked", err)
	}
	stop := a.start(t)
	a.wants(t, "connected")
	stop()
	a.wants(t, "subscribe plant.a: context canceled")
}

// One with a subject to ask has its value at once, and at a refresh.
func TestAsk(t *testing.T) {
	s := newServer(t)
	s.answers["plant.a.get"] = "7"
	link, up := linkTo(t, s)
	a := open(t, link, up, "plant.a", "plant.a.get")
	a.start(t)
	a.wants(t, "connected", "7 <nil>")
	s.mu.Lock()
	s.answers["plant.a.get"] = "8"
	s.mu.Unlock()
	if r, err := a.Fetch(t.Context()); err != nil || fmt.Sprint(r.Value) != "8" || !kind.CanAsk(a.Subscriber) {
		t.Errorf("Fetch = %v, %v, want 8", r.Value, err)
	}
	s.mu.Lock()
	delete(s.answers, "plant.a.get")
	s.mu.Unlock()
	if _, err := a.Fetch(t.Context()); err == nil || err.Error() != "ask plant.a.get: nobody answers there" {
		t.Errorf("Fetch = %v, want that nobody answers", err)
	}
	s.publish("plant.a", "9")
	a.wants(t, "9 <nil>")
}

// While nobody answers, a source says so, and asks again until there is an answer or a message.
func TestAskAgain(t *testing.T) {
	s := newServer(t)
	link, up := linkTo(t, s)
	a, b := open(t, link, up, "plant.a", "plant.a.get"), open(t, link, up, "plant.b", "plant.b.get")
	a.start(t)
	b.start(t)
	a.wants(t, "connected", "ask plant.a.get: nobody answers there")
	b.wants(t, "connected", "ask plant.b.get: nobody answers there")
	s.publish("plant.b", "3")
	s.mu.Lock()
	s.answers["plant.a.get"], s.answers["plant.b.get"] = "1", "2"
	s.mu.Unlock()
	a.wants(t, "1 <nil>")
	b.wants(t, "3 <nil>")
	s.publish("plant.b", "4")
	b.wants(t, "4 <nil>") // and not 2 before it
}

// What goes wrong is said in a line, without credentials. Sources that want a connection at the same time make one attempt.
func TestRefused(t *testing.T) {
	s := newServer(t)
	s.denied = "plant.secret"
	link, up := linkTo(t, s)
	a := open(t, link, up, "plant.secret", "")
	a.start(t)
	a.wants(t, `Permissions Violation for Subscription to "plant.secret"`)

	s = newServer(t)
	s.refuses = "Authorization Violation"
	link, up = linkTo(t, s)
	var all []*listener
	for i := range 10 {
		all = append(all, open(t, link, up, fmt.Sprint("plant.", i), ""))
		all[i].start(t)
	}
	for _, l := range all {
		l.wants(t, "Authorization Violation")
	}
	if s.dialed > 2 { // one attempt a second
		t.Errorf("10 sources have made %d connections, want 1", s.dialed)
	}

	s = newServer(t)
	s.listen.Close()
	link, up = linkTo(t, s)
	a = open(t, link, up, "plant.a", "")
	a.start(t)
	if got := <-a.told; !strings.Contains(got, "connection refused") || strings.Contains(got, "s3cret") {
		t.Errorf("told %q, want that the connection is refused", got)
	}
	link.Close()
	if err := link.(*nats.Link).Publish(t.Context(), "x", nil); err == nil {
		t.Error("a closed link publishes")
	}
	if said := fmt.Sprint(up, up.Secrets().Said); said != `upstream "bus" [s3cret-word]` {
		t.Errorf("the upstream is %s", said)
	}
}

// A link that is closed does not wait for a server that accepts a connection and says nothing.
func TestCloseWhileConnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	up := &nats.Upstream{Name: "bus", Server: nats.Server{URL: l.Addr().String()}}
	link, err := up.Open(kind.UpstreamEnv{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	go func() { published <- link.(*nats.Link).Publish(t.Context(), "x", nil) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	link.Close()
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
	if err := <-published; err == nil {
		t.Error("a closed link has published")
	}
}

// A link publishes over the same connection.
func TestPublish(t *testing.T) {
	s := newServer(t)
	link, up := linkTo(t, s)
	a := open(t, link, up, "out.a", "")
	a.start(t)
	a.wants(t, "connected")
	if err := link.(*nats.Link).Publish(t.Context(), "out.a", []byte("5")); err != nil {
		t.Fatal(err)
	}
	a.wants(t, "5 <nil>")
	if s.dialed != 1 {
		t.Errorf("%d connections, want 1", s.dialed)
	}
}
