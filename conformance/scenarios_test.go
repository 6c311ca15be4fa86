package conformance_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// A scenario is what a client goes through.
type scenario struct {
	name string
	play func(*testing.T, client, route)
}

// A route is how a client reaches a link: the URL that it uses.
type route func(*testing.T, *link) string

func direct(_ *testing.T, l *link) string { return "http://" + l.addr }

var scenarios = []scenario{
	{"is refused", isRefused}, // the first to begin, since it lasts for up to half a minute
	{"reads " + blocking.name, reads(blocking)},
	{"reads " + kept.name, reads(kept)},
	{"reads " + handedOff.name, reads(handedOff)},
	{"reads " + many.name, reads(many)},
	{"reads a Manager", readsManager},
	{"sees no heartbeats", seesNoHeartbeats},
	{"resumes " + blocking.name, resumesAt(blocking)},
	{"resumes " + kept.name, resumesAt(kept)},
	{"resumes " + handedOff.name, resumesAt(handedOff)},
	{"survives a restart", survivesRestart},
	{"is drained", isDrained},
	{"follows a job to its end", followsJob},
}

func TestClients(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		for _, c := range clients {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				s.play(t, c, direct)
			})
		}
	}
}

// texts are data that a client must pass on unchanged.
var texts = []struct {
	name behaviour
	text string
}{
	{"a word", "first"},
	{"several lines", "one\ntwo\n\nfour"},
	{"a line end at the end", "one\n"},
	{"spaces and colons", "  a: b :c "},
	{"an empty text", ""},
	{"UTF-8", "Füße, 漢字, 🌊"},
	{"separators of Unicode", "a\u2028b\u2029c\u0085d"},
	{"a megabyte", strings.Repeat("1234567🌊", 1<<17)[:1<<20]},
	{"JSON", `{"level":12,"unit":"°C"}`},
}

// reads has the client get the snapshot that is there, and then each one when it is published, whatever it says.
func reads(by call) func(*testing.T, client, route) {
	return func(t *testing.T, c client, via route) {
		hub := newHub(t, nil)
		topic := hub.Topic("topic", sse.TopicOptions{Backlog: 16}) // a client may miss what it cannot read
		l := newLink(t, serve(t, by.of(hub, topic)).addr)
		var r *reader
		arrived := 0
		for i, text := range texts {
			publish(t, topic, sse.Event{Data: []byte(text.text)})
			if i == 0 {
				r = c.start(t, via(t, l))
			}
			want := text.text
			if c.wrong(text.name) {
				if want = c.wrongs[text.name].instead; want == "" {
					continue
				}
			}
			arrived++
			got := r.awaitEvents(t, arrived)
			latest, _ := topic.Latest()
			if got.Type != "message" || got.Data != want {
				t.Fatalf("of %s arrived %v, want the data %.100q", text.name, got, want)
			}
			if by.name != many.name && got.ID != latest.ID {
				t.Errorf("the id of %s is %q, want %q", text.name, got.ID, latest.ID)
			}
		}
	}
}

// readsManager has the client get the values of a Manager, from the topic that its URL names.
func readsManager(t *testing.T, c client, via route) {
	m := sse.NewHubManager(newHub(t, nil))
	l := newLink(t, serve(t, m.Handler()).addr)
	r := c.start(t, via(t, l)+"/devices?limit=5")
	l.await(t, "the head of a stream", func() bool { return len(l.last().told) > 0 })
	for i, value := range []any{map[string]any{"n": 1}, "two\nlines", 3} {
		m.Publish("/devices?limit=5", value)
		if got, want := r.awaitEvents(t, i+1).Data, []string{`{"n":1}`, `"two\nlines"`, "3"}[i]; got != want {
			t.Errorf("event %d is %s, want %s", i, got, want)
		}
	}
}

// seesNoHeartbeats has a stream begin and go on with nothing but comments.
func seesNoHeartbeats(t *testing.T, c client, via route) {
	hub := newHub(t, &sse.HubOptions{Heartbeat: time.Second})
	topic := hub.Topic("topic", sse.TopicOptions{})
	topic.Open("run")
	l := newLink(t, serve(t, blocking.of(hub, topic)).addr)
	r := c.start(t, via(t, l))
	l.await(t, "heartbeats", func() bool { return l.last().heartbeats() >= 3 })
	publish(t, topic, sse.Event{Data: []byte("1")})
	if got := r.awaitEvents(t, 1); got.Data != "1" || got.ID != "run-1" {
		t.Errorf("after heartbeats arrived %v, want the event", got)
	}
}

