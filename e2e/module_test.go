package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
)

// A scripted server has the module, an empty page, and a stream at /stream that sends
// what the test says.
type scripted struct {
	url     string
	say     chan string
	end     chan struct{} // ends the stream
	resumed chan string   // gets the last ids with which streams after the first were asked for
	left    chan struct{} // gets one when a stream has ended
	streams atomic.Int32
}

func newScripted(t *testing.T) *scripted {
	s := &scripted{say: make(chan string), end: make(chan struct{}), resumed: make(chan string, 10), left: make(chan struct{}, 10)}
	mux := http.NewServeMux()
	mux.Handle("/tidewire.js", web.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>`)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == "application/json" { // the module doubts a stream without events: there is no news
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if s.streams.Add(1) > 1 {
			s.resumed <- r.URL.Query().Get("last_event_id")
		}
		defer func() { s.left <- struct{}{} }()
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			http.NewResponseController(w).Flush()
			select {
			case text := <-s.say:
				io.WriteString(w, text)
			case <-s.end:
				return
			case <-r.Context().Done():
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s.url = server.URL // without a slash, with which it would be that of a gateway
	return s
}

// follows is JavaScript that writes down what subscribe tells of /stream, in the
// attribute data-told of the body.
const follows = `
	addEventListener("DOMContentLoaded", () => import("/tidewire.js").then(({ subscribe }) => {
		const told = [], tell = (...what) => { told.push(what.join(" ")); document.body.dataset.told = JSON.stringify(told); };
		window.subscription = subscribe("/stream", {
			onSnapshot: (snapshot, id) => tell("snapshot", JSON.stringify(snapshot), id),
			onState: (state) => tell("state", state),
			onReset: () => tell("reset"),
			onGap: (missed) => tell("gap", missed),
			onEnd: (snapshot) => tell("end", JSON.stringify(snapshot)),
		});
		tell("subscribed");
	}));`

// told waits until n things were told, and returns them.
func told(p *page, n int) (all []string) {
	p.t.Helper()
	p.await(fmt.Sprintf(`JSON.parse(document.body.dataset.told).length >= %d`, n))
	if err := json.Unmarshal([]byte(eval[string](p, `document.body.dataset.told`)), &all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

func TestTheModuleTellsWhatTheServerSays(t *testing.T) {
	s := newScripted(t)
	first := open(t, s.url, view{before: follows})
	told(first, 3)
	s.say <- "id: run-1\ndata: {\"key\":\"a\",\"n\":1}\n\nid: run-2\ndata: {\"key\":\"b\",\"n\":1}\n\nid: run-3\ndata: {\"key\":\"a\",\"n\":2}\n\n"
	told(first, 6)

	// A tab that comes later gets the newest of each key from the tab that leads.
	second := first.tab(s.url, view{before: follows})
	if got, want := told(second, 5), []string{
		"subscribed", "state connecting", `snapshot {"key":"a","n":2} `, `snapshot {"key":"b","n":1} `, "state live",
	}; !slices.Equal(got, want) {
		t.Errorf("the second tab was told\n%q, want\n%q", got, want)
	}
	s.say <- "event: gap\ndata: 3\n\nevent: reset\ndata:\n\nevent: bye\ndata:\n\nid: run-4\ndata: no JSON\n\nid: run-end\ndata: {\"key\":\"a\",\"n\":3}\n\n"
	news := []string{"gap 3", "reset", "state reconnecting", `snapshot "no JSON" run-4`, `snapshot {"key":"a","n":3} run-end`, `end {"key":"a","n":3}`}
	if got := told(second, 11)[5:]; !slices.Equal(got, news) {
		t.Errorf("then the second tab was told\n%q, want\n%q", got, news)
	}
	before := []string{
		"subscribed", "state connecting", "state live",
		`snapshot {"key":"a","n":1} run-1`, `snapshot {"key":"b","n":1} run-2`, `snapshot {"key":"a","n":2} run-3`,
	}
	if got, want := told(first, 12), append(before, news...); !slices.Equal(got, want) {
		t.Errorf("the first tab was told\n%q, want\n%q", got, want)
	}
	if got := s.streams.Load(); got != 1 {
		t.Errorf("there were %d streams, want one for both tabs, and none after the end", got)
	}
}

func TestAClosedSubscriptionIsSilent(t *testing.T) {
	s := newScripted(t)
	first := open(t, s.url, view{before: follows})
	told(first, 3)
	second := first.tab(s.url, view{before: follows})
	told(second, 3)
	eval[bool](first, `(subscription.close(), true)`)
	<-s.left // the second tab has the stream now
	s.say <- "id: run-1\ndata: 1\n\n"
	if got, want := told(second, 4)[3], "snapshot 1 run-1"; got != want {
		t.Errorf("the second tab was told %q, want %q", got, want)
	}
	if got, want := told(first, 3), []string{"subscribed", "state connecting", "state live"}; !slices.Equal(got, want) {
		t.Errorf("the first tab was told %q, want nothing after it closed: %q", got, want)
	}
}

// silences is JavaScript that keeps the timers by which a stream is told to be silent from running: the test runs them. Each
// start of one changes the page, so that await sees what else has changed.
const silences = `
	window.silences = new Map();
	{
		const { setTimeout: set, clearTimeout: clear } = window;
		window.setTimeout = (f, ms) => {
			if (ms !== 45_000 && ms !== 90_000) return set(f, ms); // the other is that of tabs which do not lead
			const id = set(() => {}, 1e9);
			window.silences.set(id, f);
			if (document.body) document.body.dataset.silence = id;
			return id;
		};
		window.clearTimeout = (id) => { window.silences.delete(id); clear(id); };
	}`

// Whatever comes is a sign of life, above all heartbeats: an idle stream stays open, and every tab knows since when nothing came.
func TestHeartbeatsAreSignsOfLife(t *testing.T) {
	s := newScripted(t)
	first := open(t, s.url, view{before: silences + follows})
	told(first, 3)
	for i, form := range []string{":\n", ":\n\n", ": beat\r\n", "retry: 100\n\n", "event: unheard-of\ndata: x\n\n", "id: run-0\n"} {
		eval[bool](first, fmt.Sprintf(`(window.timer = [...silences.keys()][0], Date.now = () => %d, true)`, i+1))
		s.say <- form
		first.await(fmt.Sprintf(`subscription.heardAt === %d && silences.size === 1 && !silences.has(timer)`, i+1))
	}
	second := first.tab(s.url, view{before: silences + follows})
	told(second, 3)
	second.await(`subscription.heardAt === 6`)
	eval[bool](second, `(Date.now = () => 7, true)`)
	s.say <- ":\n"
	second.await(`subscription.heardAt === 7`)
	if got, want := told(first, 3), []string{"subscribed", "state connecting", "state live"}; !slices.Equal(got, want) {
		t.Errorf("heartbeats told %q, want no more than %q", got, want)
	}
	if got := s.streams.Load(); got != 1 {
		t.Errorf("there were %d streams, want one", got)
	}
	// Nothing more comes: the stream is made anew, which is said.
	eval[bool](first, `([...silences.values()][0](), true)`)
	<-s.left
	if got, want := told(first, 5)[3:], []string{"state reconnecting", "state live"}; !slices.Equal(got, want) {
		t.Errorf("a silence told %q, want %q", got, want)
	}
}

// Events are read however the stream is cut into pieces, and whatever ends its lines.
func TestTheModuleReadsAnyPieces(t *testing.T) {
	s := newScripted(t)
	p := open(t, s.url, view{before: follows})
	told(p, 3)
	for _, piece := range []string{
		"\xef", "\xbb\xbfid: run-1\r", "\ndata: \"a\r", "\n", "data: \xc3", "\xa9\"\r\n\r", "\n", ":\n", // a carriage return alone ends a line when more comes
		"id: run-2\rdata:{\"key\":\"k\"}\r\r", ":\n", "id:bad\x00id\ndata\ndata: \n\n", "retry: x\nretry:250\nevent: message\ndata: 3\n\n", "data: never complete\n",
	} {
		s.say <- piece
	}
	s.end <- struct{}{}
	want := []string{`snapshot "\"a\né\"" run-1`, `snapshot {"key":"k"} run-2`, `snapshot "\n" run-2`, `snapshot 3 run-2`, "state reconnecting", "state live"}
	if got := told(p, 9)[3:]; !slices.Equal(got, want) {
		t.Errorf("the pieces told\n%q, want\n%q", got, want)
	}
	if got := <-s.resumed; got != "run-2" {
		t.Errorf("the next stream goes on after %q, want run-2", got)
	}
}
