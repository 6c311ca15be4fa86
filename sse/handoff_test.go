package sse_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// serve starts a server for h on a TCP socket, which configure may set up.
func serve(t *testing.T, h http.Handler, configure func(*httptest.Server)) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Listener = sse.NewListener(srv.Listener)
	if configure != nil {
		configure(srv)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// ask sends a request as it is and returns the connection and the head of the answer, whose body it is.
func ask(t *testing.T, srv *httptest.Server, request string) (*net.TCPConn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("answer to %.40q: %v", request, err)
	}
	return conn.(*net.TCPConn), resp
}

const plain = "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"

func one(t *sse.Topic) func(*http.Request) ([]*sse.Topic, error) {
	return func(*http.Request) ([]*sse.Topic, error) { return []*sse.Topic{t}, nil }
}

// Which connections are handed off, and that the others get the same stream.
func TestHandOffEngine(t *testing.T) {
	for name, tt := range map[string]struct {
		configure func(*httptest.Server)
		request   string
		writer    func(http.ResponseWriter) http.ResponseWriter
		options   sse.StreamOptions // HandOff, if it is the zero value
		want      sse.Engine
		proto     string
	}{
		"clear text":        {request: plain, want: sse.EngineHandOff, proto: "HTTP/1.1"},
		"HTTP/1.0":          {request: "GET / HTTP/1.0\r\n\r\n", want: sse.EngineHandOff, proto: "HTTP/1.0"},
		"pipelined request": {request: plain + plain, want: sse.EngineHandOff, proto: "HTTP/1.1"},
		"middleware that unwraps": {request: plain, want: sse.EngineHandOff, proto: "HTTP/1.1",
			writer: func(w http.ResponseWriter) http.ResponseWriter { return &counter{ResponseWriter: w} }},
		"POST": {request: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", want: sse.EngineGoroutine, proto: "HTTP/1.1"},
		"a writer that cannot be hijacked": {request: plain, want: sse.EngineGoroutine, proto: "HTTP/1.1",
			writer: func(w http.ResponseWriter) http.ResponseWriter { return noHijack{w} }},
		"a pause": {request: plain, options: sse.StreamOptions{HandOff: true, Pause: time.Nanosecond}, want: sse.EngineHandOff, proto: "HTTP/1.1"},
		"a connection that is wrapped": {request: plain, want: sse.EngineGoroutine, proto: "HTTP/1.1",
			configure: func(srv *httptest.Server) { srv.Listener = wrapping{srv.Listener} }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHubFixture(t, nil)
			a := f.topic("a")
			a.Open("r")
			publish(t, a, "1")
			done := make(chan bool, 1)
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { done <- true }()
				w.Header().Set("X-From-Middleware", "kept")
				if tt.writer != nil {
					w = tt.writer(w)
				}
				if err := f.hub.With(cmp.Or(tt.options, sse.StreamOptions{HandOff: true})).Serve(w, r, a); err != nil {
					t.Error(err)
				}
			}), tt.configure)
			conn, resp := ask(t, srv, tt.request)
			if resp.Proto != tt.proto || resp.StatusCode != 200 || resp.Header.Get("X-From-Middleware") != "kept" || resp.Header.Get("Date") == "" {
				t.Errorf("head = %s %s %v, want 200 with all headers", resp.Proto, resp.Status, resp.Header)
			}
			chunked := len(resp.TransferEncoding) > 0
			if tt.want == sse.EngineHandOff && (chunked || !resp.Close) {
				t.Errorf("head has transfer encoding %v, close %v, want a body that ends with the connection", resp.TransferEncoding, resp.Close)
			}
			if tt.want == sse.EngineHandOff {
				within(t, "the handler's return", done)
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
		})
	}

	t.Run("handlers", func(t *testing.T) {
		for want, handler := range map[sse.Engine]func(*sse.Hub) func(func(*http.Request) ([]*sse.Topic, error)) http.Handler{
			sse.EngineHandOff: func(h *sse.Hub) func(func(*http.Request) ([]*sse.Topic, error)) http.Handler { return h.Handler },
			sse.EngineGoroutine: func(h *sse.Hub) func(func(*http.Request) ([]*sse.Topic, error)) http.Handler {
				return h.With(sse.StreamOptions{KeepConnection: true}).Handler
			},
		} {
			f := newHubFixture(t, nil)
			a := f.topic("a")
			publish(t, a, "1")
			srv := serve(t, handler(f.hub)(one(a)), nil)
			t.Cleanup(f.cancel)
			_, resp := ask(t, srv, plain)
			d := sse.NewDecoder(resp.Body, nil)
			for _, data := range []string{"1", "2"} {
				if ev, err := d.Next(); err != nil || string(ev.Data) != data {
					t.Errorf("%s: %s, %v, want %s", want, show(ev), err, data)
				}
				publish(t, a, "2")
			}
			if got := f.opened[want].Load(); got != 1 {
				t.Errorf("%d streams on the %s engine, want 1", got, want)
			}
		}
	})

	t.Run("HTTP/2 and TLS", func(t *testing.T) {
		f := newHubFixture(t, nil)
		a := f.topic("a")
		publish(t, a, "1")
		srv := httptest.NewUnstartedServer(f.hub.Handler(one(a)))
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(srv.Close)
		t.Cleanup(f.cancel)
		for _, protos := range [][]string{{"h2"}, {"http/1.1"}} {
			tr := srv.Client().Transport.(*http.Transport).Clone()
			tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, NextProtos: protos}
			tr.ForceAttemptHTTP2 = protos[0] == "h2"
			resp, err := (&http.Client{Transport: tr}).Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			d := sse.NewDecoder(resp.Body, nil)
			for _, want := range []string{"1", "live"} {
				if ev, err := d.Next(); err != nil || string(ev.Data) != want {
					t.Errorf("over %s: %v, %v, want %s", resp.Proto, show(ev), err, want)
				}
				publish(t, a, "live")
			}
			publish(t, a, "1")
		}
		if got := f.opened[sse.EngineGoroutine].Load(); got != 2 {
			t.Errorf("%d streams on goroutines, want 2", got)
		}
	})
}

