package sse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
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

// byeAlone matches the stream of a request that is turned away.
var byeAlone = regexp.MustCompile(`^event: bye\nretry: \d{3,5}\ndata: ?\n\n$`)

// engine is a way to carry streams. Whatever it is, it has to pass conformance.
type engine struct {
	name string
	one  func(*sse.Hub, http.ResponseWriter, *http.Request, *sse.Topic) error
	all  func(*sse.Hub, http.ResponseWriter, *http.Request, ...*sse.Topic) error

	start func(*testing.T, *http.Server) *ssetest.Server // over connections in memory
	opts  sse.StreamOptions                              // of one and all
}

var engines = []engine{
	withOptions("goroutine", sse.StreamOptions{KeepConnection: true}, memoryServer),
	withOptions("handoff", sse.StreamOptions{HandOff: true}, handOffServer),
	{"blocking", (*sse.Hub).Serve, (*sse.Hub).ServeAll, handOffServer, sse.StreamOptions{}},
}

func withOptions(name string, opts sse.StreamOptions, start func(*testing.T, *http.Server) *ssetest.Server) engine {
	return engine{
		name,
		func(h *sse.Hub, w http.ResponseWriter, r *http.Request, t *sse.Topic) error {
			return h.With(opts).Serve(w, r, t)
		},
		func(h *sse.Hub, w http.ResponseWriter, r *http.Request, topics ...*sse.Topic) error {
			return h.With(opts).ServeAll(w, r, topics...)
		},
		start,
		opts,
	}
}

// fixture is a hub behind a server in memory: /one/NAME serves a topic, /all/NAME,NAME several.
type fixture struct {
	hub     *sse.Hub
	cancel  context.CancelFunc // ends the hub
	srv     *ssetest.Server
	results chan error // of Serve and ServeAll, or nil for each stream that was handed off and has ended
	opened  map[sse.Engine]*atomic.Int64

	mu     sync.Mutex // guards the field below
	topics map[string]*sse.Topic
}

func newFixture(t *testing.T, e engine, opts *sse.HubOptions) *fixture {
	f := newHubFixture(t, opts)
	f.hub.TakeMemorySockets()
	f.srv = e.start(t, &http.Server{Handler: f.handler(e)})
	return f
}

// newHubFixture is a fixture without a server. Its observer tells it of streams that end after their request.
func newHubFixture(t *testing.T, opts *sse.HubOptions) *fixture {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f := &fixture{
		cancel:  cancel,
		results: make(chan error, 20000),
		opened:  map[sse.Engine]*atomic.Int64{sse.EngineGoroutine: {}, sse.EngineHandOff: {}},
		topics:  map[string]*sse.Topic{},
	}
	var own sse.HubOptions
	if opts != nil {
		own = *opts
	}
	var observer sse.Observer
	if own.Observer != nil {
		observer = *own.Observer
	}
	ended := observer.Ended
	opened := observer.Opened
	observer.Opened = func(e sse.Engine) {
		f.opened[e].Add(1)
		if opened != nil {
			opened(e)
		}
	}
	observer.Ended = func(e sse.Ended) {
		if e.Engine == sse.EngineHandOff {
			f.results <- nil
		}
		if ended != nil {
			ended(e)
		}
	}
	own.Observer = &observer
	f.hub = sse.NewHub(ctx, &own)
	return f
}

// spy notes that the connection was taken.
type spy struct {
	http.ResponseWriter
	hijacked bool
}

func (s *spy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *spy) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	s.hijacked = err == nil
	return conn, rw, err
}

func (f *fixture) handler(e engine) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/one/{name}", func(w http.ResponseWriter, r *http.Request) {
		s := &spy{ResponseWriter: w}
		err := e.one(f.hub, s, r, f.topic(r.PathValue("name")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
		if !s.hijacked {
			f.results <- err
		}
	})
	mux.HandleFunc("/all/{names}", func(w http.ResponseWriter, r *http.Request) {
		var topics []*sse.Topic
		for name := range strings.SplitSeq(r.PathValue("names"), ",") {
			topics = append(topics, f.topic(name))
		}
		s := &spy{ResponseWriter: w}
		err := e.all(f.hub, s, r, topics...)
		if !s.hijacked {
			f.results <- err
		}
	})
	return mux
}

// topic returns the handle of a topic that the test got first, whatever has become of the topic.
func (f *fixture) topic(name string) *sse.Topic {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topics[name] == nil {
		f.topics[name] = f.hub.Topic(name, sse.TopicOptions{})
	}
	return f.topics[name]
}

func (f *fixture) backlog(name string, n int) *sse.Topic {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.topics[name] = f.hub.Topic(name, sse.TopicOptions{Backlog: n})
	return f.topics[name]
}

func event(data string) sse.Event { return sse.Event{Data: []byte(data)} }

func publish(t *testing.T, topic *sse.Topic, data ...string) {
	t.Helper()
	for _, d := range data {
		if err := topic.Publish(event(d)); err != nil {
			t.Fatalf("Publish(%.80q): %v", d, err)
		}
	}
}

func finish(t *testing.T, topic *sse.Topic, data string) {
	t.Helper()
	if err := topic.Close(event(data)); err != nil {
		t.Fatalf("Close(%q): %v", data, err)
	}
}

func show(ev sse.Event) string {
	if ev.Name != "" {
		return ev.Name + "(" + string(ev.Data) + ")"
	}
	return ev.ID + "=" + string(ev.Data)
}

// next returns the next n events as `id=data` and `name(data)`.
func next(t *testing.T, st *ssetest.Stream, n int) string {
	t.Helper()
	var got []string
	for range n {
		got = append(got, show(st.Event(t)))
	}
	return strings.Join(got, " ")
}

// rest returns all events up to the end of the stream.
func rest(t *testing.T, st *ssetest.Stream) string {
	t.Helper()
	var got []string
	for _, ev := range st.Rest(t) {
		got = append(got, show(ev))
	}
	return strings.Join(got, " ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func lastID(id string) http.Header { return http.Header{"Last-Event-Id": {id}} }

// chunk returns what the server wrote next, at most 64 KB.
func chunk(t *testing.T, st *ssetest.Stream) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := st.Response.Body.Read(buf)
	if err != nil && n == 0 {
		t.Fatalf("read: %v", err)
	}
	return string(buf[:n])
}

func TestConformance(t *testing.T) {
	for _, e := range engines {
		for _, b := range conformance {
			t.Run(e.name+"/"+b.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.test(t, e) })
			})
		}
	}
}

