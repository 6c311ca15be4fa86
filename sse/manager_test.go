package sse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
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

// reader is the stream of one request, which it makes in process.
type reader struct {
	w     ssetest.Writer
	taken int // bytes of the body
	leave func()
	ended chan struct{} // closed when the handler has returned
}

// read begins to stream target from m. In a synctest bubble, synctest.Wait waits until it has what there is.
func read(t *testing.T, m *sse.Manager, target string, opts ...sse.HandlerOption) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{leave: cancel, ended: make(chan struct{})}
	req := httptest.NewRequestWithContext(ctx, "GET", target, nil)
	go func() {
		defer close(r.ended)
		if err := m.Serve(&r.w, req, opts...); err != nil {
			t.Errorf("Serve(%s) = %v, want nil", target, err)
		}
	}()
	return r
}

// take returns the data of the events that came since the last take.
func (r *reader) take(t *testing.T) []string {
	t.Helper()
	body := r.w.Body()
	var data []string
	for ev, err := range sse.Read(strings.NewReader(body[r.taken:]), nil) {
		if err != nil {
			t.Errorf("read %q: %v", body[r.taken:], err)
		}
		data = append(data, ev.Name+string(ev.Data))
	}
	r.taken = len(body)
	return data
}

// close leaves and waits until the handler has returned.
func (r *reader) close() {
	r.leave()
	<-r.ended
}

func (r *reader) want(t *testing.T, data ...string) {
	t.Helper()
	synctest.Wait()
	checkLines(t, "events", r.take(t), data...)
}

// checkHoldsNothing is for when everybody has left and all polling is over.
func checkHoldsNothing(t *testing.T, m *sse.Manager) {
	t.Helper()
	if topics, inHub, pollers := m.Held(); topics+inHub+pollers > 0 {
		t.Errorf("the Manager still holds %d topics, %d in its hub, %d pollers", topics, inHub, pollers)
	}
}

// encoded counts how often it is encoded.
type encoded struct{ times int }

func (e *encoded) MarshalJSON() ([]byte, error) {
	e.times++
	return []byte(`"encoded"`), nil
}

func TestBehaviour21PublishWithoutStreamsDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		value := &encoded{}
		m.Publish("/tank", value)
		if value.times != 0 {
			t.Errorf("encoded %d times for nobody, want 0", value.times)
		}
		r := read(t, m, "/tank")
		r.want(t)
		m.Publish("/other", "nobody's")
		m.Publish("/tank", value)
		r.want(t, `"encoded"`)
		r.close()
	})
}

func TestBehaviour21LastLeaveRemovesTheTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		first, last := read(t, m, "/tank"), read(t, m, "/tank")
		synctest.Wait()
		m.Publish("/tank", 1)
		first.close()
		m.Publish("/tank", 2)
		last.want(t, "1", "2")
		last.close()

		// No synctest.Wait: the handler has returned, so the topic is gone.
		value := &encoded{}
		m.Publish("/tank", value)
		if value.times != 0 {
			t.Error("the topic is still there after its last stream's handler has returned")
		}
		checkHoldsNothing(t, m)
		next := read(t, m, "/tank")
		next.want(t) // a fresh topic, without 2
		m.Publish("/tank", 2)
		next.want(t, "2")
		next.close()
	})
}

func TestBehaviour21StreamsAtOnceShareOneTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		polls := &service{}
		var readers []*reader
		for range 64 {
			readers = append(readers, read(t, m, "/tank", sse.WithPollingService(polls)))
		}
		synctest.Wait()
		m.Publish("/tank", 1)
		for _, r := range readers {
			r.want(t, "1")
		}
		for _, r := range readers {
			r.close()
		}
		synctest.Wait()
		checkLines(t, "calls", polls.calls(), "start", "stop")
	})
}

// marshalerFunc is a value that does something while it is encoded.
type marshalerFunc func()

func (f marshalerFunc) MarshalJSON() ([]byte, error) {
	f()
	return []byte("1"), nil
}