// counter is middleware that logs: it sees the status and the first bytes although the connection is taken.
type counter struct {
	http.ResponseWriter
	status, bytes int
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
func (c *counter) WriteHeader(status int)      { c.status = status; c.ResponseWriter.WriteHeader(status) }
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += n
	return n, err
}

// noHijack hides Hijack and nothing else.
type noHijack struct{ w http.ResponseWriter }

func (n noHijack) Header() http.Header         { return n.w.Header() }
func (n noHijack) WriteHeader(status int)      { n.w.WriteHeader(status) }
func (n noHijack) Write(p []byte) (int, error) { return n.w.Write(p) }
func (n noHijack) FlushError() error           { return http.NewResponseController(n.w).Flush() }
func (n noHijack) SetWriteDeadline(at time.Time) error {
	return http.NewResponseController(n.w).SetWriteDeadline(at)
}

// wrapping is a listener whose connections are none of net's own types.
type wrapping struct{ net.Listener }

func (l wrapping) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

func TestMiddleware(t *testing.T) {
	f := newHubFixture(t, nil)
	a := f.topic("a")
	publish(t, a, "1")
	seen := make(chan counter, 1)
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counter{ResponseWriter: w}
		if err := f.hub.With(sse.StreamOptions{HandOff: true}).Serve(c, r, a); err != nil {
			t.Error(err)
		}
		seen <- *c
		panic(http.ErrAbortHandler) // of middleware, after the hand-off
	}), nil)
	_, resp := ask(t, srv, plain)
	d := sse.NewDecoder(resp.Body, nil)
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	c := within(t, "the middleware's figures", seen)
	if c.status != 200 || c.bytes < len("retry: 2000\nid: x-1\ndata: 1\n\n") {
		t.Errorf("middleware saw status %d and %d bytes, want 200 and the first events", c.status, c.bytes)
	}
	publish(t, a, "2")
	if ev, err := d.Next(); err != nil || string(ev.Data) != "2" {
		t.Errorf("after a panic in middleware: %s, %v, want the stream to go on", show(ev), err)
	}
}