// longer is more than any client waits of its own accord.
const longer = 6 * time.Second

// resumesAt has the connection break, and the client come back for what it has missed, of which some is lost.
func resumesAt(by call) func(*testing.T, client, route) {
	return func(t *testing.T, c client, via route) {
		told := longer
		if c.wrong(waits) {
			told = time.Hour // longer than any machine is busy: that it comes back at all is the fault
		}
		hub := newHub(t, nil)
		topic := hub.Topic("topic", sse.TopicOptions{Backlog: 2})
		topic.Open("run")
		publish(t, topic, sse.Event{Data: []byte("1"), Retry: told})
		s := serve(t, by.of(hub, topic))
		l := newLink(t, s.addr)
		r := c.start(t, via(t, l))
		r.awaitEvents(t, 1)
		cut := l.cut()
		for n := 2; n <= 5; n++ {
			publish(t, topic, sse.Event{Data: fmt.Append(nil, n)})
		}
		if c.wrong(resumes) {
			r.awaitKind(t, "end", 1)
			return
		}
		again := s.awaitAsked(t, 2)
		c.checkWait(t, again.at.Sub(cut), told)
		if again.last != "run-1" {
			t.Errorf("it came back with Last-Event-ID %q, want run-1", again.last)
		}
		r.awaitEvents(t, 4)
		c.checkEvents(t, r, seen{Type: "message", Data: "1"}, seen{Type: "gap", Data: "2"}, seen{Type: "message", Data: "4"}, seen{Type: "message", Data: "5"})
	}
}

// survivesRestart has the server go, refuse connections for a while, and another one take its place.
func survivesRestart(t *testing.T, c client, via route) {
	hub := newHub(t, nil)
	topic := hub.Topic("topic", sse.TopicOptions{})
	publish(t, topic, sse.Event{Data: []byte("before"), Retry: 200 * time.Millisecond})
	before := serve(t, many.of(hub, topic))
	l := newLink(t, before.addr)
	r := c.start(t, via(t, l))
	id := r.awaitEvents(t, 1).ID
	l.down()
	if c.wrong(resumes) {
		r.awaitKind(t, "end", 1)
		return
	}
	r.awaitKind(t, "error", 2) // the connection broke, and one was refused
	before.stop()
	hub = newHub(t, nil)
	topic = hub.Topic("topic", sse.TopicOptions{})
	publish(t, topic, sse.Event{Data: []byte("after")})
	after := serve(t, many.of(hub, topic))
	l.lead(after.addr)
	l.up()
	if got := after.awaitAsked(t, 1).last; got != id {
		t.Errorf("it came back with Last-Event-ID %q, want %q", got, id)
	}
	r.awaitEvents(t, 3)
	c.checkEvents(t, r, seen{Type: "message", Data: "before"}, seen{Type: "reset"}, seen{Type: "message", Data: "after"})
}

// isDrained has the server say goodbye, and the client find another one.
func isDrained(t *testing.T, c client, via route) {
	hub := newHub(t, &sse.HubOptions{DrainWindow: 2 * time.Second})
	topic := hub.Topic("topic", sse.TopicOptions{})
	publish(t, topic, sse.Event{Data: []byte("before")})
	l := newLink(t, serve(t, handedOff.of(hub, topic)).addr)
	r := c.start(t, via(t, l))
	id := r.awaitEvents(t, 1).ID

	next := newHub(t, nil)
	topic = next.Topic("topic", sse.TopicOptions{})
	publish(t, topic, sse.Event{Data: []byte("after")})
	after := serve(t, handedOff.of(next, topic))
	l.lead(after.addr)
	if err := hub.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.wrong(comesBack) {
		r.awaitKind(t, "end", 1)
		c.checkEvents(t, r, seen{Type: "message", Data: "before"}, seen{Type: "bye"})
		return
	}
	again := after.awaitAsked(t, 1)
	drained := read(&l.changing, func() linked { return *l.conns[0] })
	c.checkWait(t, again.at.Sub(drained.toldAt), drained.retry())
	if again.last != id {
		t.Errorf("it came back with Last-Event-ID %q, want %q", again.last, id)
	}
	r.awaitEvents(t, 3)
	c.checkEvents(t, r, seen{Type: "message", Data: "before"}, seen{Type: "bye"}, seen{Type: "message", Data: "after"})
}