func TestBehaviour22LastLeaveDuringPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		r := read(t, m, "/tank")
		synctest.Wait()
		m.Publish("/tank", marshalerFunc(r.close))
		checkHoldsNothing(t, m)

		r = read(t, m, "/tank")
		synctest.Wait()
		var next *reader
		m.Publish("/tank", marshalerFunc(func() {
			r.close()
			next = read(t, m, "/tank")
			synctest.Wait()
		}))
		next.want(t, "1")
		next.close()
	})
}

func TestBehaviour22ShutdownEndsTheStreams(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(m *sse.Manager, cancel func())
	}{
		{"Shutdown", func(m *sse.Manager, cancel func()) { m.Shutdown(); m.Shutdown() }},
		{"ctx", func(m *sse.Manager, cancel func()) { cancel() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				m := sse.NewManager(ctx, nil, 0)
				polls := &service{}
				r := read(t, m, "/tank", sse.WithPollingService(polls))
				synctest.Wait()
				tt.end(m, cancel)
				synctest.Wait()
				select {
				case <-r.ended: // with nil, or read reports it
				default:
					t.Error("the stream goes on")
					r.close()
				}
				m.Publish("/tank", 1) // does nothing
				late := read(t, m, "/tank", sse.WithPollingService(polls))
				<-late.ended
				late.want(t)
				checkLines(t, "calls", polls.calls(), "start", "stop")
			})
		})
	}
}

func TestBehaviour23EqualValuesAreNotSentAgain(t *testing.T) {
	type pair struct {
		B int `json:"b"`
		A int `json:"a"`
	}
	for _, tt := range []struct {
		name   string
		values []any
		want   []string
	}{
		{"same", []any{1, 1, 1}, []string{"1"}},
		{"back again", []any{1, 2, 1}, []string{"1", "2", "1"}},
		{"maps", []any{map[string]int{"a": 1, "b": 2}, map[string]int{"b": 2, "a": 1}}, []string{`{"a":1,"b":2}`}},
		{"map and struct", []any{pair{B: 2, A: 1}, map[string]int{"a": 1, "b": 2}}, []string{`{"b":2,"a":1}`}},
		{"nested", []any{[]any{pair{B: 2, A: 1}}, json.RawMessage(`[ {"a":1, "b":2} ]`)}, []string{`[{"b":2,"a":1}]`}},
		{"lists", []any{[]int{1, 2}, []int{2, 1}}, []string{"[1,2]", "[2,1]"}},
		{"nil", []any{nil, nil, "nil", "null"}, []string{"null", `"nil"`, `"null"`}},
		{"large numbers", []any{int64(1<<53 + 1), int64(1 << 53)}, []string{"9007199254740993", "9007199254740992"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := sse.NewManager(t.Context(), nil, 0)
				r := read(t, m, "/tank")
				for _, v := range tt.values {
					synctest.Wait()
					m.Publish("/tank", v)
				}
				r.want(t, tt.want...)
				r.close()
			})
		})
	}
}

func TestBehaviour23NewStreamGetsTheValueEvenIfEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		old := read(t, m, "/tank")
		synctest.Wait()
		m.Publish("/tank", 1)
		old.want(t, "1")
		late := read(t, m, "/tank")
		m.Publish("/tank", 1)
		late.want(t, "1")
		old.want(t)
		old.close()
		late.close()
	})
}

func TestBehaviour24TopicIsPathAndQuery(t *testing.T) {
	for _, tt := range []struct{ target, want string }{
		{"/devices", "/devices"},
		{"/devices?", "/devices"},
		{"/devices?offset=10", "/devices?offset=10"},
		{"/devices?offset=10&labels=a,b", "/devices?labels=a,b&offset=10"},
		{"/devices?labels=a,b&offset=10", "/devices?labels=a,b&offset=10"},
		{"/devices?b=2&a=2&b=1&a=1", "/devices?a=2&a=1&b=2&b=1"},
		{"/devices?b&a", "/devices?a&b"},
		{"/devices?&&a=1&", "/devices?a=1"},
		{"/devices?a=1&last_event_id=run-7", "/devices?a=1"},
		{"/devices/no%3Fa=1?b=2", "/devices/no%3Fa=1?b=2"},
		{"/ger%C3%A4te", "/geräte"},
	} {
		if got := sse.TopicOf(httptest.NewRequest("GET", tt.target, nil)); got != tt.want {
			t.Errorf("TopicOf(%s) = %s, want %s", tt.target, got, tt.want)
		}
	}
}

