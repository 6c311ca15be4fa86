package conformance_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
)

// A server is a server of others, which keeps what it has sent for clients that come back.
type server struct {
	name   string
	peer   string // the module or the package
	start  func(*testing.T) origin
	retry  time.Duration // that it names to clients; zero: it cannot
	ids    bool          // events have the ids that they are given
	again  bool          // a client that comes back gets its last event once more
	json   bool          // data are sent as JSON
	wrongs map[behaviour]wrong
}

// text returns the text that an event has.
func (s server) text(ev seen) string {
	text := ev.Data
	if s.json {
		json.Unmarshal([]byte(ev.Data), &text)
	}
	return text
}

// An origin is a server that runs.
type origin struct {
	url string
	say func(seen)
	// attached waits until the n-th stream gets what is said. Nil: the head of the answer shows that.
	attached func(t *testing.T, n int)
}

// told is the time to wait that servers name.
const told = 300 * time.Millisecond

var servers = []server{
	{
		name: "go-sse", peer: "github.com/tmaxmax/go-sse", start: startGoSSE, retry: told, ids: true,
		wrongs: map[behaviour]wrong{
			"a line end at the end": {instead: "one", because: "is cut off"},
			"an empty text":         {because: "is no data, and an event without data does not count"},
		},
	},
	{
		name: "r3labs/sse", peer: "github.com/r3labs/sse/v2", start: startR3labs, retry: told, again: true,
		wrongs: map[behaviour]wrong{
			"an empty text": {because: "ends the streams"},
		},
	},
	{name: "launchdarkly/eventsource", peer: "github.com/launchdarkly/eventsource", start: startLaunchDarkly, ids: true, again: true},
	{name: "better-sse", peer: "better-sse", start: startBetterSSE, retry: told, ids: true, json: true},
}

// ours are the clients of ours, as programs, so that they are read like those of others.
var ours = []client{
	{name: "sse.Client", program: []string{"tidewire"}},
	{name: "sse.Client with gzip", program: []string{"tidewire", "gzip"}},
	{name: "tidewire.js", program: node("tidewire-js"), wrongs: map[behaviour]wrong{
		resumes: {because: "it names the last id in the URL, since a header would need leave from another origin"},
	}},
}

// subscribed is a replayer that counts the clients that it was asked about, which are then attached.
type subscribed struct {
	gosse.Replayer
	changing
	clients int
}

func (s *subscribed) Replay(sub gosse.Subscription) error {
	defer s.change(func() { s.clients++ })
	return s.Replayer.Replay(sub)
}

func startGoSSE(t *testing.T) origin {
	replayer, err := gosse.NewFiniteReplayer(100, false)
	if err != nil {
		t.Fatal(err)
	}
	clients := &subscribed{Replayer: replayer}
	s := &gosse.Server{Provider: &gosse.Joe{Replayer: clients}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return origin{
		url: srv.URL,
		say: func(ev seen) {
			m := &gosse.Message{ID: gosse.ID(ev.ID), Type: gosse.Type(ev.Type), Retry: told}
			m.AppendData(ev.Data)
			if err := s.Publish(m); err != nil {
				t.Error(err)
			}
		},
		attached: func(t *testing.T, n int) {
			t.Helper()
			clients.await(t, fmt.Sprintf("stream %d", n), func() bool { return clients.clients >= n })
		},
	}
}

func startR3labs(t *testing.T) origin {
	s := r3labs.New()
	s.SplitData = true // otherwise the second line of a text is no data
	s.CreateStream("topic")
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return origin{url: srv.URL + "/?stream=topic", say: func(ev seen) {
		s.Publish("topic", &r3labs.Event{Event: []byte(ev.Type), Data: []byte(ev.Data), Retry: fmt.Append(nil, told.Milliseconds())})
	}}
}

// published is an event for launchdarkly/eventsource.
type published struct{ ev seen }

func (p published) Id() string    { return p.ev.ID } //nolint:revive,staticcheck // the interface of others has it so
func (p published) Event() string { return p.ev.Type }
func (p published) Data() string  { return p.ev.Data }

func startLaunchDarkly(t *testing.T) origin {
	s := eventsource.NewServer()
	s.Gzip = true // for clients that accept it
	kept := eventsource.NewSliceRepository()
	s.Register("topic", kept)
	srv := httptest.NewServer(s.Handler("topic"))
	t.Cleanup(s.Close)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return origin{url: srv.URL, say: func(ev seen) {
		kept.Add("topic", published{ev})
		s.Publish([]string{"topic"}, published{ev})
	}}
}

func startBetterSSE(t *testing.T) origin {
	cmd := exec.Command("node", "--no-warnings", filepath.Join("clients", "better-sse", "main.mjs"), fmt.Sprint(told.Milliseconds()))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewEncoder(stdin)
	return origin{url: "http://127.0.0.1:" + strings.TrimSpace(port), say: func(ev seen) {
		if err := lines.Encode(map[string]string{"id": ev.ID, "type": ev.Type, "data": ev.Data}); err != nil {
			t.Error(err)
		}
	}}
}

func TestServers(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		for _, c := range ours {
			t.Run(s.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				readsServer(t, s, c)
			})
		}
	}
}

