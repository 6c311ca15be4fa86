package e2e_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/scripttest"
	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/sse/progress"
)

// parts are words for what <tidewire-progress> shows.
const parts = `
	var element = () => document.querySelector("tidewire-progress");
	var bar = () => element().querySelector("progress");
	var shown = (name) => { const n = element().querySelector(".tidewire-" + name); return n.checkVisibility() ? n.textContent : ""; };
`

// somebodysPage is a page of another program under the strictest policy.
const somebodysPage = `<!doctype html><html lang="en"><title>Somebody's page</title>
<link rel="icon" href="data:,">
<script type="module" src="/tidewire.js"></script>
<h1>Discovery</h1>
<tidewire-progress src="/discovery" label="Discovery"></tidewire-progress>`

func TestTheElementShowsAJobOfAnotherProgram(t *testing.T) {
	tracker := progress.New(t.Context(), time.Minute, time.Second, nil)
	reports, over := make(chan *progress.Reporter, 1), make(chan error)
	work := func(ctx context.Context, report *progress.Reporter, _ *http.Request) (any, error) {
		reports <- report
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-over:
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/discovery", progress.Handler(tracker, progress.HandlerOptions{Work: work}))
	mux.Handle("/tidewire.js", web.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "+
			"require-trusted-types-for 'script'; trusted-types 'none'")
		io.WriteString(w, somebodysPage)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	start := func() *progress.Reporter {
		t.Helper()
		resp, err := http.Post(server.URL+"/discovery", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return <-reports
	}

	p := open(t, server.URL+"/", view{before: parts})
	p.expect("status of 404")
	p.await(`shown("status") === "There is no such run." && element().dataset.connection === "ended"`)
	report := start()
	eval[bool](p, `(element().setAttribute("src", "/discovery?"), true)`)
	p.await(`shown("status") === "Running" && bar().matches(":indeterminate") && element().dataset.connection === "live"`)
	report.Update(func(s *progress.Progress) { s.Stage, s.Message = "scan", `<img src=x onerror="pwned=1">` })
	report.Step(37, 100, `<img src=x onerror="pwned=1">`)
	p.await(`bar().value === 37 && shown("message") === 'scan: <img src=x onerror="pwned=1">'`)
	for what, want := range map[string]string{
		`bar().getAttribute("aria-label")`:                                                     "Discovery",
		`element().querySelector(".tidewire-status").role`:                                     "status",
		`element().querySelector("button").ariaLabel + element().querySelector("button").type`: "Cancel Discoverybutton",
		`String(document.querySelector("img"))`:                                                "null",
	} {
		if got := eval[string](p, what); got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}
	p.click("tidewire-progress button")
	p.await(`shown("status") === "Cancelled" && element().dataset.status === "cancelled" && shown("cancel") === ""`)
	p.await(`bar().value === 37 && element().dataset.connection === "ended"`)

	// Taken out and put back it follows the run of that time; its end is an event.
	start()
	eval[bool](p, `(window.ended = new Promise((end) => element().addEventListener("end", (e) => end(e.detail.status))),
		document.body.append(element()), true)`)
	p.await(`shown("status") === "Running" && shown("cancel") === "Cancel"`)
	over <- errors.New("disk full")
	if got, want := eval[string](p, `ended`), "failed"; got != want {
		t.Errorf("the element's end says %q, want %q", got, want)
	}
	p.await(`shown("status") === "Failed: disk full" && bar().value === 0`)
}

// The same element on the gateway's own page, which has its own policy.
func TestTheElementShowsARunOfTheGateway(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{before: parts})
	p.await(`connection() === "live"`)
	run := "/api/v1/runs/" + startedRun(p)
	work := s.Begun()
	eval[bool](p, `(() => {
		const node = document.createElement("tidewire-progress");
		node.setAttribute("src", "`+run+`/events");
		node.setAttribute("cancel", "`+run+`/cancel");
		document.querySelector("main").append(node);
		return true;
	})()`)
	work.Print("::progress 12.5 warming up")
	p.await(`bar().value === 12.5 && shown("message") === "warming up" && shown("status") === "Running"`)
	p.click("tidewire-progress button")
	work.Ended()
	p.await(`shown("status") === "Cancelled" && shown("cancel") === ""`)
}