func TestBehaviour24ParametersInAnyOrderAreOneTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		a, b := read(t, m, "/devices?limit=5&offset=10"), read(t, m, "/devices?offset=10&limit=5")
		synctest.Wait()
		m.Publish("/devices?offset=10&limit=5", 1)
		m.Publish("/devices", 2)
		a.want(t, "1")
		b.want(t, "1")
		a.close()
		b.close()
	})
}

func TestBehaviour24CustomTopicOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		r := read(t, m, "/api/alarms?a=1", sse.WithCustomTopic("alarms"))
		synctest.Wait()
		m.Publish("/api/alarms?a=1", 1)
		m.Publish("alarms", 2)
		r.want(t, "2")
		r.close()
	})
}

func TestBehaviour24Heartbeat(t *testing.T) {
	for _, tt := range []struct{ heartbeat, want time.Duration }{
		{0, 30 * time.Second},
		{-time.Second, 30 * time.Second},
		{7 * time.Second, 7 * time.Second},
	} {
		t.Run(tt.heartbeat.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := sse.NewManager(t.Context(), nil, tt.heartbeat)
				r := read(t, m, "/tank")
				beats := func() int {
					synctest.Wait()
					return strings.Count(r.w.Body(), ":\n")
				}
				atStart := beats()
				time.Sleep(tt.want - time.Second)
				if got := beats() - atStart; got != 0 {
					t.Errorf("after %v: %d heartbeats, want 0", tt.want-time.Second, got)
				}
				time.Sleep(2*time.Second + time.Millisecond)
				if got := beats() - atStart; got != 1 {
					t.Errorf("after %v: %d heartbeats, want 1", tt.want+time.Second, got)
				}
				r.close()
			})
		})
	}
}

// service is a PollingService that records its calls. It fails the test of t,
// if it has one, when the calls do not alternate or overlap.
type service struct {
	t        *testing.T
	stopping time.Duration // how long Stop takes
	stopErr  error

	mu        sync.Mutex // guards the fields below
	busy      bool
	log       []string
	publisher sse.Publisher
}

func (s *service) Start(p sse.Publisher) {
	s.begin("start")
	s.mu.Lock()
	s.publisher = p
	s.mu.Unlock()
	s.end()
}

func (s *service) Stop() error {
	s.begin("stop")
	if s.stopping > 0 {
		time.Sleep(s.stopping)
	}
	s.end()
	return s.stopErr
}

func (s *service) begin(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.t != nil && s.busy {
		s.t.Errorf("%s during another call", call)
	}
	if s.t != nil && (len(s.log)%2 == 0) != (call == "start") {
		s.t.Errorf("%s is call %d", call, len(s.log)+1)
	}
	s.busy = true
	s.log = append(s.log, call)
}

func (s *service) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
}

func (s *service) publish(v any) {
	s.mu.Lock()
	p := s.publisher
	s.mu.Unlock()
	p.Publish(v)
}

func (s *service) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func TestBehaviour28StartedByTheFirstStreamStoppedAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		polls := &service{t: t, stopping: time.Minute}
		a := read(t, m, "/tank", sse.WithPollingService(polls))
		synctest.Wait()
		b := read(t, m, "/tank", sse.WithPollingService(polls))
		synctest.Wait()
		polls.publish(1)
		a.want(t, "1")
		b.want(t, "1")
		a.close()
		polls.publish(2)
		b.want(t, "2")
		checkLines(t, "calls with one stream left", polls.calls(), "start")

		before := time.Now()
		b.close()
		if took := time.Since(before); took != 0 {
			t.Errorf("the last stream waited %v for Stop", took)
		}
		synctest.Wait()
		checkLines(t, "calls", polls.calls(), "start", "stop")

		// The next stream comes while Stop is still under way.
		c := read(t, m, "/tank", sse.WithPollingService(polls))
		c.want(t)
		checkLines(t, "calls during Stop", polls.calls(), "start", "stop")
		polls.publish(3) // of the old loop: nobody's
		time.Sleep(time.Minute)
		c.want(t)
		checkLines(t, "calls after Stop", polls.calls(), "start", "stop", "start")
		d := read(t, m, "/tank?d", sse.WithPollingService(polls))
		synctest.Wait()
		polls.publish(4)
		c.want(t, "4")
		d.want(t, "4")
		c.close()
		d.close()
		time.Sleep(time.Hour)
		checkLines(t, "calls at the end", polls.calls(), "start", "stop", "start", "stop")
	})
}

func TestManagerLogsAFailedStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		m := sse.NewManager(t.Context(), slog.New(slog.NewTextHandler(&logged, nil)), 0)
		r := read(t, m, "/tank", sse.WithPollingService(&service{stopErr: errors.New("valve stuck")}))
		synctest.Wait()
		r.close()
		synctest.Wait()
		if got, want := logged.String(), `err="valve stuck"`; !strings.Contains(got, want) {
			t.Errorf("log = %q, want it to contain %q", got, want)
		}
	})
}

// A reader used to keep a stale value for good when its queue had been full.
func TestManagerSlowReaderEndsAtTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		s := ssetest.NewServer(t, m.Handler()).Open(t, "/tank", nil)
		synctest.Wait()
		for i := range 200 { // the reader does not read
			m.Publish("/tank", i+1)
		}
		for range 3 {
			m.Publish("/tank", 200)
		}
		var data []string
		for {
			ev, err := s.Next()
			if err != nil {
				t.Fatalf("after %v: %v", data, err)
			}
			data = append(data, ev.Name+string(ev.Data))
			if string(ev.Data) == "200" {
				break
			}
		}
		if len(data) < 64 || data[len(data)-64] != "137" {
			t.Errorf("got %v, want it to end with 137 to 200", data)
		}
		missed, shown := 0, 0
		for _, d := range data {
			if n, ok := strings.CutPrefix(d, "gap"); ok {
				k, _ := strconv.Atoi(n)
				missed += k
			} else {
				shown++
			}
		}
		if missed+shown != 200 {
			t.Errorf("%d shown and %d told as missed, want 200 in all: %v", shown, missed, data)
		}
		s.Close()
	})
}

func TestManagerResumesByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		srv := ssetest.NewServer(t, m.Handler())
		stays, leaves := srv.Open(t, "/tank?a=1", nil), srv.Open(t, "/tank?a=1", nil)
		m.Publish("/tank?a=1", 1)
		if got := string(leaves.Event(t).Data); got != "1" {
			t.Errorf("got %s, want 1", got)
		}
		leaves.Close()
		for i := range 3 {
			m.Publish("/tank?a=1", i+2)
		}
		for _, back := range []*ssetest.Stream{
			srv.Open(t, "/tank?a=1", http.Header{"Last-Event-Id": {leaves.LastEventID()}}),
			srv.Open(t, "/tank?a=1&last_event_id="+leaves.LastEventID(), nil),
		} {
			for _, want := range []string{"2", "3", "4"} {
				if got := string(back.Event(t).Data); got != want {
					t.Errorf("back again: got %s, want %s", got, want)
				}
			}
			back.Close()
		}
		stays.Close()
	})
}

// One Polling behind several URL topics used to lose loops that nothing could stop.
func TestManagerOnePollingFeedsSeveralTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		var running atomic.Int64
		next := count()
		polls := sse.WithPollingService(sse.NewPolling(nil, func(ctx context.Context) (any, error) {
			if running.Add(1) > 1 {
				t.Error("two polls at once")
			}
			defer running.Add(-1)
			return next(ctx)
		}))
		a := read(t, m, "/devices?offset=0", polls)
		a.want(t, "1")
		time.Sleep(7 * time.Second)
		a.want(t, "2")
		b := read(t, m, "/devices?offset=10", polls)
		b.want(t, "2") // the newest at once
		time.Sleep(5 * time.Second)
		a.want(t, "3")
		b.want(t, "3")
		a.close()
		time.Sleep(5 * time.Second)
		b.want(t, "4")
		b.close()
		time.Sleep(time.Hour)
		c := read(t, m, "/devices?offset=20", polls)
		c.want(t, "5") // nothing was polled meanwhile, and the first poll is immediate again
		c.close()
		synctest.Wait()
		checkHoldsNothing(t, m)
	})
}