func TestHandler(t *testing.T) {
	f := newHubFixture(t, &sse.HubOptions{
		AllowedOrigins: []string{"https://good.example", "*"},
		OnSubscribe: func(r *http.Request, topic *sse.Topic) error {
			if topic.Name() == "secret" && r.Header.Get("Authorization") == "" {
				return errors.New("no ticket")
			}
			return nil
		},
	})
	for _, name := range []string{"a", "b", "secret"} {
		topic := f.topic(name)
		topic.Open("r")
		finish(t, topic, name)
	}
	f.topic("gone")
	boom := errors.New("boom")
	srv := serve(t, f.hub.Handler(func(r *http.Request) ([]*sse.Topic, error) {
		var topics []*sse.Topic
		for _, name := range r.URL.Query()["topic"] {
			switch name {
			case "unknown":
				return nil, sse.ErrGone
			case "boom":
				return nil, boom
			}
			topics = append(topics, f.topic(name))
		}
		return topics, nil
	}), nil)
	t.Cleanup(f.cancel)
	f.topic("gone").Open("r")
	defer f.srvClient(srv).Open(t, "/?topic=gone&topic=a", nil).Close() // so that it stays known
	f.topic("gone").Remove("r")
	for _, tt := range []struct {
		method, path string
		header       http.Header
		status       int
		body         string
	}{
		{"GET", "/?topic=a", nil, 200, "id: r-end\ndata: a\n\n"},
		{"HEAD", "/?topic=a", nil, 200, ""},
		{"GET", "/?topic=a", lastID("r-end"), 204, ""},
		{"GET", "/?topic=gone", nil, 404, ""},
		{"GET", "/?topic=unknown", nil, 404, ""},
		{"GET", "/?topic=unknown", lastID("x-end"), 204, ""},
		{"GET", "/?topic=boom", nil, 500, ""},
		{"GET", "/?topic=secret", nil, 403, ""},
		{"GET", "/?topic=a&topic=secret", nil, 403, ""},
		{"GET", "/?topic=secret", http.Header{"Authorization": {"x"}}, 200, "data: secret\n\n"},
		{"POST", "/?topic=a", nil, 405, ""},
		{"OPTIONS", "/?topic=a", nil, 405, ""},
		{"OPTIONS", "/?topic=a", http.Header{"Origin": {"https://good.example"}, "Access-Control-Request-Method": {"GET"}}, 204, ""},
		{"OPTIONS", "/?topic=a", http.Header{"Origin": {"https://bad.example"}, "Access-Control-Request-Method": {"GET"}}, 405, ""},
	} {
		req, _ := http.NewRequest(tt.method, srv.URL+tt.path, nil)
		if tt.header != nil {
			req.Header = tt.header
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != tt.status || !strings.HasSuffix(string(body), tt.body) {
			t.Errorf("%s %s %v = %d %q, %v, want %d and %q", tt.method, tt.path, tt.header, resp.StatusCode, body, err, tt.status, tt.body)
		}
		if resp.Header.Get("Vary") != "Origin" {
			t.Errorf("%s %s: Vary = %q, want Origin", tt.method, tt.path, resp.Header.Get("Vary"))
		}
	}
	for origin, want := range map[string]string{"https://good.example": "https://good.example", "https://good.example:443": "", "https://a.good.example": "", "": ""} {
		for _, path := range []string{"/?topic=a", "/?topic=secret"} { // errors can be read too
			req, _ := http.NewRequest("GET", srv.URL+path, nil)
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body) // to the end of the handler
			resp.Body.Close()
			credentials := ""
			if want != "" {
				credentials = "true"
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want || resp.Header.Get("Access-Control-Allow-Credentials") != credentials {
				t.Errorf("origin %q is allowed as %q, want %q", origin, got, want)
			}
		}
	}
	if err := f.hub.Serve(&ssetest.Writer{}, httptest.NewRequest("GET", "/", nil), f.topic("secret")); !errors.Is(err, sse.ErrForbidden) || !strings.Contains(err.Error(), "no ticket") {
		t.Errorf("Serve = %v, want %v with the hook's own error", err, sse.ErrForbidden)
	}
	if _, streams := f.hub.Size(); streams != 1 {
		t.Errorf("the hub holds %d streams, want the one that is open", streams)
	}
}

// srvClient returns srv as what the fixture's helpers take.
func (f *fixture) srvClient(srv *httptest.Server) *ssetest.Server {
	return &ssetest.Server{Client: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", srv.Listener.Addr().String())
	}}}}
}

