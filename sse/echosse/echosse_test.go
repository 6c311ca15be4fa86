package echosse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/echosse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// outcome is what a middleware outside of all others saw of one request.
type outcome struct {
	err       error
	committed bool
	status    int
	size      int64
	header    http.Header
}

// newEcho returns an Echo that sends the outcome of each request on the channel,
// and then lets Echo answer errors.
func newEcho(inner ...echo.MiddlewareFunc) (*echo.Echo, <-chan outcome) {
	outcomes := make(chan outcome, 8)
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			res := c.Response()
			outcomes <- outcome{err, res.Committed, res.Status, res.Size, res.Header().Clone()}
			return err
		}
	})
	e.Use(inner...)
	return e, outcomes
}

// both registers one route for each of the two kinds of streams.
func both(t *testing.T, e *echo.Echo, lc echosse.Logger) (*echosse.Job, *echosse.Manager) {
	tracker := echosse.New(t.Context(), 0, 0, lc)
	job, _ := tracker.Start("scan")
	e.GET("/tracker", func(c echo.Context) error { return tracker.Subscribe(c, "scan") })
	m := echosse.NewManager(t.Context(), lc, 0)
	e.GET("/manager", echosse.Handler(m))
	return job, m
}

func wantEvents(t *testing.T, d interface{ Next() (sse.Event, error) }, want ...string) {
	t.Helper()
	for _, want := range want {
		ev, err := d.Next()
		if err != nil {
			t.Fatalf("got %v, want event %s", err, want)
		}
		if got := ev.Name + string(ev.Data); got != want {
			t.Errorf("got event %s, want %s", got, want)
		}
	}
}

func TestBehaviour19Headers(t *testing.T) {
	for _, tt := range []struct {
		proto      string
		connection string
	}{
		{"HTTP/1.1", "keep-alive"},
		{"HTTP/2.0", ""},
	} {
		t.Run(tt.proto, func(t *testing.T) {
			e, outcomes := newEcho()
			job, m := both(t, e, nil)
			srv := httptest.NewUnstartedServer(e)
			srv.EnableHTTP2 = tt.proto == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()
			for _, path := range []string{"/tracker", "/manager"} {
				// Nothing is published yet: the headers are flushed at once.
				res, err := srv.Client().Get(srv.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				if res.Proto != tt.proto {
					t.Fatalf("%s: got %s", path, res.Proto)
				}
				for key, want := range map[string]string{
					"Content-Type":  "text/event-stream",
					"Cache-Control": "no-cache",
					"Connection":    tt.connection,
				} {
					if got := res.Header.Get(key); got != want {
						t.Errorf("%s: %s: %q, want %q", path, key, got, want)
					}
				}
				job.Publish("seen")
				m.Publish("/manager", "seen")
				wantEvents(t, sse.NewDecoder(res.Body, nil), `"seen"`)
				res.Body.Close()
				o := <-outcomes // net/http strips the header for HTTP/2 as well
				if got := o.header.Get("Connection"); got != tt.connection {
					t.Errorf("%s: the handler set Connection: %q, want %q", path, got, tt.connection)
				}
				if o.err != nil {
					t.Errorf("%s: the client left: %v, want nil", path, o.err)
				}
			}
		})
	}
}

func TestUnknownTopicLeavesTheResponseAlone(t *testing.T) {
	e, outcomes := newEcho()
	tracker := echosse.New(t.Context(), 0, 0, nil)
	e.GET("/", func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "private")
		return tracker.Subscribe(c, "nothing")
	})
	w := httptest.NewRecorder() // could not stream, but that is not the question yet
	e.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	o := <-outcomes
	if !errors.Is(o.err, echosse.ErrNoTopic) {
		t.Errorf("Subscribe = %v, want ErrNoTopic", o.err)
	}
	if o.committed {
		t.Error("something was written")
	}
	if got := o.header.Get("Cache-Control"); got != "private" || len(o.header) != 1 {
		t.Errorf("headers = %v, want Cache-Control: private alone", o.header)
	}
}