// A handler may be made for each request, with a Polling of its own.
func TestManagerTopicKeepsItsFirstService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		first, second, third := &service{t: t}, &service{t: t}, &service{t: t}
		plain := read(t, m, "/tank") // brings none
		synctest.Wait()
		a := read(t, m, "/tank", sse.WithPollingService(first))
		synctest.Wait()
		b := read(t, m, "/tank", sse.WithPollingService(second))
		synctest.Wait()
		first.publish(1)
		for _, r := range []*reader{plain, a, b} {
			r.want(t, "1")
		}
		a.close()
		first.publish(2) // its stream has left, the topic has not
		b.want(t, "2")
		b.close()
		plain.close()
		c := read(t, m, "/tank", sse.WithPollingService(third))
		synctest.Wait()
		third.publish(3)
		c.want(t, "3")
		c.close()
		synctest.Wait()
		checkLines(t, "first", first.calls(), "start", "stop")
		checkLines(t, "second", second.calls())
		checkLines(t, "third", third.calls(), "start", "stop")
	})
}

// A topic whose polling had met its stop condition used to be dead for later streams.
func TestManagerPollsAgainAfterTheStopCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		over := 0
		next := count()
		slow := func(ctx context.Context) (any, error) { // or a stream that brings the poll back may begin with its value
			time.Sleep(time.Second)
			return next(ctx)
		}
		polls := sse.WithPollingService(sse.NewPolling(nil, slow,
			sse.WithStopCondition(func(v any) bool { return v.(int64)%2 == 0 }),
			sse.WithStopCallback(func() { over++ }),
		))
		a := read(t, m, "/tank", polls)
		time.Sleep(time.Minute)
		a.want(t, "1", "2")
		b := read(t, m, "/tank", polls)
		b.want(t, "2")
		time.Sleep(time.Minute)
		a.want(t, "3", "4")
		b.want(t, "3", "4")
		c := read(t, m, "/tank?c", polls) // another topic of the same service
		c.want(t, "4")
		time.Sleep(time.Minute)
		c.want(t, "5", "6")
		for _, r := range []*reader{a, b, c} {
			r.close()
		}
		synctest.Wait()
		if over != 3 {
			t.Errorf("stop callbacks = %d, want 3", over)
		}
	})
}

func TestManagerUnencodableValueLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		m := sse.NewManager(t.Context(), slog.New(slog.NewTextHandler(&logged, nil)), 0)
		polls := &service{}
		r := read(t, m, "/tank", sse.WithPollingService(polls))
		synctest.Wait()
		m.Publish("/tank", 1)
		r.want(t, "1")
		m.Publish("/tank", make(chan int))
		polls.publish(func() {})
		late := read(t, m, "/tank")
		late.want(t, "1")
		m.Publish("/tank", 2)
		r.want(t, "2")
		for _, want := range []string{"unsupported type: chan int", "unsupported type: func()"} {
			if got := logged.String(); !strings.Contains(got, want) {
				t.Errorf("log = %q, want it to contain %q", got, want)
			}
		}
		r.close()
		late.close()
	})
}