func TestLimits(t *testing.T) {
	for _, e := range engines {
		for name, tt := range map[string]struct {
			opts    sse.HubOptions
			admit   []string // paths, or "path from address"
			refuse  []string
			instead []string // after the first has left
			cause   sse.Cause
		}{
			"total": {
				opts:  sse.HubOptions{MaxStreams: 2},
				admit: []string{"/one/a", "/all/a,b"}, refuse: []string{"/one/c", "/all/c"}, instead: []string{"/one/c"},
				cause: sse.CauseTotal,
			},
			"client": {
				opts: sse.HubOptions{Quotas: []sse.Quota{sse.PerClient(1, func(r *http.Request) netip.Addr {
					addr, _ := netip.ParseAddr(r.Header.Get("X-Client"))
					return addr
				})}},
				admit: []string{"/one/a 10.0.0.1", "/one/a 10.0.0.2", "/one/a 2001:db8:0:1::1", "/one/a 2001:db8:0:2::1",
					"/one/a unknown", "/one/a unknown"},
				refuse:  []string{"/one/b 10.0.0.1", "/one/b ::ffff:10.0.0.1", "/all/a,b 10.0.0.2", "/one/a 2001:db8:0:1:ffff::9", "/one/a 2001:db8:0:2::1%eth0"},
				instead: []string{"/one/b 10.0.0.1"},
				cause:   sse.CauseQuota,
			},
			"topic": {
				opts:  sse.HubOptions{MaxStreamsPerTopic: 1},
				admit: []string{"/one/a", "/all/b,c", "/one/d"}, refuse: []string{"/one/a", "/one/b", "/all/x,a", "/all/c"}, instead: []string{"/all/a,x"},
				cause: sse.CauseTopic,
			},
		} {
			t.Run(e.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var refused []sse.Cause
					tt.opts.Observer = &sse.Observer{Refused: func(r sse.Refused) {
						if refused = append(refused, r.Cause); r.Subject == nil {
							t.Error("a refusal has no subject")
						}
					}}
					tt.opts.Subject = func(r *http.Request) any { return r.Header.Get("X-Client") }
					f := newFixture(t, e, &tt.opts)
					open := func(at string, accept string) *ssetest.Stream {
						path, client, _ := strings.Cut(at, " ")
						return f.srv.Open(t, path, http.Header{"X-Client": {client}, "Accept": {accept}})
					}
					var open1 *ssetest.Stream
					for i, at := range tt.admit {
						st := open(at, "text/event-stream")
						if i == 0 {
							open1 = st
						}
						synctest.Wait()
						if _, streams := f.hub.Size(); streams != i+1 {
							t.Fatalf("%s: %d streams, want %d", at, streams, i+1)
						}
					}
					for _, at := range tt.refuse {
						soft := open(at, "text/event-stream")
						expect(t, "stream of one too many", rest(t, soft), "bye()")
						if got := soft.Retry(); soft.Response.StatusCode != 200 || got < 5*time.Second || got > 30*time.Second {
							t.Errorf("%s: status %d, retry %v, want 200 and 5 s to 30 s", at, soft.Response.StatusCode, got)
						}
						hard := open(at, "application/json").Response
						if after, _ := strconv.Atoi(hard.Header.Get("Retry-After")); hard.StatusCode != 503 || after < 5 || after > 30 {
							t.Errorf("%s: status %d, Retry-After %d for a client that wants no events, want 503 and 5 to 30", at, hard.StatusCode, after)
						}
						for range 2 {
							if err := <-f.results; err != nil {
								t.Errorf("Serve = %v, want nil", err)
							}
						}
					}
					if len(refused) != 2*len(tt.refuse) {
						t.Errorf("observer was told of %d refusals, want %d", len(refused), 2*len(tt.refuse))
					}
					for _, c := range refused {
						if c != tt.cause {
							t.Errorf("refused because of %v, want %v", c, tt.cause)
						}
					}
					open1.Close()
					if err := <-f.results; err != nil {
						t.Errorf("Serve = %v, want nil", err)
					}
					for _, at := range tt.instead {
						_ = open(at, "text/event-stream")
						synctest.Wait()
						if _, streams := f.hub.Size(); streams != len(tt.admit) {
							t.Errorf("%s: %d streams after one has left, want %d", at, streams, len(tt.admit))
						}
					}
				})
			})
		}
	}
}

