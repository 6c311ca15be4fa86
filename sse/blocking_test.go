package sse_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Which connections a call that blocks takes, that clients see the same stream either way, down to its framing, and that the
// call returns with the stream.
func TestBlockingCall(t *testing.T) {
	for name, tt := range map[string]struct {
		configure func(*httptest.Server)
		request   string
		writer    func(http.ResponseWriter) http.ResponseWriter
		header    http.Header
		options   sse.StreamOptions
		want      sse.Engine
		chunked   bool
	}{
		"clear text":        {request: plain, want: sse.EngineHandOff, chunked: true},
		"HTTP/1.0":          {request: "GET / HTTP/1.0\r\n\r\n", want: sse.EngineHandOff},
		"pipelined request": {request: plain + plain, want: sse.EngineHandOff, chunked: true},
		"middleware that unwraps": {request: plain, want: sse.EngineHandOff, chunked: true,
			writer: func(w http.ResponseWriter) http.ResponseWriter { return &counter{ResponseWriter: w} }},
		"KeepConnection": {request: plain, options: sse.StreamOptions{KeepConnection: true}, want: sse.EngineGoroutine, chunked: true},
		"KeepConnection and HandOff": {request: plain, options: sse.StreamOptions{KeepConnection: true, HandOff: true},
			want: sse.EngineGoroutine, chunked: true},
		"POST": {request: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", want: sse.EngineGoroutine, chunked: true},
		"a writer that cannot be hijacked": {request: plain, want: sse.EngineGoroutine, chunked: true,
			writer: func(w http.ResponseWriter) http.ResponseWriter { return noHijack{w} }},
		"a pause": {request: plain, options: sse.StreamOptions{Pause: time.Nanosecond}, want: sse.EngineHandOff, chunked: true},
		"a connection that is wrapped": {request: plain, want: sse.EngineGoroutine, chunked: true,
			configure: func(srv *httptest.Server) { srv.Listener = wrapping{srv.Listener} }},
		"a framing of the application's": {request: plain, header: http.Header{"Transfer-Encoding": {"identity"}}, want: sse.EngineGoroutine},
		"a trailer":                      {request: plain, header: http.Header{"Trailer": {"X-End"}}, want: sse.EngineGoroutine, chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHubFixture(t, nil)
			a := f.topic("a")
			a.Open("r")
			publish(t, a, "1")
			done := make(chan error, 1)
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-From-Middleware", "kept")
				w.Header().Set("Connection", "keep-alive")
				for key, values := range tt.header {
					w.Header()[key] = values
				}
				if tt.writer != nil {
					w = tt.writer(w)
				}
				s := &spy{ResponseWriter: w}
				defer func() {
					if s.hijacked != (tt.want == sse.EngineHandOff) {
						t.Errorf("the connection was hijacked: %v", s.hijacked)
					}
				}()
				w = s
				err := f.hub.With(tt.options).Serve(w, r, a)
				select {
				case done <- err:
				default: // of the pipelined request, if there was one
				}
			}), tt.configure)
			conn, resp := ask(t, srv, tt.request)
			if resp.StatusCode != 200 || resp.Header.Get("X-From-Middleware") != "kept" || resp.Header.Get("Date") == "" {
				t.Errorf("head = %s %v, want 200 with all headers", resp.Status, resp.Header)
			}
			if chunked := len(resp.TransferEncoding) > 0; chunked != tt.chunked || tt.chunked && tt.want == sse.EngineHandOff && !resp.Close {
				t.Errorf("head has transfer encoding %v, %v, want chunks: %v", resp.TransferEncoding, resp.Header, tt.chunked)
			}
			if tt.want == sse.EngineHandOff {
				_, _ = conn.Write([]byte("GET /again HTTP/1.1\r\n")) // unread, it would turn the end into a reset
			}
			d := sse.NewDecoder(resp.Body, nil)
			for i := range 3 {
				if ev, err := d.Next(); err != nil || show(ev) != fmt.Sprintf("r-%d=%d", i+1, i+1) {
					t.Fatalf("event %d = %s, %v", i+1, show(ev), err)
				}
				publish(t, a, strconv.Itoa(i+2))
			}
			if got := f.opened[tt.want].Load(); got != 1 {
				t.Errorf("%d streams on the %s engine, want 1", got, tt.want)
			}
			if len(done) != 0 {
				t.Error("Serve has returned while its stream lives")
			}
			finish(t, a, "end")
			for {
				ev, err := d.Next()
				if err != nil {
					t.Fatalf("before the terminal: %v", err)
				}
				if ev.ID == "r-end" {
					break
				}
			}
			if _, err := d.Next(); err != io.EOF {
				t.Errorf("after the terminal: %v, want %v", err, io.EOF)
			}
			if err := within(t, "the return of Serve", done); err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		})
	}
}

