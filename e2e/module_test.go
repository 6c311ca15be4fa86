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
	left    chan struct{} // gets one when a stream has ended
	streams atomic.Int32
}

func newScripted(t *testing.T) *scripted {
	s := &scripted{say: make(chan string), left: make(chan struct{}, 10)}
	mux := http.NewServeMux()
	mux.Handle("/tidewire.js", web.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>`)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		s.streams.Add(1)
		defer func() { s.left <- struct{}{} }()
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			http.NewResponseController(w).Flush()
			select {
			case text := <-s.say:
				io.WriteString(w, text)
			case <-r.Context().Done():
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s.url = server.URL + "/"
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