func TestManagerRefusesAWriterThatCannotStream(t *testing.T) {
	var logged bytes.Buffer
	m := sse.NewManager(t.Context(), slog.New(slog.NewTextHandler(&logged, nil)), 0)
	polls := &service{}
	w := httptest.NewRecorder() // flushes, but knows no deadlines
	m.Handler(sse.WithPollingService(polls)).ServeHTTP(w, httptest.NewRequest("GET", "/tank", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status = %d, want 500", w.Code)
	}
	for _, want := range []string{"SetWriteDeadline", "*httptest.ResponseRecorder"} {
		if got := logged.String(); !strings.Contains(got, want) {
			t.Errorf("log = %q, want it to name %s", got, want)
		}
	}
	if got := strings.Count(logged.String(), "\n"); got != 1 {
		t.Errorf("%d log lines, want 1: %s", got, logged.String())
	}
	checkLines(t, "calls", polls.calls())
}

func TestManagerLimitsTopicsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		var readers []*reader
		for i := range 1000 {
			readers = append(readers, read(t, m, fmt.Sprintf("/x?i=%d", i)))
		}
		synctest.Wait()
		polls := &service{}
		ask := func(accept string) *http.Response {
			srv := ssetest.NewServer(t, m.Handler(sse.WithPollingService(polls)))
			s := srv.Open(t, "/one-too-many", http.Header{"Accept": {accept}})
			return s.Response
		}

		res := ask("text/event-stream")
		if got, want := res.StatusCode, 200; got != want {
			t.Errorf("an EventSource got %d, want %d", got, want)
		}
		if got, want := res.Header.Get("Content-Type"), "text/event-stream"; got != want {
			t.Errorf("an EventSource got Content-Type %q, want %q", got, want)
		}
		d := sse.NewDecoder(res.Body, nil)
		if ev, err := d.Next(); err != nil || ev.Name != "bye" {
			t.Errorf("an EventSource got %v, %v, want bye", ev, err)
		}
		if ev, err := d.Next(); err != io.EOF {
			t.Errorf("after bye an EventSource got %v, %v, want the end", ev, err)
		}
		if got := d.Retry(); got < 5*time.Second || got > 30*time.Second {
			t.Errorf("an EventSource got retry %v, want 5s to 30s", got)
		}

		res = ask("*/*")
		if got, want := res.StatusCode, 503; got != want {
			t.Errorf("curl got %d, want %d", got, want)
		}
		if got, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || got < 5 || got > 30 {
			t.Errorf("curl got Retry-After %q, want 5 to 30", res.Header.Get("Retry-After"))
		}
		checkLines(t, "calls", polls.calls())

		// A topic that is there, and one named by the application, are not affected.
		known := read(t, m, "/x?i=7")
		custom := read(t, m, "/one-too-many", sse.WithCustomTopic("alarms"))
		synctest.Wait()
		m.Publish("/x?i=7", 1)
		m.Publish("alarms", 2)
		known.want(t, "1")
		custom.want(t, "2")
		readers[0].close()
		fits := read(t, m, "/one-too-many")
		synctest.Wait()
		m.Publish("/one-too-many", 3)
		fits.want(t, "3")
		for _, r := range append(readers[1:], known, custom, fits) {
			r.close()
		}
	})
}

type incomparable []int

func (incomparable) Start(sse.Publisher) {}
func (incomparable) Stop() error         { return nil }

func TestWithPollingServiceWantsAComparableType(t *testing.T) {
	defer func() {
		if got, want := fmt.Sprint(recover()), "want a comparable type"; !strings.Contains(got, want) {
			t.Errorf("panic = %s, want it to say %q", got, want)
		}
	}()
	sse.WithPollingService(incomparable{})
}

// Streams come and go on one topic while others publish to it and to others.
func TestBehaviour22StressPublishAgainstLastLeave(t *testing.T) {
	m := sse.NewManager(t.Context(), nil, 0)
	var wg, publishers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		publishers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					m.Publish("/tank", i)
					runtime.Gosched()
				}
			}
		})
	}
	var seen atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 100 {
				r := read(t, m, "/tank")
				for range 100 { // stays until it has seen something, or a little while
					if strings.Contains(r.w.Body(), "data:") {
						seen.Add(1)
						break
					}
					runtime.Gosched()
				}
				r.close()
			}
		})
	}
	wg.Wait()
	close(done)
	publishers.Wait()
	if seen.Load() == 0 {
		t.Error("no stream saw anything")
	}
	checkHoldsNothing(t, m)
}

// Streams of several topics that share a service come and go. The service checks
// that Start and Stop take turns.
func TestStressManagerStartStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sse.NewManager(t.Context(), nil, 0)
		polls := &service{t: t}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 200 {
					r := read(t, m, fmt.Sprintf("/x?i=%d", (i+j)%3), sse.WithPollingService(polls))
					if j%5 == 0 {
						time.Sleep(time.Duration(i) * time.Microsecond)
					}
					r.close()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		calls := polls.calls()
		if len(calls) == 0 || calls[len(calls)-1] != "stop" {
			t.Errorf("%d calls, want the last to be stop", len(calls))
		}
		checkHoldsNothing(t, m)
		r := read(t, m, "/x", sse.WithPollingService(polls)) // and it can go on
		synctest.Wait()
		polls.publish(1)
		r.want(t, "1")
		r.close()
	})
}