// blocking serves topic by a call that blocks, and returns a server and the channel of its returns.
func blocking(t *testing.T, f *fixture, topic *sse.Topic, wrap func(http.Handler) http.Handler) (*httptest.Server, <-chan error) {
	done := make(chan error, 2000)
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { done <- f.hub.Serve(w, r, topic) })
	if wrap != nil {
		h = wrap(h)
	}
	return serve(t, h, nil), done
}

// A call that blocks returns when its client leaves, at once, and when its request's context ends, and its stream is gone then.
func TestBlockingCallReturnsWithItsStream(t *testing.T) {
	ends := make(chan sse.Ended, 1)
	f := newHubFixture(t, &sse.HubOptions{Observer: &sse.Observer{Ended: func(e sse.Ended) { ends <- e }}})
	requestCtx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, tt := range []struct {
		what  string
		leave func(*net.TCPConn, *sse.Topic)
		want  []sse.Cause
	}{
		{"the client closes", func(c *net.TCPConn, _ *sse.Topic) { c.Close() }, []sse.Cause{sse.CauseLeft, sse.CauseReset}},
		{"the client half-closes", func(c *net.TCPConn, _ *sse.Topic) { _ = c.CloseWrite() }, []sse.Cause{sse.CauseLeft}},
		{"the client resets", func(c *net.TCPConn, _ *sse.Topic) { _ = c.SetLinger(0); c.Close() }, []sse.Cause{sse.CauseReset}},
		{"the topic is removed", func(_ *net.TCPConn, topic *sse.Topic) { topic.Remove("r") }, []sse.Cause{sse.CauseFinished}},
		{"the request's context ends", func(*net.TCPConn, *sse.Topic) { cancel() }, []sse.Cause{sse.CauseLeft}},
	} {
		watched := make(chan bool, 2)
		topic := f.hub.Topic(tt.what, sse.TopicOptions{OnWatched: func(w bool) { watched <- w }})
		topic.Open("r")
		srv, done := blocking(t, f, topic, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, stop := context.WithCancel(r.Context())
				defer stop()
				defer context.AfterFunc(requestCtx, stop)()
				h.ServeHTTP(w, r.WithContext(ctx))
			})
		})
		conn, _ := ask(t, srv, plain)
		for !topic.Watched() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond) // it blocks
		start := time.Now()
		tt.leave(conn, topic)
		if err := within(t, tt.what, done); err != nil {
			t.Errorf("%s: Serve = %v, want nil", tt.what, err)
		}
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("%s: Serve returned after %v, want at once", tt.what, d)
		}
		if end := <-ends; end.Cause != tt.want[0] && end.Cause != tt.want[len(tt.want)-1] {
			t.Errorf("%s: the cause is %v, want %v", tt.what, end.Cause, tt.want)
		}
		if <-watched; <-watched {
			t.Errorf("%s: somebody watches", tt.what)
		}
	}
	if _, streams := f.hub.Size(); streams != 0 {
		t.Errorf("the hub holds %d streams, want none", streams)
	}
}

// A client that leaves as soon as it has the terminal has had a whole stream.
func TestBlockingCallThatFinished(t *testing.T) {
	causes := make(chan sse.Cause, 200)
	f := newHubFixture(t, &sse.HubOptions{Observer: &sse.Observer{Ended: func(e sse.Ended) { causes <- e.Cause }}})
	var clients sync.WaitGroup
	for i := range cap(causes) {
		a := f.topic(strconv.Itoa(i))
		a.Open("r")
		srv, _ := blocking(t, f, a, nil)
		conn, resp := ask(t, srv, plain)
		clients.Go(func() {
			d := sse.NewDecoder(resp.Body, nil)
			for {
				if ev, err := d.Next(); err != nil || ev.ID == "r-end" {
					if err != nil {
						t.Error(err)
					}
					conn.Close()
					return
				}
			}
		})
		publish(t, a, "1")
		finish(t, a, "end")
	}
	clients.Wait()
	for range cap(causes) {
		if why := within(t, "end", causes); why != sse.CauseFinished {
			t.Errorf("the cause is %v, want %v", why, sse.CauseFinished)
		}
	}
}