// isRefused has the client be one too many, and come back when there is room.
func isRefused(t *testing.T, c client, via route) {
	ended := make(chan sse.Ended, 2)
	hub := newHub(t, &sse.HubOptions{MaxStreams: 1, Observer: &sse.Observer{Ended: func(e sse.Ended) { ended <- e }}})
	topic := hub.Topic("topic", sse.TopicOptions{})
	publish(t, topic, sse.Event{Data: []byte("1")})
	s := serve(t, kept.of(hub, topic))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr, nil)
	occupant, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer occupant.Body.Close()

	l := newLink(t, s.addr)
	r := c.start(t, via(t, l))
	l.await(t, "the refusal", func() bool { return l.last().retry() > 0 })
	leave()
	<-ended
	refused := read(&l.changing, func() linked { return *l.conns[0] })
	if refused.retry() < 5*time.Second {
		t.Errorf("it was told to come back in %v, want 5 s at least", refused.retry())
	}
	if c.wrong(comesBack) {
		r.awaitKind(t, "end", 1)
		c.checkEvents(t, r, seen{Type: "bye"})
		return
	}
	again := s.awaitAsked(t, 3)
	c.checkWait(t, again.at.Sub(refused.toldAt), refused.retry())
	r.awaitEvents(t, 2)
	c.checkEvents(t, r, seen{Type: "bye"}, seen{Type: "message", Data: "1"})
}

// followsJob has the client watch a run, come back once after its end, and stop.
func followsJob(t *testing.T, c client, via route) {
	tracker := progress.New(t.Context(), 0, 0, nil)
	work := make(chan struct{})
	s := serve(t, progress.Handler(tracker, progress.HandlerOptions{
		Work: func(ctx context.Context, report *progress.Reporter, _ *http.Request) (any, error) {
			report.Step(1, 2, "half way")
			<-work
			return "done", nil
		},
	}))
	resp, err := http.Post("http://"+s.addr+"/job", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	l := newLink(t, s.addr)
	r := c.start(t, via(t, l)+"/job")
	r.await(t, "the step", func() bool {
		events := r.of("event")
		return len(events) > 0 && strings.Contains(events[len(events)-1].Data, `"half way"`)
	})
	close(work)
	r.await(t, "the terminal", func() bool {
		events := r.of("event")
		return sse.IsTerminalID(events[len(events)-1].ID)
	})
	events := r.events()
	end := events[len(events)-1]
	if !strings.Contains(end.Data, `"status":"succeeded"`) || !strings.Contains(end.Data, `"result":"done"`) {
		t.Errorf("the terminal is %v, want the result", end)
	}
	switch {
	case c.wrong(comesBack):
		r.awaitKind(t, "end", 1)
	case c.wrong(endsWith204):
		s.awaitAsked(t, 4) // the POST, the stream, 204, and 204 again
	default:
		if again := s.awaitAsked(t, 3); again.last != end.ID {
			t.Errorf("it came back with Last-Event-ID %q, want %q", again.last, end.ID)
		}
		r.awaitKind(t, "end", 1)
	}
	if got := len(r.events()); got != len(events) {
		t.Errorf("it saw %d events after the terminal, want none", got-len(events))
	}
}

// checkWait checks that the client has waited for as long as the server has said. Timers of Node.js may fire a
// millisecond early, and are told in whole ones.
func (c client) checkWait(t *testing.T, waited, told time.Duration) {
	t.Helper()
	if inTime := waited >= told-5*time.Millisecond; inTime == c.wrong(waits) {
		t.Errorf("it waited for %v when told to wait for %v; that it does so wrong is %t", waited, told, c.wrong(waits))
	}
}

// checkEvents checks the types and data of the events that the client has seen.
func (c client) checkEvents(t *testing.T, r *reader, want ...seen) {
	t.Helper()
	var got []seen
	for _, ev := range r.events() {
		got = append(got, seen{Type: ev.Type, Data: ev.Data})
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("it saw\n%s, want\n%s", g, w)
	}
}

func publish(t *testing.T, topic *sse.Topic, ev sse.Event) {
	t.Helper()
	if err := topic.Publish(ev); err != nil {
		t.Fatal(err)
	}
}