// panicking is a PollingService whose every method panics.
type panicking struct{ calls []string }

func (s *panicking) Start(sse.Publisher) { s.calls = append(s.calls, "start"); panic("start") }
func (s *panicking) Stop() error         { s.calls = append(s.calls, "stop"); panic("stop") }
func (s *panicking) Running() bool       { panic("running") }

// A service that panics is logged; its topic, and the next stream, are none the worse.
func TestManagerContainsItsServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := sse.NewManager(ctx, slog.New(slog.NewTextHandler(&logged, nil)), 0)
		s := &panicking{}
		for range 2 {
			first := read(t, m, "/a", sse.WithPollingService(s))
			synctest.Wait()
			second := read(t, m, "/a", sse.WithPollingService(s))
			synctest.Wait()
			m.Publish("/a", 1)
			first.want(t, "1")
			second.want(t, "1")
			first.close()
			second.close()
			synctest.Wait()
			checkHoldsNothing(t, m)
		}
		if got, want := fmt.Sprint(s.calls), "[start stop start stop]"; got != want {
			t.Errorf("calls %s, want %s: by turns", got, want)
		}
		for _, name := range []string{"PollingService.Start", "PollingService.Stop", "PollingService.Running"} {
			if !strings.Contains(logged.String(), name) {
				t.Errorf("the log does not name %s", name)
			}
		}
	})
}

// A service that is made of a stream's request has one of its own, which nobody uses again.
func TestPollingFuncHasARequestOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := sse.NewManager(ctx, nil, 0)
		type user struct{}
		var made int
		option := sse.WithPollingFunc(func(r *http.Request) sse.PollingService {
			made++
			return sse.NewPolling(nil, func(context.Context) (any, error) {
				if err := r.Context().Err(); err != nil {
					return nil, err
				}
				body, err := io.ReadAll(r.Body)
				return fmt.Sprint(r.URL.Query().Get("device"), r.Header.Get("X-Rights"), r.Context().Value(user{}), len(body)), err
			})
		})
		serve := func(device string) (r *reader, req *http.Request) {
			r = &reader{ended: make(chan struct{})}
			ctx, leave := context.WithCancel(context.WithValue(context.Background(), user{}, "ann"))
			r.leave = leave
			req = httptest.NewRequestWithContext(ctx, "GET", "/values?device="+device, strings.NewReader("body"))
			req.Header.Set("X-Rights", "all")
			go func() {
				defer close(r.ended)
				if err := m.Serve(&r.w, req, option); err != nil {
					t.Errorf("Serve = %v, want nil", err)
				}
			}()
			synctest.Wait()
			return r, req
		}
		first, req := serve("a")
		second, _ := serve("a")
		other, _ := serve("b")
		if made != 2 {
			t.Errorf("%d services were made, want one a topic", made)
		}
		first.want(t, `"aallann0"`)
		second.want(t, `"aallann0"`)
		other.want(t, `"ballann0"`)
		first.close()
		req.URL.RawQuery = "device=of+somebody+else" // as a framework does that uses requests again
		req.Header.Set("X-Rights", "none")
		second.take(t)
		third, _ := serve("a")
		time.Sleep(6 * time.Second)
		third.want(t, `"aallann0"`)
		second.close()
		third.close()
		other.close()
		synctest.Wait()
		checkHoldsNothing(t, m)
	})
}

// Two alarms of the same text are two events, where a handler says so.
func TestRepeatsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := sse.NewManager(ctx, nil, 0)
		alarms, state := read(t, m, "/alarms", sse.WithRepeats()), read(t, m, "/state")
		synctest.Wait()
		for range 3 {
			m.Publish("/alarms", "hot")
			m.Publish("/state", "hot")
		}
		alarms.want(t, `"hot"`, `"hot"`, `"hot"`)
		state.want(t, `"hot"`)
		alarms.close()
		state.close()
	})
}

