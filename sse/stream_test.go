package sse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// The tests of this file use real sockets, or real parallelism. They wait for what can be observed, for at most so long:
const patience = 30 * time.Second

// onBoth runs test for each engine.
func onBoth(t *testing.T, test func(*testing.T, engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

// newNetFixture is newFixture on a TCP socket, which configure may set up.
func newNetFixture(t *testing.T, e engine, opts *sse.HubOptions, configure func(*httptest.Server)) (*fixture, *httptest.Server) {
	f := newHubFixture(t, opts)
	srv := httptest.NewUnstartedServer(f.handler(e))
	srv.Listener = sse.NewListener(srv.Listener)
	if configure != nil {
		configure(srv)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	t.Cleanup(f.cancel)                             // before that, or Close would wait for the streams
	f.srv = &ssetest.Server{Client: &http.Client{}} // whatever host a URL names, it is srv
	f.srv.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return net.Dial("tcp", srv.Listener.Addr().String())
	}}
	return f, srv
}

// unencryptedHTTP2 makes a server and the fixture's client speak HTTP/2 without TLS.
func unencryptedHTTP2(srv *httptest.Server) {
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
}

func (f *fixture) useHTTP2() {
	tr := f.srv.Client.Transport.(*http.Transport)
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetUnencryptedHTTP2(true)
}

func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing after %v", what, patience)
		panic("unreachable")
	}
}

// A write deadline that stands while a stream is idle makes Go's HTTP/2 server reset it.
func TestIdleHTTP2StreamsLiveOn(t *testing.T) {
	f, _ := newNetFixture(t, engines[1], &sse.HubOptions{Heartbeat: 100 * time.Millisecond}, func(srv *httptest.Server) {
		unencryptedHTTP2(srv)
		srv.Config.WriteTimeout = 250 * time.Millisecond
		srv.Config.ReadTimeout = 250 * time.Millisecond
	})
	f.useHTTP2()
	var streams sync.WaitGroup
	for range 20 {
		st := f.srv.Open(t, "/one/a", nil)
		if got := st.Response.Proto; got != "HTTP/2.0" {
			t.Fatalf("proto = %s, want HTTP/2.0", got)
		}
		streams.Go(func() {
			buf := make([]byte, 1000)
			for comments := 0; comments < 5; {
				n, err := st.Response.Body.Read(buf)
				if err != nil {
					t.Errorf("after %d comments: %v", comments, err)
					return
				}
				comments += strings.Count("\n"+string(buf[:n]), "\n:\n")
			}
		})
	}
	streams.Wait()
	if n := len(f.results); n != 0 {
		t.Errorf("%d streams ended by themselves", n)
	}
}

