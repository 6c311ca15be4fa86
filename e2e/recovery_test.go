package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

func TestThePageRecoversWhenTheServerRestarts(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	s := newScript(t)
	g := serve(t, tank(plant.url)+scan(s))
	p := open(t, g.url, view{})
	p.expect(`network: Failed to load resource: net::`)
	p.await(`connection() === "live" && text("tank", ".figure") === "41.0"`)
	p.click(runReport)
	s.begun().exit(0)
	p.await(`card("report").dataset.state === "succeeded"`)

	g.stop()
	p.await(`connection() === "reconnecting"`)
	p.await(`text("tank", ".figure") === "41.0" && text("tank", ".next") === ""`)
	plant.say(`{"level": 44}`)
	g.start()
	p.await(`connection() === "live" && text("tank", ".figure") === "44.0" && card("tank").dataset.state === "ok"`)
	// What the new server does not know is not shown any more, and nothing twice.
	p.await(`card("report").dataset.state === "idle"`)
	if got, want := eval[int](p, `document.querySelectorAll(".card").length`), 3; got != want {
		t.Errorf("the page shows %d cards, want %d", got, want)
	}
	p.click(runReport)
	s.begun().exit(0)
	p.await(`card("report").dataset.state === "succeeded"`)
}

// Three losses that a browser does not mend by itself: an answer that is no stream
// closes an EventSource for good, and a path that went dead leaves it open, silently.
func TestThePageOpensAnewWhatTheBrowserGaveUp(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	target, err := url.Parse(serve(t, tank(plant.url)).url)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.FlushInterval = -1
	var streams atomic.Int32
	recover := make(chan struct{})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			switch streams.Add(1) {
			case 1:
				<-recover
				http.Error(w, "no backend", http.StatusServiceUnavailable)
				return
			case 2:
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(http.StatusOK)
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Cleanup(proxy.CloseClientConnections)

	p := open(t, proxy.URL, view{before: `
		var wait = setTimeout; // a minute of silence is over sooner here
		window.setTimeout = (f, ms) => wait(f, ms === 60000 ? 500 : ms);`})
	p.expect(`status of 503`)
	p.await(`connection() === "connecting"`)
	close(recover)
	p.await(`connection() === "reconnecting" && document.getElementById("connection").textContent.trim() === "Reconnecting in 1 s"`)
	p.await(`connection() === "live" && text("tank", ".figure") === "41.0"`)
	plant.say(`{"level": 42}`)
	p.await(`text("tank", ".figure") === "42.0"`)
	if got := streams.Load(); got < 3 {
		t.Errorf("the page opened %d streams, want the refused, the silent and a good one", got)
	}
}