// A stream under a call that blocks is a chunked body like any other: frames that the connection takes in parts, heartbeats
// and the end of the hub included.
func TestBlockingCallChunks(t *testing.T) {
	f := newHubFixture(t, &sse.HubOptions{Heartbeat: 20 * time.Millisecond})
	a := f.topic("a")
	a.Open("r")
	srv, done := blocking(t, f, a, nil)
	_, resp := ask(t, srv, plain)
	d := sse.NewDecoder(resp.Body, &sse.ReadOptions{MaxEvent: 64 << 20})
	for i, size := range []int{1, 15, 16, 300, 70_000, 20 << 20, 2} {
		want := strings.Repeat(strconv.Itoa(i), size)
		publish(t, a, want)
		if ev, err := d.Next(); err != nil || string(ev.Data) != want {
			t.Fatalf("event of %d bytes: %d bytes, %v", size, len(ev.Data), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.cancel()
	if ev, err := d.Next(); err != io.EOF {
		t.Errorf("at the hub's end: %s, %v, want the end of the body", show(ev), err)
	}
	if err := within(t, "the return of Serve", done); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// Middleware around a call that blocks sees the status and the first bytes, and its request lasts as long as the stream.
func TestMiddlewareAroundABlockingCall(t *testing.T) {
	f := newHubFixture(t, nil)
	a := f.topic("a")
	a.Open("r")
	publish(t, a, "1")
	seen := make(chan counter, 1)
	srv, done := blocking(t, f, a, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &counter{ResponseWriter: w}
			h.ServeHTTP(c, r)
			seen <- *c
			panic(http.ErrAbortHandler)
		})
	})
	_, resp := ask(t, srv, plain)
	d := sse.NewDecoder(resp.Body, nil)
	for i := range 3 {
		if _, err := d.Next(); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		publish(t, a, "x")
	}
	if len(seen) != 0 {
		t.Error("the request ended before its stream")
	}
	finish(t, a, "end")
	if err := within(t, "the return of Serve", done); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	c := within(t, "the middleware's figures", seen)
	if c.status != 200 || c.bytes < len("retry: 2000\nid: r-1\ndata: 1\n\n") {
		t.Errorf("middleware saw status %d and %d bytes, want 200 and the first events", c.status, c.bytes)
	}
	for {
		if _, err := d.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("at the end: %v, want the end of the body", err)
		}
	}
}

// HeartbeatBlock ends heartbeats with a blank line, on either engine.
func TestHeartbeatBlock(t *testing.T) {
	for name, opts := range map[string]sse.StreamOptions{
		"goroutine": {KeepConnection: true}, "blocking": {}, "handoff": {HandOff: true}, "pause": {Pause: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			opts.HeartbeatBlock = true
			f := newHubFixture(t, &sse.HubOptions{Heartbeat: 30 * time.Millisecond})
			srv := serve(t, f.hub.With(opts).Handler(one(f.topic("a"))), nil)
			t.Cleanup(f.cancel)
			_, resp := ask(t, srv, plain)
			var got []byte
			for buf := make([]byte, 100); strings.Count(string(got), "\n:\n\n") < 3; {
				n, err := resp.Body.Read(buf)
				if err != nil {
					t.Fatalf("%v after %q", err, got)
				}
				got = append(got, buf[:n]...)
			}
			if strings.Contains(string(got), ":\n:") {
				t.Errorf("got %q, want a blank line after each comment", got)
			}
		})
	}
}

// Hubs start and stop while calls block, their connections are borrowed and given back, and clients leave and contexts end.
// The bubble fails the test if a goroutine stays.
func TestBlockingStartStop(t *testing.T) {
	for round := range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			hub := sse.NewHub(ctx, nil)
			hub.TakeMemorySockets()
			topic := hub.Topic("a", sse.TopicOptions{})
			var calls, all sync.WaitGroup
			var conns []*stub
			for i := range 30 {
				client, server := net.Pipe()
				after := time.Duration(i) * 100 * time.Millisecond
				conn := &stub{
					Conn:     server,
					tryWrite: func(p []byte) (int, error) { return len(p) / (1 + (i+round)%2), nil },
					write:    func(p []byte) (int, error) { time.Sleep(after); return len(p), nil },
				}
				conns = append(conns, conn)
				calls.Go(func() {
					time.Sleep(after)
					ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, &net.TCPAddr{})
					if i%3 == 0 {
						var stop context.CancelFunc
						ctx, stop = context.WithTimeout(ctx, 2*after)
						defer stop()
					}
					req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
					if err := hub.Serve(hijackable{&ssetest.Writer{}, conn}, req, topic); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					time.Sleep(after)
					_ = topic.Publish(event("x"))
					if i%3 == 1 {
						time.Sleep(after)
						client.Close()
					}
				})
			}
			all.Go(func() { time.Sleep(2 * time.Second); _ = hub.Drain(ctx) })
			all.Go(func() { time.Sleep(3 * time.Second); cancel() })
			calls.Wait()
			all.Wait()
			if _, streams := hub.Size(); streams != 0 {
				t.Errorf("the hub holds %d streams, want none", streams)
			}
			for i, conn := range conns[:19] { // those that came before the drain
				if !conn.closed.Load() {
					t.Errorf("connection %d is still open", i)
				}
			}
			synctest.Wait()
		})
	}
}