func TestStalledReaderIsEvicted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, e engine) {
		t.Parallel()
		f, srv := newNetFixture(t, e, &sse.HubOptions{StallTimeout: 2 * time.Second}, nil)
		a := f.topic("a")
		a.Open("r")
		var conns []net.Conn
		for range 5 {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			fmt.Fprintf(conn, "GET /one/a HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		well := f.srv.Open(t, "/one/a", nil)
		go func() {
			for i := 0; ; i++ {
				if err := a.Publish(event(fmt.Sprint(i, strings.Repeat("x", 1<<19)))); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // leave the other tests some of the machine
			}
		}()
		d := sse.NewDecoder(well.Response.Body, &sse.ReadOptions{MaxEvent: 2 << 20})
		seen := make(chan bool)
		go func() {
			n := 0
			for {
				ev, err := d.Next()
				if err != nil {
					t.Errorf("healthy reader: %v", err)
				}
				n++
				if ev.ID == "r-end" || err != nil {
					seen <- n > 1
					return
				}
			}
		}()
		for range conns {
			if err := within(t, "eviction", f.results); err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		}
		finish(t, a, "end")
		if !within(t, "the healthy reader's end", seen) {
			t.Errorf("the healthy reader saw next to nothing")
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		f, _ := newNetFixture(t, engines[1], &sse.HubOptions{StallTimeout: 2 * time.Second}, unencryptedHTTP2)
		f.useHTTP2()
		stuck, neighbour := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/one/b", nil)
		b := f.topic("b")
		b.Open("r")
		publish(t, b, "1")
		expect(t, "neighbour", next(t, neighbour, 1), "r-1=1")
		publish(t, f.topic("a"), strings.Repeat("x", 6<<20)) // more than the client's window
		if err := within(t, "eviction", f.results); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		publish(t, b, "2")
		expect(t, "neighbour on the same connection", next(t, neighbour, 1), "r-2=2")
		_ = stuck
	})
}

// The publisher stops while a reader is blocked: the reader gets whole frames, and the newest one last.
func TestSlowReaderEndsAtTheNewest(t *testing.T) { onBoth(t, testSlowReaderEndsAtTheNewest) }

func testSlowReaderEndsAtTheNewest(t *testing.T, e engine) {
	f, srv := newNetFixture(t, e, nil, func(srv *httptest.Server) {
		srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
			return ctx
		}
	})
	a := f.topic("a")
	a.Open("r")
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(conn, "GET /one/a HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	const last = 3000
	for i := range last + 1 {
		publish(t, a, fmt.Sprint(i, " ", strings.Repeat("x", 10_000), " ", i))
	}
	d := sse.NewDecoder(resp.Body, nil)
	for prev := -1; prev < last; {
		ev, err := d.Next()
		if err != nil {
			t.Fatalf("after %d: %v", prev, err)
		}
		var from, to int
		var middle string
		fmt.Sscan(string(ev.Data), &from, &middle, &to)
		if from != to || len(middle) != 10_000 || from <= prev || ev.ID != fmt.Sprintf("r-%d", from+1) {
			t.Fatalf("after %d: event %s of %d bytes, from %d to %d, want a whole one", prev, ev.ID, len(ev.Data), from, to)
		}
		prev = from
	}
}

func TestFloodThenTerminal(t *testing.T) { onBoth(t, testFloodThenTerminal) }

func testFloodThenTerminal(t *testing.T, e engine) {
	f, _ := newNetFixture(t, e, nil, nil)
	a := f.topic("a")
	a.Open("r")
	var readers sync.WaitGroup
	for range 20 {
		st := f.srv.Open(t, "/one/a", nil)
		readers.Go(func() {
			prev, count := 0, 0
			for {
				ev, err := st.Next()
				if err != nil {
					t.Errorf("after %d: %v", prev, err)
					return
				}
				if ev.ID == "r-end" {
					if string(ev.Data) != "end" || prev != 20_000 || count < 2 {
						t.Errorf("%d events, the last snapshot %d, then %q, want the newest and the terminal", count, prev, ev.Data)
					}
					if _, err := st.Next(); err != io.EOF {
						t.Errorf("after the terminal: %v, want %v", err, io.EOF)
					}
					return
				}
				var n int
				fmt.Sscan(string(ev.Data), &n)
				if n <= prev {
					t.Errorf("%d after %d", n, prev)
				}
				prev, count = n, count+1
			}
		})
	}
	for i := range 20_000 {
		publish(t, a, fmt.Sprint(i+1))
	}
	finish(t, a, "end")
	readers.Wait()
}

// Topics change while a stream looks at one after the other, which takes so many of them a while. Its ids rise
// nevertheless: an event that is found late would be skipped by a client that breaks off and comes back with a higher id.
func TestIDsRiseOverTopics(t *testing.T) {
	hub := newHub(t, nil)
	var topics []*sse.Topic
	for i := range 2000 {
		topics = append(topics, hub.Topic(fmt.Sprint(i), sse.TopicOptions{}))
		publish(t, topics[i], "start")
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
	var last, events atomic.Uint64
	w := &ssetest.Writer{OnWrite: func(p []byte) (int, error) {
		if rest, ok := strings.CutPrefix(string(p), "id: "); ok {
			_, rest, _ = strings.Cut(rest, "-")
			var seq uint64
			fmt.Sscan(rest, &seq)
			if before := last.Swap(seq); seq <= before {
				t.Errorf("id %d after %d, want rising ids", seq, before)
				cancel()
			}
			events.Add(1)
		}
		return len(p), nil
	}}
	var all sync.WaitGroup
	all.Go(func() {
		if err := hub.ServeAll(w, req, topics...); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil && events.Load() < 15_000 {
				publish(t, topics[rand.N(len(topics))], "x")
			}
			cancel()
		})
	}
	all.Wait()
}

// A client that breaks off anywhere and comes back with its last id ends up with the newest of each topic.
func TestResumeSkipsNoTopic(t *testing.T) { onBoth(t, testResumeSkipsNoTopic) }

func testResumeSkipsNoTopic(t *testing.T, e engine) {
	const topics, clients = 40, 4
	f := newFixture(t, e, nil)
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprint("t", i))
		publish(t, f.topic(names[i]), fmt.Sprint(i, " start"))
	}
	path := "/all/" + strings.Join(names, ",")
	stop := make(chan struct{})
	var publishers, readers sync.WaitGroup
	for p := range 2 {
		publishers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					i := rand.N(topics/2)*2 + p
					publish(t, f.topic(names[i]), fmt.Sprint(i, " ", n))
				}
			}
		})
	}
	var breaks atomic.Int64
	for range clients {
		readers.Go(func() {
			state := map[int]string{}
			id, seq := "", uint64(0)
			for finals := 0; finals < topics; {
				var header http.Header
				if id != "" {
					header = lastID(id)
				}
				st := f.srv.Open(t, path, header)
				for n := 1 + rand.N(60); n > 0 && finals < topics; n-- {
					ev, err := st.Next()
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
					var at uint64
					_, after, _ := strings.Cut(ev.ID, "-")
					fmt.Sscan(after, &at)
					if ev.Name != "" || at <= seq {
						t.Errorf("event %s after %s, want rising ids", show(ev), id)
						return
					}
					id, seq = ev.ID, at
					var i int
					var value string
					fmt.Sscan(string(ev.Data), &i, &value)
					if state[i] = value; value == "final" {
						finals++
					}
				}
				st.Close()
				if breaks.Add(1) == 120 {
					close(stop)
					publishers.Wait()
					for i, name := range names {
						publish(t, f.topic(name), fmt.Sprint(i, " final"))
					}
				}
			}
		})
	}
	done := make(chan bool)
	go func() { readers.Wait(); close(done) }()
	within(t, "every reader has the newest of every topic", done)
}