// What the observer is told, from the first to the last byte.
func TestObserver(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var ages []time.Duration
				var coalesced uint64
				resumed := map[sse.Resume]int{}
				ends := make(chan sse.Ended, 100)
				f := newFixture(t, e, &sse.HubOptions{StallTimeout: 10 * time.Second, Observer: &sse.Observer{
					Delivered: func(age time.Duration) { mu.Lock(); ages = append(ages, age); mu.Unlock() },
					Coalesced: func(n uint64) { mu.Lock(); coalesced += n; mu.Unlock() },
					Resumed:   func(r sse.Resume) { mu.Lock(); resumed[r]++; mu.Unlock() },
					Ended:     func(e sse.Ended) { ends <- e },
				}})
				a := f.topic("a")
				a.Open("r")
				publish(t, a, "1")
				time.Sleep(3 * time.Second)
				st := f.srv.Open(t, "/one/a", nil)
				st.Event(t)
				publish(t, a, strings.Repeat("x", 100_000))
				synctest.Wait()
				publish(t, a, "3", "4", "5")
				time.Sleep(5 * time.Second)
				st.Event(t)
				expect(t, "after it", next(t, st, 1), "r-5=5")
				synctest.Wait()
				mu.Lock()
				want := "[5s 5s]" // and not that which was there before
				if fmt.Sprint(ages) != want || coalesced != 2 {
					t.Errorf("delivered at the ages %v, %d coalesced, want %v and 2", ages, coalesced, want)
				}
				mu.Unlock()

				engine, bytes := sse.EngineHandOff, int64(100_000)
				if e.name == "goroutine" {
					engine = sse.EngineGoroutine
				}
				ended := func(what string, cause sse.Cause) {
					t.Helper()
					synctest.Wait()
					end := <-ends
					if end.Engine != engine || end.Cause != cause || end.Bytes < bytes || end.Bytes > bytes+1000 {
						t.Errorf("%s: %+v (%v), want %v on the %s engine after %d bytes", what, end, end.Cause, cause, engine, bytes)
					}
					bytes = 0
				}
				st.Close()
				ended("client closes", sse.CauseLeft)

				st = f.srv.Open(t, "/one/a", nil)
				st.Event(t)
				b := f.topic("b")
				b.Open("r")
				last := f.srv.Open(t, "/one/b", nil)
				synctest.Wait()
				finish(t, b, "end")
				rest(t, last)
				ended("terminal", sse.CauseFinished)
				publish(t, a, strings.Repeat("x", 100_000))
				end := <-ends
				if end.Cause != sse.CauseStalled || end.Duration < 10*time.Second {
					t.Errorf("stuck client: %+v (%v), want %v", end, end.Cause, sse.CauseStalled)
				}
				publish(t, a, "small")
				bytes = 0
				for _, id := range []string{a.Run() + "-7", "x-1", ""} {
					f.srv.Open(t, "/one/a", lastID(id)).Close()
					ended("client closes", sse.CauseLeft)
				}
				f.srv.Open(t, "/one/b", lastID("r-end"))
				log := f.backlog("log", 3)
				log.Open("r")
				publish(t, log, "1", "2", "3", "4", "5")
				for _, id := range []string{"r-3", "r-1"} {
					f.srv.Open(t, "/one/log", lastID(id)).Close()
					ended("client closes", sse.CauseLeft)
				}
				go f.hub.Drain(context.Background())
				synctest.Wait() // it refuses streams now
				_ = f.srv.Open(t, "/one/a", nil)
				mu.Lock()
				defer mu.Unlock()
				if got, want := fmt.Sprint(resumed), "map[current:1 ended:1 fresh:4 gap:1 replayed:1 resent:1]"; got != want {
					t.Errorf("resumed %v, want %v", got, want)
				}
			})
		})
	}
	t.Run("drained and stopped", func(t *testing.T) {
		for _, e := range engines {
			synctest.Test(t, func(t *testing.T) {
				ends := make(chan sse.Ended, 100)
				f := newFixture(t, e, &sse.HubOptions{Observer: &sse.Observer{Ended: func(e sse.Ended) { ends <- e }}})
				idle, stuck := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/one/b", nil)
				go func() { _, _ = io.Copy(io.Discard, idle.Response.Body) }()
				publish(t, f.topic("b"), strings.Repeat("x", 100_000))
				synctest.Wait()
				go f.hub.Drain(context.Background())
				// In this order, unless the idle one's turn to leave comes at the very end.
				causes := map[sse.Cause]int{(<-ends).Cause: 1}
				causes[(<-ends).Cause]++
				if causes[sse.CauseDrained] != 1 || causes[sse.CauseStopped] != 1 {
					t.Errorf("%s: drain: %v, want one drained and one stopped", e.name, causes)
				}
				_ = stuck
			})
		}
	})
}