// hide is a middleware whose writer has no way to the server's.
func hide(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Writer = hiding{c.Response().Writer}
		return next(c)
	}
}

type hiding struct{ http.ResponseWriter }

// hideDeadlines lets only flushing through.
func hideDeadlines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Writer = flushing{hiding{c.Response().Writer}, http.NewResponseController(c.Response().Writer)}
		return next(c)
	}
}

type flushing struct {
	hiding
	rc *http.ResponseController
}

func (w flushing) Flush() { w.rc.Flush() }

// buffer holds a response back until it is complete.
func buffer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		w := c.Response().Writer
		held := &buffering{header: w.Header(), status: http.StatusOK}
		c.Response().Writer = held
		err := next(c)
		c.Response().Writer = w
		if c.Response().Committed {
			w.WriteHeader(held.status)
			w.Write(held.Bytes())
		}
		return err
	}
}

type buffering struct {
	header http.Header
	status int
	bytes.Buffer
}

func (b *buffering) Header() http.Header    { return b.header }
func (b *buffering) WriteHeader(status int) { b.status = status }

// wrap is a middleware as it should be.
func wrap(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Writer = wrapping{hiding{c.Response().Writer}}
		return next(c)
	}
}

type wrapping struct{ hiding }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestWriterThatCannotStreamIs5xxAndLogged(t *testing.T) {
	for _, tt := range []struct {
		name       string
		middleware echo.MiddlewareFunc
		log        []string
	}{
		{"no Unwrap", hide, []string{"echosse_test.hiding", "Flush", "SetWriteDeadline"}},
		{"no deadlines", hideDeadlines, []string{"echosse_test.flushing", "SetWriteDeadline"}},
		{"buffering", buffer, []string{"*echosse_test.buffering", "Flush", "SetWriteDeadline"}},
	} {
		for _, path := range []string{"/tracker", "/manager"} {
			t.Run(tt.name+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lc := &lines{}
					e, outcomes := newEcho(tt.middleware)
					job, _ := both(t, e, lc)
					job.Publish("not seen")
					res := ssetest.NewServer(t, e).Open(t, path, nil).Response
					body, err := io.ReadAll(res.Body)
					if err != nil {
						t.Fatal(err)
					}
					if got, want := res.StatusCode, 500; got != want {
						t.Errorf("status = %d, want %d", got, want)
					}
					if got, want := strings.TrimSpace(string(body)), `{"message":"Internal Server Error"}`; got != want {
						t.Errorf("body = %s, want %s", got, want)
					}
					if got, want := res.Header.Get("Content-Type"), "application/json"; got != want {
						t.Errorf("Content-Type = %s, want %s", got, want)
					}
					if got := res.Header.Get("Cache-Control"); got != "" {
						t.Errorf("Cache-Control = %s, want none", got)
					}
					if o := <-outcomes; o.err == nil || o.committed {
						t.Errorf("err = %v, committed = %v, want an error and nothing written", o.err, o.committed)
					}
					log := lc.all()
					if len(log) != 1 {
						t.Fatalf("log = %q, want one line", log)
					}
					for _, want := range append(tt.log, "ERROR") {
						if !strings.Contains(log[0], want) {
							t.Errorf("log = %s, want it to name %s", log[0], want)
						}
					}
				})
			})
		}
	}
}

func TestWriterThatUnwrapsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newEcho(wrap, middleware.BodyDump(func(echo.Context, []byte, []byte) {}))
		job, m := both(t, e, nil)
		srv := ssetest.NewServer(t, e)
		a, b := srv.Open(t, "/tracker", nil), srv.Open(t, "/manager", nil)
		job.Publish(1)
		m.Publish("/manager", 2)
		wantEvents(t, a, "1")
		wantEvents(t, b, "2")
		a.Close()
		b.Close()
	})
}

func TestGzipMiddlewareStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newEcho(middleware.Gzip())
		job, _ := both(t, e, nil)
		s := ssetest.NewServer(t, e).Open(t, "/tracker", http.Header{"Accept-Encoding": {"gzip"}})
		if got, want := s.Response.Header.Get("Content-Encoding"), "gzip"; got != want {
			t.Fatalf("Content-Encoding = %q, want %q", got, want)
		}
		plain, err := gzip.NewReader(s.Response.Body)
		if err != nil {
			t.Fatal(err)
		}
		d := sse.NewDecoder(plain, nil)
		before := time.Now()
		for i := range 3 { // each one arrives before the next is published
			job.Publish(i)
			wantEvents(t, d, strconv.Itoa(i))
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("events took %v", took)
		}
		s.Close()
	})
}

// Echo used to append its JSON to a stream when an error was returned after it.
func TestErrorAfterTheStreamIsNotAppended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, outcomes := newEcho()
		tracker := echosse.New(t.Context(), 0, 0, nil)
		late := errors.New("too late")
		e.GET("/", func(c echo.Context) error {
			if err := tracker.Subscribe(c, "scan"); err != nil {
				return err
			}
			return late
		})
		job, _ := tracker.Start("scan")
		job.Finish("over")
		s := ssetest.NewServer(t, e).Open(t, "/", nil)
		body, err := io.ReadAll(s.Response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(body), "data: \"over\"\n\n"; !strings.HasSuffix(got, want) {
			t.Errorf("body = %q, want it to end with %q", got, want)
		}
		o := <-outcomes
		if o.err != late || !o.committed || o.status != 200 || o.size != int64(len(body)) {
			t.Errorf("err = %v, committed = %v, status = %d, size = %d, want %v, true, 200, %d",
				o.err, o.committed, o.status, o.size, late, len(body))
		}
	})
}

// Echo's Response drops the errors of Flush.
func TestFailedFlushEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := echosse.New(t.Context(), 0, 0, nil)
		tracker.Start("scan")
		w := &ssetest.Writer{OnFlush: func() error { return errors.New("connection reset") }}
		c := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), w)
		before := time.Now()
		if err := tracker.Subscribe(c, "scan"); err != nil {
			t.Errorf("Subscribe = %v, want nil: it is too late for an error", err)
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("the stream went on for %v", took)
		}
	})
}

func TestManagerAndPollingOnEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, outcomes := newEcho()
		m := echosse.NewManager(t.Context(), nil, 0)
		var over atomic.Int64
		var topics []string
		e.GET("/device/:name/sse", func(c echo.Context) error {
			topics = append(topics, echosse.ConstructSSETopic(c))
			polling := echosse.NewPolling(nil,
				func(context.Context) (any, error) { return "level of " + c.Param("name"), nil },
				echosse.WithStopCallback(func() { over.Add(1) }),
			)
			return echosse.Handler(m, echosse.WithPollingService(polling))(c)
		})
		e.GET("/alarms", echosse.Handler(m, echosse.WithCustomTopic("alarms")))
		srv := ssetest.NewServer(t, e)
		tank := srv.Open(t, "/device/tank/sse?offset=10&limit=5", nil)
		pump := srv.Open(t, "/device/pump/sse", nil)
		alarms := srv.Open(t, "/alarms", nil)
		wantEvents(t, tank, `"level of tank"`)
		wantEvents(t, pump, `"level of pump"`) // a topic is a path, not a route
		m.Publish("/device/pump/sse", "pushed")
		m.Publish("alarms", "too hot")
		wantEvents(t, pump, `"pushed"`)
		wantEvents(t, alarms, `"too hot"`)
		if got, want := strings.Join(topics, " "), "/device/tank/sse?limit=5&offset=10 /device/pump/sse"; got != want {
			t.Errorf("topics = %s, want %s", got, want)
		}
		for _, s := range []*ssetest.Stream{tank, pump} {
			s.Close()
			if o := <-outcomes; o.err != nil {
				t.Errorf("err = %v, want nil", o.err)
			}
		}
		synctest.Wait()
		if got := over.Load(); got != 2 {
			t.Errorf("%d pollings have ended, want 2", got)
		}
		m.Shutdown()
		if o := <-outcomes; o.err != nil {
			t.Errorf("err after Shutdown = %v, want nil", o.err)
		}
	})
}