// Streams come while the topic is published to, closed, opened and removed.
func TestSubscribeRaces(t *testing.T) {
	f := newFixture(t, engines[0], nil)
	a := f.topic("a")
	const rounds, streams = 300, 4
	for round := range rounds {
		run := fmt.Sprint("r", round)
		a.Open(run)
		var all sync.WaitGroup
		for i := range streams {
			all.Go(func() {
				w := &ssetest.Writer{}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
				err := f.hub.Serve(w, req, a)
				if ctx.Err() != nil {
					t.Errorf("stream %d of round %d never ended: %q", i, round, w.Body())
				}
				if err != nil && (err != sse.ErrGone || w.Status() != 0) || err == nil && !strings.HasSuffix(w.Body(), "id: "+run+"-end\ndata: end\n\n") {
					t.Errorf("stream %d of round %d: %v, %q, want the terminal, or ErrGone", i, round, err, w.Body())
				}
			})
		}
		all.Go(func() { _ = a.Publish(event("1")); _ = a.Publish(event("2")); _ = a.Close(event("end")); a.Remove(run) })
		all.Wait()
	}
	if topics, streams := f.hub.Size(); topics != 0 || streams != 0 {
		t.Errorf("the hub holds %d topics and %d streams, want none", topics, streams)
	}
}

// Topics are made, watched, published to and dropped by several at once; in the end nothing is left.
func TestTopicChurn(t *testing.T) {
	hub := newHub(t, nil)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2000 {
				topic := hub.Topic(fmt.Sprint("t", rand.N(5)), sse.TopicOptions{Backlog: rand.N(3)})
				run := fmt.Sprintf("r%dx%d", g, i)
				switch rand.N(4) {
				case 0:
					_ = topic.Publish(sse.Event{ID: run + "-1", Data: []byte("x")})
				case 1:
					_ = topic.Close(event("end"))
				case 2:
					topic.Remove(topic.Run())
				case 3:
					ctx, cancel := context.WithCancel(t.Context())
					req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
					w := &ssetest.Writer{OnFlush: func() error { cancel(); return nil }} // it leaves with the first bytes
					if rand.N(2) == 0 {
						_ = hub.Serve(w, req, topic)
					} else if err := hub.ServeAll(w, req, topic, hub.Topic("t0", sse.TopicOptions{})); err != nil {
						t.Error(err)
					}
					cancel()
				}
			}
		})
	}
	all.Wait()
	for i := range 5 {
		topic := hub.Topic(fmt.Sprint("t", i), sse.TopicOptions{})
		topic.Open("last")
		topic.Remove("last")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range topic.Watch(ctx) { // back without a run, while somebody watches
		}
	}
	if topics, streams := hub.Size(); topics != 0 || streams != 0 {
		t.Errorf("the hub holds %d topics and %d streams, want none", topics, streams)
	}
}

// Hubs start and stop with streams, publishers and drains under way. The bubble fails the test if a goroutine stays.
func TestStartStop(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			hub := sse.NewHub(ctx, nil)
			a := hub.Topic("a", sse.TopicOptions{})
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					time.Sleep(rand.N(4 * time.Second))
					req, _ := http.NewRequest("GET", "http://x/", nil)
					if i%2 == 0 {
						_ = hub.ServeAll(&ssetest.Writer{}, req, a)
					} else {
						_ = hub.Serve(&ssetest.Writer{}, req, a)
					}
				})
				all.Go(func() {
					time.Sleep(rand.N(4 * time.Second))
					_ = a.Publish(event("x"))
				})
			}
			for range 2 {
				all.Go(func() {
					time.Sleep(rand.N(6 * time.Second))
					_ = hub.Drain(ctx)
				})
			}
			all.Go(func() { time.Sleep(rand.N(6 * time.Second)); cancel() })
			all.Wait()
			if _, streams := hub.Size(); streams != 0 {
				t.Errorf("the hub holds %d streams, want none", streams)
			}
		})
	}
}