// Publishers at once on a topic: numbers rise on every stream, and the last one arrives.
func TestManyPublishers(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f, _ := newNetFixture(t, e, nil, nil)
		a := f.topic("a")
		a.Open("r")
		var readers, publishers sync.WaitGroup
		for range 8 {
			st := f.srv.Open(t, "/one/a", nil)
			readers.Go(func() {
				for prev := uint64(0); ; {
					ev, err := st.Next()
					if err != nil {
						t.Errorf("after %d: %v", prev, err)
						return
					}
					if ev.ID == "r-end" {
						return
					}
					n, _ := strconv.ParseUint(strings.TrimPrefix(ev.ID, "r-"), 10, 64)
					if n <= prev {
						t.Errorf("%s after %d", ev.ID, prev)
					}
					prev = n
				}
			})
		}
		for p := range 8 {
			publishers.Go(func() {
				for i := range 1000 {
					publish(t, a, fmt.Sprint(p, i))
				}
			})
		}
		publishers.Wait()
		finish(t, a, "end")
		readers.Wait()
	})
}

// A reader of many topics that breaks off at any moment, and comes back with its id, misses no topic: what its id counts it
// has had.
func TestBreakingOffMissesNoTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f, _ := newNetFixture(t, e, nil, nil)
		names := strings.Split("abcdefgh", "")
		for _, name := range names {
			f.topic(name)
		}
		path := "/all/" + strings.Join(names, ",")
		st, id := f.srv.Open(t, path, nil), ""
		var publishers sync.WaitGroup
		for round := 1; round <= 300; round++ {
			for _, name := range names {
				publishers.Go(func() { publish(t, f.topic(name), name+strconv.Itoa(round)) })
			}
			seen := map[string]bool{}
			for read := 1; len(seen) < len(names); read++ {
				ev := st.Event(t)
				if ev.Name != "" {
					t.Fatalf("round %d: %s after %q", round, show(ev), id)
				}
				id = ev.ID
				if name := string(ev.Data[:1]); string(ev.Data[1:]) == strconv.Itoa(round) {
					seen[name] = true
				}
				if read%3 == round%3 {
					st.Close()
					st = f.srv.Open(t, path, lastID(id))
				}
			}
			publishers.Wait()
		}
	})
}