var conformance = []struct {
	name string
	test func(*testing.T, engine)
}{
	{"newest at once, then live, then the terminal, then the end", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1", "2")
		st := f.srv.Open(t, "/one/a", nil)
		expect(t, "first event", next(t, st, 1), "r-2=2")
		publish(t, a, "3")
		expect(t, "live event", next(t, st, 1), "r-3=3")
		publish(t, a, "4")
		expect(t, "live event", next(t, st, 1), "r-4=4")
		finish(t, a, "end")
		expect(t, "rest", rest(t, st), "r-end=end")
		if err := <-f.results; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}},
	{"head and first bytes", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		f.topic("empty").Open("r")
		publish(t, f.topic("a"), "x")
		retries := map[time.Duration]bool{}
		for range 30 {
			st := f.srv.Open(t, "/one/a", nil)
			ev := st.Event(t)
			expect(t, "data", string(ev.Data), "x")
			if got := st.Retry(); got < 2*time.Second || got > 5*time.Second {
				t.Errorf("retry = %v, want 2 to 5 s", got)
			}
			retries[st.Retry()] = true
			if got := st.Response.Status; got != "200 OK" {
				t.Errorf("status = %q, want 200 OK", got)
			}
			for key, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"} {
				expect(t, key, st.Response.Header.Get(key), want)
			}
		}
		if len(retries) < 10 {
			t.Errorf("30 streams were given %d different retry times, want random ones", len(retries))
		}
		st := f.srv.Open(t, "/one/empty", nil)
		if got := chunk(t, st); !strings.HasPrefix(got, "retry: ") || !strings.HasSuffix(got, "\n:\n") {
			t.Errorf("first bytes without an event = %q, want retry and a comment", got)
		}
	}},
	{"simple readers find no empty message", func(t *testing.T, e engine) {
		f := newFixture(t, e, &sse.HubOptions{MaxStreamsPerTopic: 1})
		log := f.backlog("log", 2)
		log.Open("r")
		publish(t, log, "1", "2", "3", "4")
		f.topic("empty").Open("r")
		for _, path := range []string{"/one/log", "/all/log", "/one/empty", "/all/empty"} {
			for _, id := range []string{"", "r-1"} {
				st := f.srv.Open(t, path, lastID(id))
				var body strings.Builder
				var reading sync.WaitGroup
				reading.Go(func() { _, _ = io.Copy(&body, st.Response.Body) })
				time.Sleep(20 * time.Second) // and a heartbeat
				if path == "/one/empty" && id == "" {
					full := f.srv.Open(t, path, nil)
					if text, err := io.ReadAll(full.Response.Body); !byeAlone.Match(text) || err != nil {
						t.Errorf("one too many is refused with %q, %v, want bye with a retry: alone", text, err)
					}
					<-f.results
				}
				topic := f.topic(strings.TrimPrefix(path[4:], "/"))
				publish(t, topic, "next")
				time.Sleep(20 * time.Second)
				st.Close()
				reading.Wait()
				<-f.results
				blocks := strings.Split(body.String(), "\n\n")
				for _, block := range blocks[:len(blocks)-1] {
					if !strings.HasPrefix(block, "data:") && !strings.Contains(block, "\ndata:") {
						t.Errorf("%s after %q: %q has a block without data: %q", path, id, body.String(), block)
					}
				}
				if strings.Count(body.String(), ":\n") < 2 || !strings.HasPrefix(body.String(), "retry: ") {
					t.Errorf("%s after %q: %q, want retry: first, and heartbeats", path, id, body.String())
				}
			}
		}
	}},
	{"a late stream gets the terminal alone", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1", "2")
		finish(t, a, "end")
		expect(t, "stream", rest(t, f.srv.Open(t, "/one/a", nil)), "r-end=end")
		b := f.backlog("b", 8)
		b.Open("r")
		publish(t, b, "1", "2")
		finish(t, b, "end")
		expect(t, "stream of a backlog", rest(t, f.srv.Open(t, "/one/b", nil)), "r-end=end")
	}},
	{"the pair rule", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		for i := range 20 {
			a := f.topic(strconv.Itoa(i))
			a.Open("r")
			one, all := f.srv.Open(t, "/one/"+a.Name(), nil), f.srv.Open(t, "/all/"+a.Name(), nil)
			synctest.Wait()
			publish(t, a, "1")
			finish(t, a, "end")
			expect(t, "stream", rest(t, one), "r-1=1 r-end=end")
			if got := next(t, all, 2); !strings.HasSuffix(got, "=end") || !strings.Contains(got, "=1 ") {
				t.Errorf("stream of many = %q, want both", got)
			}
		}
	}},
	{"a slow stream gets its run's terminal though the next run has begun", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		one, all := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/all/a", nil)
		publish(t, a, strings.Repeat("x", 100_000))
		synctest.Wait() // both streams are in the middle of it
		publish(t, a, "skipped", "2")
		finish(t, a, "end")
		a.Open("s")
		publish(t, a, "s1")
		if n := len(one.Event(t).Data); n != 100_000 {
			t.Errorf("first event has %d bytes, want 100000", n)
		}
		expect(t, "rest", rest(t, one), "r-3=2 r-end=end")
		all.Event(t)
		got := next(t, all, 3)
		for _, id := range []string{"2", "end", "s1"} {
			if !strings.Contains(got, "="+id) {
				t.Errorf("stream of many = %q, want %q too", got, id)
			}
		}
		expect(t, "new stream", next(t, f.srv.Open(t, "/one/a", nil), 1), "s-1=s1")
	}},
	{"a run replaced before its end hands its streams on", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		st := f.srv.Open(t, "/one/a", nil)
		expect(t, "first", next(t, st, 1), "r-1=1")
		a.Open("s")
		synctest.Wait()
		publish(t, a, "2")
		expect(t, "second", next(t, st, 1), "s-1=2")
		if err := a.Publish(sse.Event{ID: "t-7", Data: []byte("3")}); err != nil {
			t.Error(err)
		}
		expect(t, "third", next(t, st, 1), "t-7=3")
		finish(t, a, "end")
		expect(t, "rest", rest(t, st), "t-end=end")
	}},
	{"resume", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		for name, topic := range map[string]*sse.Topic{"live": f.topic("live"), "log": f.backlog("log", 3), "ended": f.topic("ended")} {
			topic.Open("r")
			publish(t, topic, "1", "2", "3", "4", "5")
			if name == "ended" {
				finish(t, topic, "end")
			}
		}
		if err := f.topic("free").Publish(sse.Event{ID: "any thing", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ topic, id, want string }{
			{"live", "", "r-5=5 next"},
			{"live", "r-5", "next"},
			{"live", "r-4", "r-5=5 next"},
			{"live", "r-6", "r-5=5 next"},
			{"live", "s-5", "r-5=5 next"},
			{"live", "r-end", "r-5=5 next"},
			{"live", "s-end", "r-5=5 next"},
			{"live", strings.Repeat("x", 10_000), "r-5=5 next"},
			{"free", "any thing", "next"},
			{"free", "any", "any thing=1 next"},
			{"log", "", "r-5=5 next"},
			{"log", "r-5", "next"},
			{"log", "r-3", "r-4=4 r-5=5 next"},
			{"log", "r-2", "r-3=3 r-4=4 r-5=5 next"},
			{"log", "r-1", "gap(1) r-3=3 r-4=4 r-5=5 next"},
			{"log", "r-0", "gap(2) r-3=3 r-4=4 r-5=5 next"},
			{"log", "r-9", "gap() r-3=3 r-4=4 r-5=5 next"},
			{"log", "r-x", "gap() r-3=3 r-4=4 r-5=5 next"},
			{"log", "s-3", "gap() r-3=3 r-4=4 r-5=5 next"},
			{"ended", "", "r-end=end"},
			{"ended", "r-5", "r-end=end"},
			{"ended", "s-end", "r-end=end"},
			{"ended", "r-end", "204"},
		} {
			for _, how := range []string{"header", "query"} {
				path, header := "/one/"+tt.topic, lastID(tt.id)
				if how == "query" {
					path, header = path+"?last_event_id="+strings.ReplaceAll(tt.id, " ", "%20"), nil
				}
				st := f.srv.Open(t, path, header)
				var got []string
				switch {
				case st.Response.StatusCode != http.StatusOK:
					got = []string{strconv.Itoa(st.Response.StatusCode)}
				case tt.topic == "ended":
					got = []string{rest(t, st)}
				default: // up to an event that is published when the stream is idle
					synctest.Wait()
					topic, newest := f.topic(tt.topic), sse.Event{}
					newest, _ = topic.Latest()
					if err := topic.Publish(event("next")); err != nil {
						t.Fatal(err)
					}
					for {
						ev := st.Event(t)
						if string(ev.Data) == "next" {
							break
						}
						got = append(got, show(ev))
					}
					got = append(got, "next")
					st.Close()
					// As it was, for the next line of the table.
					topic.Open("tmp")
					topic.Open("r")
					if tt.topic == "free" {
						_ = topic.Publish(newest)
					} else {
						publish(t, topic, "1", "2", "3", "4", "5")
					}
				}
				expect(t, fmt.Sprintf("stream of %s, %.20q by %s", tt.topic, tt.id, how), strings.Join(got, " "), tt.want)
			}
		}
	}},
	{"a log with ids of its own is taken up where it broke off", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 3)
		for n := 21; n <= 25; n++ {
			if err := a.Publish(sse.Event{ID: strconv.Itoa(n), Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		newest := 25
		for _, tt := range []struct{ id, want string }{
			{"", "25"}, {"25", ""}, {"24", "25"}, {"23", "24 25"},
			{"22", "gap 23 24 25"}, {"21", "gap 23 24 25"}, {"other", "gap 23 24 25"}, {a.Run() + "-4", "gap 23 24 25"},
		} {
			st := f.srv.Open(t, "/one/a", lastID(tt.id))
			synctest.Wait()
			newest++
			_ = a.Publish(sse.Event{ID: strconv.Itoa(newest), Data: []byte("next")})
			var got []string
			for ev := st.Event(t); string(ev.Data) != "next"; ev = st.Event(t) {
				if ev.Name == "gap" && len(ev.Data) == 0 { // how many is not known
					got = append(got, "gap")
				} else {
					got = append(got, ev.ID)
				}
			}
			expect(t, "after "+tt.id, strings.Join(got, " "), tt.want)
			st.Close()
			run := a.Run() // as it was
			a.Open("tmp")
			a.Open(run)
			for n := 21; n <= 25; n++ {
				_ = a.Publish(sse.Event{ID: strconv.Itoa(n), Data: []byte("x")})
			}
		}
	}},
	{"a log that has ended is read to its end", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 3)
		a.Open("r")
		publish(t, a, "1", "2", "3")
		finish(t, a, "end")
		expect(t, "after r-2", rest(t, f.srv.Open(t, "/one/a", lastID("r-2"))), "r-3=3 r-end=end")
		expect(t, "after another run", rest(t, f.srv.Open(t, "/one/a", lastID("s-2"))), "gap() r-2=2 r-3=3 r-end=end")
		expect(t, "anew", rest(t, f.srv.Open(t, "/one/a", nil)), "r-end=end")
	}},
	{"ids of the topic's own go on after the application's", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 8)
		a.Open("chat")
		var got []string
		for _, id := range []string{"chat-21", "", "chat-30", "chat-25", "mine", "chat-031", "", "chat-18446744073709551615", ""} {
			if err := a.Publish(sse.Event{ID: id, Data: []byte{}}); err != nil {
				t.Fatal(err)
			}
			ev, _ := a.Latest()
			got = append(got, ev.ID)
		}
		expect(t, "ids", strings.Join(got, " "), "chat-21 chat-22 chat-30 chat-25 mine chat-031 chat-32 chat-18446744073709551615 chat-33")
		st := f.srv.Open(t, "/one/a", lastID("chat-30"))
		expect(t, "after one of them", next(t, st, 3), "chat-25= mine= chat-031=")
	}},
	{"a log is carried over to the next process", func(t *testing.T, e engine) {
		before := newFixture(t, e, nil)
		a := before.backlog("a", 3)
		a.Open("r")
		publish(t, a, "1", "2", "3", "4")
		if err := a.Publish(sse.Event{ID: "mine", Name: "said", Data: []byte("5")}); err != nil {
			t.Fatal(err)
		}
		run, nextNumber, events := a.Kept()
		if len(events) != 3 || run != "r" || nextNumber != 5 {
			t.Fatalf("Kept() = %q, %d events, %d, want r, 3 and 5", run, len(events), nextNumber)
		}

		f := newFixture(t, e, nil)
		a = f.backlog("a", 3)
		early := f.srv.Open(t, "/one/a", nil)
		synctest.Wait()
		if err := a.Restore(run, nextNumber, events); err != nil {
			t.Fatalf("Restore = %v, want nil", err)
		}
		if err := a.Restore(run, nextNumber, events); err == nil {
			t.Errorf("Restore of a run that has events = nil, want an error")
		}
		expect(t, "a stream that was there before", next(t, early, 3), "r-3=3 r-4=4 said(5)")
		for id, want := range map[string]string{
			"r-2":  "r-3=3 r-4=4 said(5)",
			"r-1":  "gap(1) r-3=3 r-4=4 said(5)",
			"r-7":  "gap() r-3=3 r-4=4 said(5)",
			"r-4":  "said(5)",
			"mine": "",
			"":     "said(5)",
		} {
			st := f.srv.Open(t, "/one/a", lastID(id))
			n := strings.Count(want, "=") + strings.Count(want, "(")
			if n > 0 {
				expect(t, "after "+id, next(t, st, n), want)
			}
			synctest.Wait()
			publish(t, a, "6")
			expect(t, "then", next(t, st, 1), "r-5=6")
			st.Close()
			a.Open("tmp")
			_ = a.Restore(run, nextNumber, events)
		}
		if err := f.topic("b").Restore("r", 7, []sse.Event{event("1"), {ID: "two\nlines"}}); err == nil || f.topic("b").Run() != "" {
			t.Errorf("Restore with a bad id = %v and run %q, want an error and nothing changed", err, f.topic("b").Run())
		}
		if err := f.topic("b").Restore("r", 7, []sse.Event{event("1"), event("2")}); err != nil {
			t.Error(err)
		}
		ev, _ := f.topic("b").Latest()
		expect(t, "numbers of events without ids", ev.ID, "r-6")
	}},
	{"a log that has ended is carried over as one", func(t *testing.T, e engine) {
		before := newFixture(t, e, nil)
		a := before.backlog("a", 3)
		a.Open("r")
		publish(t, a, "1", "2")
		finish(t, a, "end")
		run, nextNumber, events := a.Kept()

		f := newFixture(t, e, nil)
		a = f.backlog("a", 3)
		if err := a.Restore(run, nextNumber, events); err != nil || !a.Ended() {
			t.Fatalf("Restore = %v and Ended() = %v, want an ended run", err, a.Ended())
		}
		if err := a.Publish(event("3")); !errors.Is(err, sse.ErrClosed) {
			t.Errorf("Publish after the restored terminal = %v, want ErrClosed", err)
		}
		st := f.srv.Open(t, "/one/a", lastID("r-1"))
		expect(t, "after the first", next(t, st, 2), "r-2=2 r-end=end")
		if ev, err := st.Next(); err != io.EOF {
			t.Errorf("after the terminal comes %s, %v, want the end", show(ev), err)
		}
		if got := f.srv.Open(t, "/one/a", lastID("r-end")).Response.StatusCode; got != http.StatusNoContent {
			t.Errorf("who has had the terminal gets %d, want 204", got)
		}
		events = append(events, event("4"))
		if err := f.backlog("b", 3).Restore(run, nextNumber, events); err == nil || f.topic("b").Run() != "" {
			t.Errorf("Restore of events after a terminal = %v and run %q, want an error and nothing changed", err, f.topic("b").Run())
		}
		run, nextNumber, events = f.topic("c").Kept()
		if err := f.topic("c").Restore(run, nextNumber, events); err != nil || f.topic("c").Run() != "" {
			t.Errorf("Restore of what a topic without a run has kept = %v, want nil and no run", err)
		}
	}},
	{"a topic that is gone", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		finish(t, a, "end")
		for _, watched := range []bool{false, true} {
			if watched {
				a.Open("r")
				defer f.srv.Open(t, "/all/a", nil).Close()
			}
			if !a.Remove("r") {
				t.Errorf("Remove(r) = false, want true")
			}
			if got := f.srv.Open(t, "/one/a", lastID("x-end")).Response.StatusCode; got != http.StatusNoContent {
				t.Errorf("with a terminal's id: status %d, want 204", got)
			}
			if err := <-f.results; err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
			if got := f.srv.Open(t, "/one/a", lastID("x-1")).Response.StatusCode; got != http.StatusNotFound {
				t.Errorf("with another id: status %d, want the handler's own, 404", got)
			}
			if err := <-f.results; !errors.Is(err, sse.ErrGone) {
				t.Errorf("Serve = %v, want %v", err, sse.ErrGone)
			}
		}
		a.Open("s")
		publish(t, a, "back")
		expect(t, "once it is back", next(t, f.srv.Open(t, "/one/a", nil), 1), "s-1=back")
	}},
	{"removal ends the streams of a live run, and those of an ended one get its terminal", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		st := f.srv.Open(t, "/one/a", nil)
		next(t, st, 1)
		a.Remove("r")
		expect(t, "rest of the live run", rest(t, st), "")

		a.Open("s")
		st = f.srv.Open(t, "/one/a", nil)
		publish(t, a, strings.Repeat("x", 100_000))
		synctest.Wait()
		finish(t, a, "end")
		a.Remove("s")
		st.Event(t)
		expect(t, "rest of the ended run", rest(t, st), "s-end=end")
		synctest.Wait()
		if _, ok := f.hub.Lookup("a"); ok {
			t.Errorf("Lookup(a) finds it, want it gone")
		}
	}},
	{"HEAD gets the headers alone", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		publish(t, f.topic("a"), "x")
		resp, err := f.srv.Client.Head("http://x/one/a")
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "Content-Type", resp.Header.Get("Content-Type"), "text/event-stream")
		if err := <-f.results; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}},
	{"heartbeats only after silence", func(t *testing.T, e engine) {
		f := newFixture(t, e, &sse.HubOptions{Heartbeat: 10 * time.Second})
		a := f.topic("a")
		st := f.srv.Open(t, "/one/a", nil)
		chunk(t, st)
		for i := range 20 { // 100 s of traffic
			time.Sleep(5 * time.Second)
			publish(t, a, "x")
			if got := chunk(t, st); !strings.Contains(got, "data: x") {
				t.Errorf("after %d s: %q, want the event alone", 5*(i+1), got)
			}
		}
		for range 3 {
			start := time.Now()
			if got := chunk(t, st); got != ":\n" {
				t.Errorf("in silence: %q, want a comment", got)
			}
			if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
				t.Errorf("comment after %v of silence, want 10 s to 11 s", d)
			}
		}
	}},
	{"streams end with the request and with the hub", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		st := f.srv.Open(t, "/one/a", nil)
		synctest.Wait()
		gone := time.Now()
		st.Close()
		if err := <-f.results; err != nil {
			t.Errorf("Serve = %v when the client left, want nil", err)
		}
		if d := time.Since(gone); d > 6*time.Second {
			t.Errorf("the stream ended %v after its client had left, want at most 6 s", d)
		}
		idle, stuck := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/all/a", nil)
		next := f.srv.Open(t, "/one/b", nil)
		publish(t, a, strings.Repeat("x", 100_000))
		synctest.Wait()
		start := time.Now()
		f.cancel()
		for range 3 {
			if err := <-f.results; err != nil {
				t.Errorf("Serve = %v when the hub ended, want nil", err)
			}
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("streams ended after %v, want promptly", d)
		}
		expect(t, "rest of an idle stream", rest(t, next), "")
		_, _ = idle, stuck
		late := f.srv.Open(t, "/one/a", nil)
		expect(t, "a stream that comes later", rest(t, late), "bye()")
		if got := late.Retry(); got < 5*time.Second {
			t.Errorf("retry of a stream that comes later = %v, want 5 s or more", got)
		}
	}},
	{"a stuck client is cut off, the others see nothing of it", func(t *testing.T, e engine) {
		f := newFixture(t, e, &sse.HubOptions{StallTimeout: 10 * time.Second, Heartbeat: 24 * time.Hour})
		a := f.topic("a")
		stuck := f.srv.Open(t, "/one/a", nil)
		publish(t, a, "0")
		next(t, stuck, 1)
		well := f.srv.Open(t, "/one/a", nil)
		chunk(t, well)
		time.Sleep(time.Hour) // silence is no stall
		go func() { _, _ = io.Copy(io.Discard, well.Response.Body) }()
		start := time.Now()
		publish(t, a, strings.Repeat("x", 100_000))
		if err := <-f.results; err != nil {
			t.Errorf("Serve = %v for a stuck client, want nil", err)
		}
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("cut off after %v, want 10 s to 11 s", d)
		}
		synctest.Wait()
		if len(f.results) != 0 {
			t.Errorf("the other stream ended too")
		}
	}},
	{"a slow client that makes progress is not cut off", func(t *testing.T, e engine) {
		f := newFixture(t, e, &sse.HubOptions{StallTimeout: 20 * time.Second})
		a := f.topic("a")
		st := f.srv.Open(t, "/one/a", nil)
		synctest.Wait()
		publish(t, a, strings.Repeat("x", 200_000)) // for which it takes more than 100 s
		d := sse.NewDecoder(slow{st.Response.Body}, nil)
		if ev, err := d.Next(); len(ev.Data) != 200_000 || err != nil {
			t.Errorf("Next() = %d bytes, %v, want 200000", len(ev.Data), err)
		}
	}},
	{"a client that reads a byte a second is cut off", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		st := f.srv.Open(t, "/one/a", nil)
		var reading sync.WaitGroup
		reading.Go(func() {
			for one := make([]byte, 1); ; time.Sleep(time.Second) {
				if _, err := st.Response.Body.Read(one); err != nil {
					return
				}
			}
		})
		start := time.Now()
		for len(f.results) == 0 && time.Since(start) < time.Hour {
			publish(t, a, strings.Repeat("x", 2000))
			time.Sleep(100 * time.Millisecond)
		}
		if err := <-f.results; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if d := time.Since(start); d > 35*time.Second { // its reader takes 4 KB once more when it has read what it got first
			t.Errorf("cut off after %v, want 15 s after the connection has filled for good", d)
		}
		st.Close()
		reading.Wait()
	}},
	{"large events arrive whole, and the payload may be reused", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		st := f.srv.Open(t, "/one/a", nil)
		data := make([]byte, 5<<20)
		for i := range data {
			data[i] = 'a' + byte(i%23)
		}
		want := string(data)
		if err := a.Publish(sse.Event{Data: data}); err != nil {
			t.Fatal(err)
		}
		clear(data)
		ev, err := sse.NewDecoder(st.Response.Body, &sse.ReadOptions{MaxEvent: 6 << 20}).Next()
		if string(ev.Data) != want || err != nil {
			t.Errorf("Next() = %d bytes, %v, want what was published", len(ev.Data), err)
		}
		small := []byte("two\nlines")
		_ = a.Publish(sse.Event{Data: small})
		clear(small)
		if ev, _ := a.Latest(); string(ev.Data) != "two\nlines" {
			t.Errorf("Latest() = %q, want what was published", ev.Data)
		}
	}},
	{"data that is kept is sent, and not copied", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.hub.Topic("a", sse.TopicOptions{KeepData: true})
		f.topics["a"] = a
		a.Open("r")
		one, all := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/all/a", nil)
		for i, tt := range []struct{ data, want string }{{"one line", "one line"}, {"two\r\nlines\r", "two\nlines\n"}, {"\n", "\n"}} {
			kept := []byte(tt.data)
			if err := a.Publish(sse.Event{Data: kept}); err != nil {
				t.Fatal(err)
			}
			expect(t, "stream of one", next(t, one, 1), fmt.Sprintf("r-%d=%s", i+1, tt.want))
			if ev := all.Event(t); string(ev.Data) != tt.want {
				t.Errorf("stream of all got %q, want %q", ev.Data, tt.want)
			}
			if ev, _ := a.Latest(); &ev.Data[0] != &kept[0] {
				t.Errorf("Latest() has a copy of %q, want what was published", kept)
			}
		}
	}},
	{"a backlog keeps what a slow reader has not had, and tells it what it missed", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 4)
		a.Open("r")
		one, all := f.srv.Open(t, "/one/a", nil), f.srv.Open(t, "/all/a", nil)
		synctest.Wait()
		publish(t, a, "1", "2", "3", "4")
		expect(t, "all that is kept", next(t, one, 4), "r-1=1 r-2=2 r-3=3 r-4=4")
		next(t, all, 4)
		publish(t, a, strings.Repeat("x", 100_000))
		synctest.Wait()
		publish(t, a, "6", "7", "8", "9", "10", "11", "12")
		one.Event(t)
		expect(t, "after a gap", next(t, one, 5), "gap(3) r-9=9 r-10=10 r-11=11 r-12=12")
		all.Event(t)
		if got := next(t, all, 5); !strings.HasPrefix(got, "gap(3) ") || !strings.HasSuffix(got, "=12") {
			t.Errorf("stream of many = %q, want the gap and the rest", got)
		}
	}},
	{"a backlog is bounded in bytes", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 100)
		a.Open("r")
		st := f.srv.Open(t, "/one/a", nil)
		d := sse.NewDecoder(st.Response.Body, &sse.ReadOptions{MaxEvent: 10 << 20})
		publish(t, a, strings.Repeat("0", 100_000))
		synctest.Wait()
		for i := range 6 { // 6 MiB, of which 4 are kept, less the fields
			publish(t, a, strings.Repeat(strconv.Itoa(i+1), 1<<20))
		}
		var got []string
		for range 5 {
			ev, err := d.Next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ev.Name+string(ev.Data[:1]))
		}
		expect(t, "events", strings.Join(got, " "), "0 gap3 4 5 6")
		publish(t, a, strings.Repeat("x", 5<<20)) // the newest is always kept
		if ev, err := d.Next(); len(ev.Data) != 5<<20 || err != nil {
			t.Errorf("Next() = %d bytes, %v, want 5 MiB", len(ev.Data), err)
		}
	}},
	{"a new reader begins with what its topic replays", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		replaying := func(name string, opts sse.TopicOptions) *sse.Topic {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.topics[name] = f.hub.Topic(name, opts)
			return f.topics[name]
		}
		watched := func(topic *sse.Topic, n int) string {
			var got []string
			for ev := range topic.Watch(t.Context()) {
				if got = append(got, show(ev)); len(got) == n {
					break
				}
			}
			return strings.Join(got, " ")
		}
		a := replaying("a", sse.TopicOptions{Backlog: 10, Replay: 3})
		a.Open("r")
		publish(t, a, "1", "2")
		expect(t, "all, if there are fewer", next(t, f.srv.Open(t, "/one/a", nil), 2), "r-1=1 r-2=2")
		publish(t, a, "3", "4", "5")
		st := f.srv.Open(t, "/one/a", nil)
		expect(t, "newcomer", next(t, st, 3), "r-3=3 r-4=4 r-5=5")
		expect(t, "Watch", watched(a, 3), "r-3=3 r-4=4 r-5=5")
		publish(t, a, "6")
		expect(t, "live", next(t, st, 1), "r-6=6")
		expect(t, "with an id", next(t, f.srv.Open(t, "/one/a", lastID("r-1")), 5), "r-2=2 r-3=3 r-4=4 r-5=5 r-6=6")

		b, c := f.topic("b"), replaying("c", sse.TopicOptions{Backlog: 2, Replay: 9})
		c.Open("r")
		publish(t, b, "b1", "b2")
		publish(t, c, "c1", "c2", "c3")
		data := func(header http.Header, n int) string {
			st := f.srv.Open(t, "/all/a,b,c", header)
			var got []string
			for range n {
				ev := st.Event(t)
				got = append(got, ev.Name+string(ev.Data))
			}
			return strings.Join(got, " ")
		}
		expect(t, "newcomer to many topics", data(nil, 6), "4 5 6 b2 c2 c3")
		expect(t, "after a reset", data(lastID("OTHER-2"), 7), "reset 4 5 6 b2 c2 c3")
		finish(t, a, "end")
		expect(t, "newcomer after the end", rest(t, f.srv.Open(t, "/one/a", nil)), "r-5=5 r-6=6 r-end=end")
		expect(t, "Watch after the end", watched(a, 0), "r-5=5 r-6=6 r-end=end")
		a.Open("s")
		expect(t, "Watch of the next run", func() string { publish(t, a, "s1"); return watched(a, 1) }(), "s-1=s1")

		// What the bound in bytes has pushed out is not missed by somebody new.
		large := replaying("large", sse.TopicOptions{Backlog: 10, Replay: 10})
		large.Open("r")
		for i := range 7 {
			publish(t, large, strconv.Itoa(i)+strings.Repeat("x", 1_000_000))
		}
		big := f.srv.Open(t, "/one/large", nil)
		for _, want := range []string{"r-4 3x", "r-5 4x", "r-6 5x", "r-7 6x"} {
			ev := big.Event(t)
			expect(t, "large event", ev.ID+" "+string(ev.Data[:2]), want)
		}
		a.Remove("s")
		again := a // comes back as it was
		publish(t, again, "1", "2", "3", "4")
		if got := len(again.Recent(9)); got != 4 || watched(again, 3) == "" {
			t.Errorf("%d recent events after the topic came back, want 4", got)
		}
		expect(t, "newcomer after the topic came back", fmt.Sprint(strings.Count(watched(again, 3), "=")), "3")
	}},
	{"topics that are refused are left out, and named", func(t *testing.T, e engine) {
		var mu sync.Mutex
		secret := map[string]bool{"b": true, "d\n\"": true}
		refusals := make(chan sse.Refused, 100)
		f := newFixture(t, e, &sse.HubOptions{
			OnSubscribe: func(_ *http.Request, topic *sse.Topic) error {
				mu.Lock()
				defer mu.Unlock()
				if secret[topic.Name()] {
					return errors.New("secret")
				}
				return nil
			},
			Observer: &sse.Observer{Refused: func(r sse.Refused) { refusals <- r }},
		})
		opts := e.opts
		opts.Partial = true
		handler := func(names ...string) http.Handler {
			return f.hub.With(opts).Handler(func(*http.Request) (topics []*sse.Topic, _ error) {
				for _, name := range names {
					topics = append(topics, f.topic(name))
				}
				return topics, nil
			})
		}
		mux := http.NewServeMux()
		mux.Handle("/some", handler("a", "b", "c", "d\n\"", "b"))
		mux.Handle("/none", handler("b", "d\n\""))
		mux.Handle("/one", handler("b"))
		srv := e.start(t, &http.Server{Handler: mux})
		for _, name := range []string{"a", "b", "c", "d\n\""} {
			publish(t, f.topic(name), name+"1")
		}
		show := func(st *ssetest.Stream, n int) string {
			t.Helper()
			var got []string
			for range n {
				ev := st.Event(t)
				got = append(got, ev.Name+string(ev.Data))
			}
			return strings.Join(got, " ")
		}
		st := srv.Open(t, "/some", nil)
		expect(t, "the stream begins", show(st, 3), `refused["b","d\n\""] a1 c1`)
		publish(t, f.topic("b"), "b2")
		publish(t, f.topic("c"), "c2")
		ev := st.Event(t)
		expect(t, "live", string(ev.Data), "c2")
		publish(t, f.topic("a"), "a2")
		expect(t, "after a return", show(srv.Open(t, "/some", lastID(ev.ID)), 2), `refused["b","d\n\""] a2`)
		mu.Lock()
		delete(secret, "b")
		mu.Unlock()
		expect(t, "after a return with more rights", show(srv.Open(t, "/some", lastID(ev.ID)), 5), `reset refused["d\n\""] b2 c2 a2`)
		mu.Lock()
		secret["b"] = true
		mu.Unlock()
		if len(refusals) != 0 {
			t.Errorf("the observer was told of %d refusals, want none: there is a stream", len(refusals))
		}
		for _, path := range []string{"/none", "/one"} {
			resp, err := srv.Client.Get("http://hub" + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden || (<-refusals).Cause != sse.CauseForbidden {
				t.Errorf("GET %s is answered with %d, want 403", path, resp.StatusCode)
			}
		}
	}},
	{"many topics on one stream", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a, b := f.topic("a"), f.topic("b")
		b.Open("s")
		publish(t, b, "b1")
		publish(t, a, "a1")
		publish(t, f.topic("x"), "of no concern")
		st := f.srv.Open(t, "/all/a,b,a,c", nil)
		first := st.Event(t)
		epoch, _, _ := strings.Cut(first.ID, "-")
		if len(epoch) < 16 {
			t.Errorf("id = %q, want <epoch>-<seq>", first.ID)
		}
		id := func(seq int) string { return fmt.Sprintf("%s-%d", epoch, seq) }
		expect(t, "first two", show(first)+" "+next(t, st, 1), id(1)+"=b1 "+id(2)+"=a1")
		publish(t, f.topic("c"), "c1")
		expect(t, "third", next(t, st, 1), id(4)+"=c1")
		finish(t, b, "b end")
		expect(t, "terminal", next(t, st, 1), id(5)+"=b end")
		b.Open("t")
		publish(t, b, "b2")
		expect(t, "next run", next(t, st, 1), id(6)+"=b2")
		b.Remove("t")
		synctest.Wait()
		publish(t, b, "b3")
		expect(t, "after removal", next(t, st, 1), id(7)+"=b3")

		for lastEventID, want := range map[string]string{
			"":                     id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			id(0):                  id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			id(2):                  id(4) + "=c1 " + id(7) + "=b3",
			id(5):                  id(7) + "=b3",
			id(7):                  "",
			id(8):                  "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			"OTHER-2":              "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			epoch:                  "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			"s-end":                "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			epoch + "-" + "x":      "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			epoch + "-" + "7 ":     "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
			strings.ToLower(epoch): "reset() " + id(2) + "=a1 " + id(4) + "=c1 " + id(7) + "=b3",
		} {
			ctx, cancel := context.WithCancel(t.Context())
			w := &ssetest.Writer{}
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
			req.Header.Set("Last-Event-ID", lastEventID)
			go func() { f.results <- e.all(f.hub, w, req, a, b, f.topic("c")) }()
			synctest.Wait()
			cancel()
			<-f.results
			var got []string
			for ev := range sse.Read(strings.NewReader(w.Body()), nil) {
				got = append(got, show(ev))
			}
			expect(t, fmt.Sprintf("stream after %q", lastEventID), strings.Join(got, " "), want)
		}
	}},
	{"a stream of other topics begins anew", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		for _, name := range []string{"b", "c", "a"} {
			publish(t, f.topic(name), name)
		}
		names := func(path, id string, n int) (got, last string) {
			st := f.srv.Open(t, path, lastID(id))
			for range n {
				ev := st.Event(t)
				got += ev.Name + string(ev.Data)
			}
			synctest.Wait()
			st.Close()
			return got, st.LastEventID()
		}
		_, one := names("/all/a", "", 1)
		got, two := names("/all/a,b", one, 3)
		expect(t, "with a topic that was there before", got, "resetba")
		got, _ = names("/all/a,c", two, 3)
		expect(t, "with another one", got, "resetca")
		got, _ = names("/all/a", two, 2)
		expect(t, "with one less", got, "reseta")
		publish(t, f.topic("b"), "next")
		got, _ = names("/all/b,a", two, 1)
		expect(t, "with the same in another order", got, "next")
	}},
	{"resume on a stream of many with a backlog", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.backlog("a", 3)
		a.Open("r")
		st := f.srv.Open(t, "/all/a", nil)
		synctest.Wait()
		publish(t, a, "1", "2")
		next(t, st, 2)
		id := st.LastEventID()
		st.Close()
		publish(t, a, "3", "4")
		resumed := f.srv.Open(t, "/all/a", lastID(id))
		got := next(t, resumed, 2)
		if !strings.Contains(got, "=3 ") || !strings.HasSuffix(got, "=4") {
			t.Errorf("resumed = %q, want 3 and 4", got)
		}
		id = resumed.LastEventID()
		resumed.Close()
		publish(t, a, "5", "6", "7")
		got = next(t, f.srv.Open(t, "/all/a", lastID(id)), 3)
		if strings.Contains(got, "gap") || !strings.HasSuffix(got, "=7") {
			t.Errorf("resumed = %q, want 5 to 7", got)
		}
		publish(t, a, "8")
		got = next(t, f.srv.Open(t, "/all/a", lastID(id)), 4)
		if !strings.HasPrefix(got, "gap() ") || !strings.Contains(got, "=6 ") || !strings.HasSuffix(got, "=8") {
			t.Errorf("resumed = %q, want a gap and 6 to 8", got)
		}
	}},
	{"a slow stream of many gets the newest of each", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		st := f.srv.Open(t, "/all/a,b,c", nil)
		big := func(name string) string { return name + strings.Repeat("x", 50_000) }
		publish(t, f.topic("a"), big("a0"))
		synctest.Wait() // the stream is in the middle of it
		for _, round := range []string{"1", "2"} {
			for _, name := range []string{"a", "b", "c"} {
				publish(t, f.topic(name), big(name+round))
			}
		}
		var got []string
		for range 4 {
			data := string(st.Event(t).Data)
			got = append(got, data[:2])
			if data != big(data[:2]) {
				t.Errorf("event %s has %d bytes, want it whole", data[:2], len(data))
			}
		}
		expect(t, "events", strings.Join(got, " "), "a0 a2 b2 c2")
	}},
	{"drain", func(t *testing.T, e engine) {
		f := newFixture(t, e, &sse.HubOptions{DrainWindow: 8 * time.Second})
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		const n = 64
		ends, retries := make(chan time.Duration, n), make(chan time.Duration, n)
		start := time.Now()
		for i := range n {
			st := f.srv.Open(t, []string{"/one/a", "/all/a"}[i%2], nil)
			st.Event(t)
			go func() {
				got := rest(t, st)
				ends <- time.Since(start)
				retries <- st.Retry()
				expect(t, "rest of a drained stream", got, "bye()")
			}()
		}
		stuck := f.srv.Open(t, "/one/big", nil)
		publish(t, f.topic("big"), strings.Repeat("x", 100_000))
		synctest.Wait()
		again := make(chan error)
		go func() { again <- f.hub.Drain(context.Background()) }()
		synctest.Wait()
		late := f.srv.Open(t, "/one/a", nil)
		expect(t, "a stream that comes while draining", rest(t, late), "bye()")
		if got := late.Retry(); late.Response.StatusCode != 200 || got < 500*time.Millisecond || got > 16*time.Second {
			t.Errorf("a stream that comes while draining: status %d, retry %v, want 200, at most 16 s", late.Response.StatusCode, got)
		}
		if err := f.hub.Drain(context.Background()); err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
		if d := time.Since(start); d < 8*time.Second || d > 9*time.Second {
			t.Errorf("Drain took %v with a stuck stream, want 8 s and a moment", d)
		}
		if err := <-again; err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
		_ = stuck
		var early, differ int
		seen := map[time.Duration]bool{}
		for range n {
			if d := <-ends; d < 4*time.Second {
				early++
			} else if d > 8*time.Second+500*time.Millisecond {
				t.Errorf("a stream ended after %v, want within 8 s", d)
			}
			r := <-retries
			if r < 500*time.Millisecond || r > 16*time.Second {
				t.Errorf("retry = %v, want at most 16 s", r)
			}
			if !seen[r] {
				differ++
			}
			seen[r] = true
		}
		if early < n/8 || early > n-n/8 || differ < n/2 {
			t.Errorf("%d of %d ended in the first half, %d different retry times; want them spread", early, n, differ)
		}
		if err := f.hub.Drain(context.Background()); err != nil {
			t.Errorf("Drain again = %v, want nil", err)
		}
	}},
	{"end", func(t *testing.T, e engine) {
		ends := make(chan string, 100)
		f := newFixture(t, e, &sse.HubOptions{
			Subject:  func(r *http.Request) any { return r.URL.Query().Get("who") },
			Observer: &sse.Observer{Ended: func(e sse.Ended) { ends <- fmt.Sprint(e.Subject, " ", e.Cause) }},
		})
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		ann, bob := f.srv.Open(t, "/one/a?who=ann", nil), f.srv.Open(t, "/all/a?who=bob", nil)
		annAll := f.srv.Open(t, "/all/a?who=ann", nil)
		for _, st := range []*ssetest.Stream{ann, bob, annAll} {
			st.Event(t)
		}
		slow := f.srv.Open(t, "/one/slow?who=ann", nil)
		publish(t, f.topic("slow"), "first "+strings.Repeat("x", 100_000))
		synctest.Wait() // it is stuck in the first one
		publish(t, f.topic("slow"), "second")

		f.hub.End(func(subject any) bool { return subject == "ann" }, "session")
		synctest.Wait()
		publish(t, a, "2")
		for _, st := range []*ssetest.Stream{ann, annAll} {
			expect(t, "rest of an ended stream", rest(t, st), "bye(session)")
			if got := st.Retry(); got < 100*time.Millisecond || got > 2*time.Second {
				t.Errorf("retry = %v, want 0.1 s to 2 s", got)
			}
		}
		if got := rest(t, slow); !strings.Contains(got, "first") || strings.Contains(got, "second") || !strings.HasSuffix(got, "bye(session)") {
			t.Errorf("rest of a slow stream that was ended is %.40q… with %d bytes, want the event under way and the goodbye", got, len(got))
		}
		if ev := bob.Event(t); string(ev.Data) != "2" {
			t.Errorf("another subject's stream has %q next, want 2", ev.Data)
		}
		for range 3 {
			if err := <-f.results; err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
			expect(t, "the observer was told", <-ends, "ann forbidden")
		}
	}},
	{"drain sends the terminal rather than a goodbye", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		st := f.srv.Open(t, "/one/a", nil)
		publish(t, a, strings.Repeat("x", 100_000))
		synctest.Wait()
		go f.hub.Drain(context.Background())
		time.Sleep(6 * time.Second / 2)
		finish(t, a, "end")
		st.Event(t)
		expect(t, "rest", rest(t, st), "r-end=end")
	}},
	{"drain ends at once when its ctx does", func(t *testing.T, e engine) {
		for _, before := range []bool{false, true} {
			f := newFixture(t, e, nil)
			st := f.srv.Open(t, "/one/a", nil)
			if before {
				f.cancel()
				if err := f.hub.Drain(context.Background()); err != nil {
					t.Errorf("Drain = %v after the hub's end, want nil", err)
				}
			} else {
				ctx, cancel := context.WithCancelCause(context.Background())
				cause := errors.New("enough")
				cancel(cause)
				if err := f.hub.Drain(ctx); err != cause {
					t.Errorf("Drain = %v, want %v", err, cause)
				}
			}
			if err := <-f.results; err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
			expect(t, "rest", rest(t, st), "")
			f.cancel()
		}
	}},
	{"a writer that fails ends the stream without an error", func(t *testing.T, e engine) {
		boom := errors.New("boom")
		for name, w := range map[string]*ssetest.Writer{
			"write":       {OnWrite: func([]byte) (int, error) { return 0, boom }},
			"short write": {OnWrite: func(p []byte) (int, error) { return len(p) - 1, nil }},
			"flush":       {OnFlush: func() error { return boom }},
		} {
			f := newFixture(t, e, nil)
			req, _ := http.NewRequest("GET", "http://x/", nil)
			if err := e.one(f.hub, w, req, f.topic("a")); err != nil {
				t.Errorf("%s: Serve = %v, want nil", name, err)
			}
			f.cancel()
		}
	}},
	{"a flush that hangs is cut off", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		past := make(chan struct{})
		w := &ssetest.Writer{
			OnFlush: func() error { <-past; return errors.New("deadline") },
			OnSetWriteDeadline: func(d time.Time) error {
				if !d.IsZero() {
					close(past)
				}
				return nil
			},
		}
		req, _ := http.NewRequest("GET", "http://x/", nil)
		start := time.Now()
		if err := e.one(f.hub, w, req, f.topic("a")); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if d := time.Since(start); d < 15*time.Second || d > 16*time.Second {
			t.Errorf("cut off after %v, want 15 s to 16 s by default", d)
		}
	}},
	{"headers that were set before are kept", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		finish(t, f.topic("a"), "end")
		w := &ssetest.Writer{}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Connection", "keep-alive")
		req, _ := http.NewRequest("GET", "http://x/", nil)
		if err := e.one(f.hub, w, req, f.topic("a")); err != nil {
			t.Error(err)
		}
		expect(t, "Cache-Control", w.Header().Get("Cache-Control"), "no-cache")
		expect(t, "Connection", w.Header().Get("Connection"), "keep-alive")
		expect(t, "Content-Type", w.Header().Get("Content-Type"), "text/event-stream")
	}},
	{"a writer that hides a capability is refused before the first byte", func(t *testing.T, e engine) {
		var log strings.Builder
		f := newFixture(t, e, &sse.HubOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		w := &ssetest.Writer{}
		req, _ := http.NewRequest("GET", "http://x/path", nil)
		const want = "sse: sse_test.hider hides Flush and SetWriteDeadline: add an Unwrap method"
		err := e.one(f.hub, hider{w}, req, f.topic("a"))
		if err == nil || err.Error() != want {
			t.Errorf("Serve = %v, want %s", err, want)
		}
		if err := e.all(f.hub, hider{w}, req, f.topic("a")); err == nil {
			t.Errorf("ServeAll = nil, want an error")
		}
		if w.Status() != 0 || w.Body() != "" || len(w.Header()) != 0 {
			t.Errorf("wrote status %d, %v, %q, want nothing", w.Status(), w.Header(), w.Body())
		}
		if n := strings.Count(log.String(), "sse_test.hider"); n != 2 || !strings.Contains(log.String(), "/path") {
			t.Errorf("log = %q, want the type and the path, once a request", log.String())
		}
		boom := errors.New("boom")
		err = e.one(f.hub, &ssetest.Writer{OnSetWriteDeadline: func(time.Time) error { return boom }}, req, f.topic("a"))
		if writer := new(sse.WriterError); !errors.Is(err, boom) || !errors.As(err, &writer) || writer.Writer != "*ssetest.Writer" {
			t.Errorf("Serve = %v, want a WriterError with %v", err, boom)
		}
	}},
	{"the server's timeouts are lifted", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		srv := e.start(t, &http.Server{Handler: f.handler(e), WriteTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second})
		st := srv.Open(t, "/one/a", nil)
		time.Sleep(10 * time.Second)
		publish(t, f.topic("a"), "x")
		expect(t, "data", string(st.Event(t).Data), "x")
	}},
	{"callbacks that panic are logged, and cost nobody anything", func(t *testing.T, e engine) {
		var mu sync.Mutex
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))
		f := newFixture(t, e, &sse.HubOptions{MaxStreamsPerTopic: 1, Logger: logger, Observer: &sse.Observer{
			Delivered: func(time.Duration) { panic("boom") },
			Coalesced: func(uint64) { panic("boom") },
			Resumed:   func(sse.Resume) { panic("boom") },
			Opened:    func(sse.Engine) { panic("boom") },
			Ended:     func(sse.Ended) { panic("boom") },
			Refused:   func(sse.Refused) { panic("boom") },
		}})
		watched := func(bool) { panic("boom") }
		for _, name := range []string{"a", "b"} {
			f.topics[name] = f.hub.Topic(name, sse.TopicOptions{OnWatched: watched})
		}
		a := f.topic("a")
		for range 3 { // the place in the topic is free again each time
			for _, path := range []string{"/one/a", "/all/a,b"} {
				a.Open("r")
				st := f.srv.Open(t, path, nil)
				synctest.Wait()
				if refused := f.srv.Open(t, path, nil); rest(t, refused) != "bye()" || refused.Retry() < 5*time.Second {
					t.Errorf("%s: a second stream is not refused", path)
				}
				<-f.results
				publish(t, a, "1")
				if got := string(st.Event(t).Data); got != "1" {
					t.Errorf("%s: first event %q, want 1", path, got)
				}
				publish(t, a, strings.Repeat("x", 100_000))
				synctest.Wait()
				publish(t, a, "3", "4")
				st.Event(t)
				if got := string(st.Event(t).Data); got != "4" {
					t.Errorf("%s: after a large event %q, want 4", path, got)
				}
				if path == "/one/a" {
					finish(t, a, "end")
					rest(t, st)
				}
				st.Close()
				if err := <-f.results; err != nil {
					t.Errorf("Serve = %v, want nil", err)
				}
				synctest.Wait()
				if _, streams := f.hub.Size(); streams != 0 || a.Watched() {
					t.Fatalf("%s: %d streams are left, watched %v; want none", path, streams, a.Watched())
				}
				a.Open("s")
			}
		}
		if err := f.hub.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"Delivered", "Coalesced", "Resumed", "Opened", "Ended", "Refused", "OnWatched"} {
			if !strings.Contains(log.String(), "callback panicked") || !strings.Contains(log.String(), name) {
				t.Errorf("the log does not name %s", name)
			}
		}
	}},
	{"two clients with one id", func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a := f.topic("a")
		a.Open("r")
		publish(t, a, "1")
		x, y := f.srv.Open(t, "/one/a", lastID("r-1")), f.srv.Open(t, "/one/a", lastID("r-1"))
		publish(t, a, "2")
		expect(t, "one", next(t, x, 1), "r-2=2")
		expect(t, "the other", next(t, y, 1), "r-2=2")
	}},
}

// hider is a middleware's writer that forgot to Unwrap.
type hider struct{ http.ResponseWriter }

// locked is a writer for many goroutines.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// slow reads 2 KB a second.
type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.r.Read(p[:min(len(p), 2000)])
}