func TestShutdownDrains(t *testing.T) { onBoth(t, testShutdownDrains) }

func testShutdownDrains(t *testing.T, e engine) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, e, nil)
		srv := &http.Server{Handler: f.handler(e)}
		mem := e.start(t, srv)
		for range 1000 {
			st := mem.Open(t, "/one/a", nil)
			go func() { _, _ = io.Copy(io.Discard, st.Response.Body) }()
		}
		start := time.Now()
		drained := make(chan error)
		go func() { drained <- f.hub.Drain(context.Background()) }()
		if err := errors.Join(srv.Shutdown(context.Background()), <-drained); err != nil {
			t.Errorf("Shutdown and Drain = %v", err)
		}
		if d := time.Since(start); d < 2*time.Second || d > 6*time.Second {
			t.Errorf("Shutdown took %v, want the drain window, 5 s", d)
		}
	})
}

// A hub that has drained says so to any ctx.
func TestDrainWhenItIsOver(t *testing.T) {
	hub := newHub(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := hub.Drain(ctx); err != nil {
			t.Fatalf("Drain = %v, want nil: there is no stream", err)
		}
	}
}

// What clients and proxies do to connections.
func TestClients(t *testing.T) { onBoth(t, testClients) }

func testClients(t *testing.T, e engine) {
	f, srv := newNetFixture(t, e, &sse.HubOptions{Heartbeat: 50 * time.Millisecond}, nil)
	ended := f.topic("ended")
	ended.Open("r")
	finish(t, ended, "end")
	dial := func(request string) *net.TCPConn {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, request)
		return conn.(*net.TCPConn)
	}

	b, err := io.ReadAll(dial("GET /one/ended HTTP/1.0\r\n\r\n"))
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(string(b), "\nid: r-end\ndata: end\n\n") {
		t.Errorf("HTTP/1.0: %q, %v, want the terminal and the end", b, err)
	}
	within(t, "end", f.results)

	get := "GET /one/ended HTTP/1.1\r\nHost: x\r\n\r\n"
	r := bufio.NewReader(dial(get + get)) // the second one is there before the first is answered
	for range 2 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("pipelined requests: %v", err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(b), "id: r-end\ndata: end\n\n") {
			t.Errorf("pipelined requests: %q, %v, want the terminal", b, err)
		}
		within(t, "end", f.results)
	}

	for name, leave := range map[string]func(*net.TCPConn) error{
		"close":      (*net.TCPConn).Close,
		"half close": (*net.TCPConn).CloseWrite,
		"reset in the middle of a frame": func(c *net.TCPConn) error {
			publish(t, f.topic("reset in the middle of a frame"), strings.Repeat("x", 4<<20))
			_, _ = io.CopyN(io.Discard, c, 64<<10)
			_ = c.SetLinger(0)
			return c.Close()
		},
	} {
		conn := dial("GET /one/" + url.PathEscape(name) + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := leave(conn); err != nil {
			t.Fatal(err)
		}
		if err := within(t, name, f.results); err != nil {
			t.Errorf("%s: Serve = %v, want nil", name, err)
		}
	}

	target, _ := url.Parse(srv.URL)
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	defer proxy.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", proxy.URL+"/one/fresh", nil)
	resp, err := proxy.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	for comments := 0; comments < 3; { // they pass
		buf := make([]byte, 1000)
		n, err := resp.Body.Read(buf)
		if err != nil {
			t.Fatalf("through a proxy: %v", err)
		}
		comments += strings.Count("\n"+string(buf[:n]), "\n:\n")
	}
	cancel()
	within(t, "departure through a proxy", f.results)
}

func TestServeRunServesThatRunAlone(t *testing.T) {
	hub := sse.NewHub(t.Context(), nil)
	topic := hub.Topic("job", sse.TopicOptions{})
	for _, run := range []string{"a", "b"} {
		topic.Open(run)
		if err := topic.Close(sse.Event{Data: []byte("end of " + run)}); err != nil {
			t.Fatal(err)
		}
	}
	old, now := &ssetest.Writer{}, &ssetest.Writer{}
	if err := hub.ServeRun(old, httptest.NewRequest("GET", "/", nil), topic, "a"); err != sse.ErrGone || old.Status() != 0 {
		t.Errorf("ServeRun of the run before = %v with status %d, want ErrGone and nothing written", err, old.Status())
	}
	if err := hub.ServeRun(now, httptest.NewRequest("GET", "/", nil), topic, "b"); err != nil || !strings.Contains(now.Body(), "data: end of b\n") {
		t.Errorf("ServeRun of the current run = %v, %q, want its terminal", err, now.Body())
	}
}