// On a stream of many topics ids rise, however its events were published; and every topic ends at its newest.
func TestIDsOfManyTopicsRise(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f, _ := newNetFixture(t, e, nil, nil)
		var names []string
		for i := range 64 {
			names = append(names, fmt.Sprint("t", i))
			f.topic(names[i])
		}
		var readers, publishers sync.WaitGroup
		for range 2 {
			st := f.srv.Open(t, "/all/"+strings.Join(names, ","), nil)
			readers.Go(func() {
				ended := 0
				for at := uint64(0); ended < len(names); {
					ev, err := st.Next()
					if err != nil {
						t.Errorf("after %d: %v", at, err)
						return
					}
					_, seq, _ := strings.Cut(ev.ID, "-")
					n, _ := strconv.ParseUint(seq, 10, 64)
					if n <= at {
						t.Errorf("%s after %d", ev.ID, at)
						return
					}
					if at = n; string(ev.Data) == "end" {
						ended++
					}
				}
			})
		}
		for p := range 4 {
			publishers.Go(func() {
				for i := range 10_000 {
					publish(t, f.topic(names[(i*(p+1))%len(names)]), "x")
				}
			})
		}
		publishers.Wait()
		for _, name := range names {
			publish(t, f.topic(name), "end")
		}
		readers.Wait()
	})
}

// A backlog under load: nothing that is kept is lost, what is lost is told, and many small events come in few writes.
func TestBacklogUnderLoad(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f, _ := newNetFixture(t, e, nil, nil)
		a := f.backlog("a", 256)
		a.Open("r")
		const events = 30_000
		var readers sync.WaitGroup
		var breaks, gaps atomic.Int64
		for reader := range 4 {
			st := f.srv.Open(t, "/one/a", nil)
			readers.Go(func() {
				at := uint64(0)
				for {
					ev, err := st.Next()
					switch {
					case err != nil:
						t.Errorf("after %d: %v", at, err)
						return
					case ev.Name == "gap":
						n, _ := strconv.ParseUint(string(ev.Data), 10, 64)
						at += n
						gaps.Add(1)
						continue
					case ev.ID == "r-end":
						if at != events {
							t.Errorf("the end after %d, want all %d counted", at, events)
						}
						return
					}
					n, _ := strconv.ParseUint(strings.TrimPrefix(ev.ID, "r-"), 10, 64)
					if at == 0 {
						at = n - 1
					}
					if n != at+1 || string(ev.Data) != strconv.Itoa(int(n)) {
						t.Errorf("%s after %d without a gap between", show(ev), at)
						return
					}
					at = n
					if reader%2 == 0 && n%5000 == 0 { // breaks off, and comes back where it was
						id := st.LastEventID()
						st.Close()
						st = f.srv.Open(t, "/one/a", lastID(id))
						breaks.Add(1)
					}
				}
			})
		}
		for i := range events {
			publish(t, a, strconv.Itoa(i+1))
			if i%100 == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
		finish(t, a, "end")
		readers.Wait()
		t.Logf("%d reconnects, %d gaps", breaks.Load(), gaps.Load())
	})
}

// A hook or a writer that panics leaves no stream behind, which a drain would wait for.
func TestPanicsLeaveNothing(t *testing.T) {
	boom := func() { panic("boom") }
	for name, tt := range map[string]struct {
		opts sse.HubOptions
		w    *ssetest.Writer
	}{
		"hook":   {opts: sse.HubOptions{OnSubscribe: func(*http.Request, *sse.Topic) error { boom(); return nil }}, w: &ssetest.Writer{}},
		"writer": {w: &ssetest.Writer{OnWrite: func([]byte) (int, error) { boom(); return 0, nil }}},
	} {
		hub := newHub(t, &tt.opts)
		a := hub.Topic("a", sse.TopicOptions{})
		for _, all := range []bool{false, true} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				if all {
					_ = hub.ServeAll(tt.w, httptest.NewRequest("GET", "/", nil), a)
				} else {
					_ = hub.Serve(tt.w, httptest.NewRequest("GET", "/", nil), a)
				}
			}()
		}
		if _, streams := hub.Size(); streams != 0 {
			t.Errorf("%s: the hub holds %d streams, want none", name, streams)
		}
	}
}