// A Manager on a hub of the application's has its limits, hooks, CORS and drain.
func TestManagerOfAHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		hub := sse.NewHub(ctx, &sse.HubOptions{
			AllowedOrigins: []string{"https://page.example"},
			OnSubscribe: func(r *http.Request, topic *sse.Topic) error {
				if topic.Name() == "/secret" {
					return errors.New("not for you")
				}
				return nil
			},
		})
		m := sse.NewHubManager(hub)
		if m.Hub() != hub {
			t.Errorf("Hub() is another hub")
		}
		srv := ssetest.NewServer(t, m.Handler())
		ask := func(method, path string) *http.Response {
			req, _ := http.NewRequest(method, "http://x"+path, nil)
			req.Header = http.Header{"Origin": {"https://page.example"}, "Access-Control-Request-Method": {"GET"}, "Accept": {"text/event-stream"}}
			resp, err := srv.Client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		st := srv.Open(t, "/a", nil)
		synctest.Wait()
		m.Publish("/a", 1)
		if got := string(st.Event(t).Data); got != "1" {
			t.Errorf("event %s, want 1", got)
		}
		check := func(method, path string, status int) {
			t.Helper()
			resp := ask(method, path)
			defer resp.Body.Close()
			if resp.StatusCode != status || resp.Header.Get("Access-Control-Allow-Origin") != "https://page.example" {
				t.Errorf("%s %s = %d, allowed %q, want %d for the page", method, path, resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"), status)
			}
		}
		check("OPTIONS", "/a", 204)
		check("POST", "/a", 405)
		check("GET", "/secret", 403)
		go hub.Drain(ctx)
		if got := st.Rest(t); len(got) != 1 || got[0].Name != "bye" {
			t.Errorf("rest of a drained stream = %v, want bye", got)
		}
		check("GET", "/a", 200) // to come back in a while
		synctest.Wait()
		checkHoldsNothing(t, m)
	})
}

// A request that gets no stream starts no polling.
func TestARefusedRequestStartsNoPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t, &sse.HubOptions{
			Quotas: []sse.Quota{func(*http.Request) (any, int) { return "all", 1 }},
			OnSubscribe: func(_ *http.Request, topic *sse.Topic) error {
				if topic.Name() == "/secret" {
					return errors.New("not for you")
				}
				return nil
			},
		})
		m := sse.NewHubManager(hub)
		svc := &service{t: t}
		byRequest := m.Handler(sse.WithPollingFunc(func(*http.Request) sse.PollingService {
			t.Error("a service was made")
			return svc
		}))
		mux := http.NewServeMux()
		mux.Handle("/", m.Handler())
		mux.Handle("/polled", m.Handler(sse.WithPollingService(svc)))
		mux.Handle("/secret", byRequest)
		mux.Handle("/made", byRequest)
		srv := ssetest.NewServer(t, mux)
		srv.Open(t, "/secret", nil).Rest(t)
		if resp, err := srv.Client.Head("http://x/polled"); err != nil || resp.StatusCode != 200 {
			t.Errorf("HEAD = %v, %v", resp, err)
		}
		holder := srv.Open(t, "/holder", nil)
		synctest.Wait()
		for _, path := range []string{"/polled", "/made"} {
			expect(t, path, rest(t, srv.Open(t, path, nil)), "bye()")
		}
		synctest.Wait()
		if calls := svc.calls(); len(calls) > 0 {
			t.Errorf("the service was called: %v", calls)
		}
		holder.Close()
		synctest.Wait()
		checkHoldsNothing(t, m)
	})
}

// What could serve nothing says so where it is made, and not at the first request.
func TestMakersRefuseNil(t *testing.T) {
	for want, call := range map[string]func(){
		"sse: NewHubManager needs a hub, or use NewManager":      func() { sse.NewHubManager(nil) },
		"sse: Handler needs a pick func: it could serve nothing": func() { newHubFixture(t, nil).hub.Handler(nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic %v, want %s", got, want)
				}
			}()
			call()
		}()
	}
}