// A call that blocks leaves one goroutine behind.
func TestBlockingCallsKeepOneGoroutine(t *testing.T) {
	const streams = 50
	f := newHubFixture(t, nil)
	a := f.topic("a")
	srv, _ := blocking(t, f, a, nil)
	before := runtime.NumGoroutine()
	for range streams {
		ask(t, srv, plain)
	}
	var now int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if now = runtime.NumGoroutine(); now <= before+streams && f.opened[sse.EngineHandOff].Load() == streams {
			return
		}
	}
	t.Errorf("%d blocking calls keep %d goroutines, want one each", streams, now-before)
}

// The head of a stream whose connection will be taken says that the connection ends with it. A client that was not told
// would send its next request by that connection, where nobody reads it.
func TestAClientOfABlockingStreamUsesAnotherConnection(t *testing.T) {
	f := newHubFixture(t, nil)
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			return
		}
		if err := f.hub.Serve(w, r, f.topic(r.URL.Path)); err != nil {
			t.Error(err)
		}
	}), nil)
	for i := range 50 {
		path := fmt.Sprintf("/%d", i)
		a := f.topic(path)
		a.Open("r")
		publish(t, a, "1")
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if !resp.Close {
			t.Errorf("the head of a stream says %q, want that its connection ends", resp.Header["Connection"])
		}
		finish(t, a, "end")
		for _, err := range sse.Read(resp.Body, nil) {
			if err != nil {
				t.Error(err)
			}
		}
		resp.Body.Close()
		again, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatalf("a request after a stream: %v", err)
		}
		again.Body.Close()
	}
}

// A stream whose connection was taken, and turned out to be none that can be carried, ends with its request's context.
func TestAWrappedConnectionEndsWithItsRequest(t *testing.T) {
	f := newHubFixture(t, nil)
	a := f.topic("a")
	publish(t, a, "1")
	done := make(chan error, 1)
	requestCtx, cancel := context.WithCancel(context.Background())
	defer cancel()
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithCancel(r.Context())
		defer stop()
		defer context.AfterFunc(requestCtx, stop)()
		done <- f.hub.With(sse.StreamOptions{HandOff: true}).Serve(w, r.WithContext(ctx), a)
	}), func(srv *httptest.Server) { srv.Listener = wrapping{srv.Listener} })
	_, resp := ask(t, srv, plain)
	d := sse.NewDecoder(resp.Body, nil)
	if ev, err := d.Next(); err != nil || string(ev.Data) != "1" {
		t.Fatalf("Next = %q, %v", ev.Data, err)
	}
	cancel()
	if err := within(t, "the request's context ends", done); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// A request with a body keeps its connection, from which middleware may still read that.
func TestARequestWithABodyKeepsItsConnection(t *testing.T) {
	for _, opts := range []sse.StreamOptions{{}, {HandOff: true}} {
		f := newHubFixture(t, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		read := make(chan any, 1)
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				defer func() { read <- recover() }()
				_, _ = io.Copy(io.Discard, r.Body)
			}()
			if err := f.hub.With(opts).Serve(w, r, a); err != nil {
				t.Error(err)
			}
		}), nil)
		_, resp := ask(t, srv, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		d := sse.NewDecoder(resp.Body, nil)
		if ev, err := d.Next(); err != nil || string(ev.Data) != "1" {
			t.Fatalf("Next = %q, %v", ev.Data, err)
		}
		a.Remove("r")
		if v := within(t, "the body is read", read); v != nil {
			t.Errorf("HandOff %v: reading the body panicked: %v", opts.HandOff, v)
		}
	}
}