var lastID = regexp.MustCompile(`(?i)\r\nlast-event-id: (.*)\r\n|[?&]last_event_id=([^ &]*)`)

// readsServer has a client of ours read what a server of others says, come back when the connection breaks, miss
// nothing, and stop at 204.
func readsServer(t *testing.T, s server, c client) {
	o := s.start(t)
	scheme, rest, _ := strings.Cut(o.url, "://")
	addr, path, _ := strings.Cut(rest, "/")
	l := newLink(t, addr)
	r := c.start(t, scheme+"://"+l.addr+"/"+path)
	attached := o.attached
	if attached == nil {
		attached = func(t *testing.T, n int) { r.awaitKind(t, "open", n) }
	}
	attached(t, 1)

	n := 0 // ids grow as texts too, since launchdarkly/eventsource sorts by them
	say := func(text string) seen {
		n++
		ev := seen{ID: fmt.Sprintf("run-%02d", n), Type: "message", Data: text}
		o.say(ev)
		return ev
	}
	events := 0
	for _, text := range texts {
		want := text.text
		if wrong, is := s.wrongs[text.name]; is {
			if want = wrong.instead; want == "" {
				continue
			}
		}
		said := say(text.text)
		events++
		got := r.awaitEvents(t, events)
		if s.text(got) != want || got.Type != "message" || s.ids && got.ID != said.ID {
			t.Fatalf("of %s arrived %v, want the data %.100q and the id %s", text.name, got, want, said.ID)
		}
	}
	before := r.events()
	last := before[len(before)-1]

	broke := l.cut()
	say("missed") // to nobody, or to a connection that is lost
	again := l.awaitAsked(t, 2)
	wait := s.retry
	if wait == 0 {
		wait = 3 * time.Second
	}
	c.checkWait(t, again.at.Sub(broke), wait)
	id := ""
	if match := lastID.FindSubmatch(again.asked); match != nil {
		id = string(match[1]) + string(match[2])
	}
	if id != last.ID {
		t.Errorf("it came back with the id %q, want %q", id, last.ID)
	}
	attached(t, 2)
	say("live")
	r.await(t, "what is said after it came back", func() bool {
		all := r.of("event")
		return s.text(all[len(all)-1]) == "live"
	})
	var got []string
	for _, ev := range r.events()[len(before):] {
		got = append(got, s.text(ev))
	}
	want := []string{"missed", "live"}
	if s.again {
		want = append([]string{s.text(last)}, want...)
	}
	if !c.wrong(resumes) && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("it came back and saw %q, want %q", got, want)
	}

	l.lead(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).addr)
	l.cut()
	r.awaitKind(t, "end", 1)
}