// A stream that may be handed off keeps its connection behind Echo's Gzip, which would not compress the rest.
func TestGzipKeepsItsConnection(t *testing.T) {
	engines := make(chan sse.Engine, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hub := sse.NewHub(ctx, &sse.HubOptions{Observer: &sse.Observer{Opened: func(e sse.Engine) { engines <- e }}})
	topic := hub.Topic("a", sse.TopicOptions{})
	handler := hub.Handler(func(*http.Request) ([]*sse.Topic, error) { return []*sse.Topic{topic}, nil })
	for _, least := range []int{0, 1000} {
		e, _ := newEcho(middleware.GzipWithConfig(middleware.GzipConfig{MinLength: least}))
		e.GET("/", echo.WrapHandler(handler))
		srv := httptest.NewServer(e)
		defer srv.Close()
		defer cancel() // before that, or Close would wait for the stream
		publish := func(data string) {
			if err := topic.Publish(sse.Event{Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
		publish("1")
		req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatalf("Content-Encoding %q: %v", resp.Header.Get("Content-Encoding"), err)
		}
		d := sse.NewDecoder(body, nil)
		wantEvents(t, d, "1")
		if got := <-engines; got != sse.EngineGoroutine {
			t.Errorf("the %s engine has the stream, want %s", got, sse.EngineGoroutine)
		}
		publish("2")
		wantEvents(t, d, "2")
	}
}

// Heartbeats are those of go-mod-edge-utils, on both kinds of streams.
func TestBehaviour12HeartbeatsAreACommentAndABlankLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newEcho()
		both(t, e, nil)
		srv := ssetest.NewServer(t, e)
		for _, path := range []string{"/tracker", "/manager"} {
			st := srv.Open(t, path, nil)
			var body strings.Builder
			read := make(chan bool)
			go func() {
				defer close(read)
				_, _ = io.Copy(&body, st.Response.Body)
			}()
			time.Sleep(65 * time.Second)
			st.Close()
			<-read
			if got := body.String(); !strings.HasSuffix(got, "\n:\n\n:\n\n:\n\n") {
				t.Errorf("%s: %q, want a comment and a blank line at first, and after 30 and 60 s", path, got)
			}
		}
	})
}

// What a Polling is made of is a request that Echo does not use again for somebody else.
func TestPollingFuncOutlivesEchosContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := echo.New()
		m := echosse.NewManager(t.Context(), nil, 0)
		e.GET("/values/:device", echosse.Handler(m, echosse.WithPollingFunc(func(r *http.Request) echosse.PollingService {
			return echosse.NewPolling(nil, func(context.Context) (any, error) { return r.URL.Path, nil }, echosse.WithCustomPollingInterval(time.Second))
		})))
		e.GET("/other/:device", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		srv := ssetest.NewServer(t, e)
		first, second := srv.Open(t, "/values/a", nil), srv.Open(t, "/values/a", nil)
		wantEvents(t, first, `"/values/a"`)
		wantEvents(t, second, `"/values/a"`)
		first.Close()
		synctest.Wait()
		for range 10 {
			srv.Open(t, "/other/b", nil).Close()
		}
		m.Publish("/values/a", "between") // so that the next poll differs from the newest
		wantEvents(t, second, `"between"`, `"/values/a"`)
	})
}

// The names of go-mod-edge-utils: topics of a path and a query, in whatever order its parameters come.
func TestTopicsOfOneQueryInAnyOrder(t *testing.T) {
	e := echo.New()
	var topics []string
	e.GET("/devices/:id", func(c echo.Context) error {
		topics = append(topics, echosse.ConstructSSETopic(c))
		return nil
	})
	for _, target := range []string{"/devices/7?offset=5&limit=1", "/devices/7?limit=1&offset=5", "/devices/7"} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	if got, want := strings.Join(topics, " "), "/devices/7?limit=1&offset=5 /devices/7?limit=1&offset=5 /devices/7"; got != want {
		t.Errorf("topics %s, want %s", got, want)
	}
}
