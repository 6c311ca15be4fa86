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
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
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

	// The page is there before the run, and waits for it.
	p := open(t, server.URL+"/", view{before: parts})
	p.expect("status of 404")
	p.await(`shown("status") === "Not running" && element().dataset.connection === "waiting" && !bar().matches(":indeterminate")`)
	report := start()
	p.await(`shown("status") === "Running" && bar().matches(":indeterminate") && element().dataset.connection === "live"`)
	report.Update(func(s *progress.Progress) { s.Stage, s.Message = "scan", `<img src=x onerror="pwned=1">` })
	report.Step(37, 100, `<img src=x onerror="pwned=1">`)
	p.await(`bar().value === 37 && shown("message") === 'scan: <img src=x onerror="pwned=1">'`)
	for what, want := range map[string]string{
		`bar().getAttribute("aria-label")`:                 "Discovery",
		`element().querySelector(".tidewire-status").role`: "status",
		`element().querySelector(".tidewire-cancel").ariaLabel + element().querySelector(".tidewire-cancel").type`: "Cancel Discoverybutton",
		`String(document.querySelector("img"))`: "null",
	} {
		if got := eval[string](p, what); got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}
	p.click("tidewire-progress .tidewire-cancel")
	p.await(`shown("status") === "Cancelled" && element().dataset.status === "cancelled" && shown("cancel") === ""`)
	p.await(`bar().value === 37 && element().dataset.connection === "ended"`)

	// It follows the next run as well; its end is an event, which comes once.
	eval[bool](p, `(window.ends = [], element().addEventListener("end", (e) => ends.push(e.detail.status)), true)`)
	start()
	p.await(`shown("status") === "Running" && shown("cancel") === "Cancel"`)
	over <- errors.New("disk full")
	p.await(`shown("status") === "Failed: disk full" && bar().value === 0 && ends.join() === "failed"`)

	// Taken out and put back it follows the run of that time.
	eval[bool](p, `(window.node = element(), node.remove(), true)`)
	start()
	eval[bool](p, `(document.body.append(node), true)`)
	p.await(`shown("status") === "Running" && ends.join() === "failed"`)

	// The property src is the attribute; at the URL of a run it shows that run alone.
	eval[bool](p, `(element().src = "/discovery?run=none", true)`)
	p.await(`shown("status") === "There is no such run." && element().dataset.connection === "ended" && element().getAttribute("src") === element().src`)
	over <- nil
}

// The flow of docs/browser.md: the page is loaded, somebody presses Start, everybody sees the run. The service is of another
// origin than the page, which it allows.
func TestTheElementStartsAJobOfAnotherOrigin(t *testing.T) {
	page := httptest.NewUnstartedServer(nil)
	origin := "http://" + page.Listener.Addr().String()
	hub := sse.NewHub(t.Context(), &sse.HubOptions{AllowedOrigins: []string{origin}})
	tracker, err := progress.Open(t.Context(), snapshot.NewMemory(), &progress.Options{Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(origin); err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(protection.Handler(progress.Handler(tracker, progress.HandlerOptions{
		Work: func(ctx context.Context, report *progress.Reporter, _ *http.Request) (any, error) {
			report.Step(1, 2, "half")
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-over:
				return "found", nil
			}
		},
	})))
	t.Cleanup(service.Close)
	t.Cleanup(service.CloseClientConnections)
	mux := http.NewServeMux()
	mux.Handle("/tidewire.js", web.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<!doctype html><html lang="en"><title>Somebody's page</title><link rel="icon" href="data:,">
<script type="module" src="/tidewire.js"></script>
<tidewire-progress src="`+service.URL+`/discovery" start="" label="Discovery"></tidewire-progress>`)
	})
	page.Config.Handler = mux
	page.Start()
	t.Cleanup(page.Close)
	t.Cleanup(page.CloseClientConnections)

	p := open(t, origin, view{before: parts})
	p.expect("status of 404")
	p.await(`shown("status") === "Not running" && shown("start") === "Start" && shown("cancel") === ""`)
	for range 2 { // a second run begins as the first did
		p.click("tidewire-progress .tidewire-start")
		p.await(`shown("status") === "Running" && bar().value === 50 && shown("start") === "" && shown("cancel") === "Cancel"`)
		over <- struct{}{}
		p.await(`shown("status") === "Done" && shown("start") === "Start" && bar().value === 100`)
	}
	p.click("tidewire-progress .tidewire-start")
	p.await(`shown("cancel") === "Cancel"`)
	p.click("tidewire-progress .tidewire-cancel")
	p.await(`shown("status") === "Cancelled"`)

	// A run that is gone is known to be gone.
	eval[bool](p, `(element().src = "`+service.URL+`/discovery?run=none", true)`)
	p.await(`shown("status") === "There is no such run."`)
}

// The same element on the gateway's own page, which has its own policy.
func TestTheElementShowsARunOfTheGateway(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{width: 1440, height: 900, before: parts})
	p.await(`connection() === "live"`)
	run := "/api/v1/runs/" + startedRun(p)
	work := s.Begun()
	eval[bool](p, `(() => {
		const node = document.createElement("tidewire-progress");
		node.src = "`+run+`/events";
		document.querySelector("main").append(node);
		return true;
	})()`)
	work.Print("::progress 12.5 warming up")
	p.await(`bar().value === 12.5 && shown("message") === "warming up" && shown("status") === "Running"`)
	eval[bool](p, `(() => { // the answer to Cancel comes late
		const { fetch: ask } = window;
		window.late = Promise.withResolvers();
		window.fetch = async (...request) => {
			const answer = await ask(...request);
			if (String(request[0]).endsWith("/cancel")) await late.promise;
			return answer;
		};
		return true;
	})()`)
	p.click("tidewire-progress .tidewire-cancel")
	work.Ended()
	p.await(`shown("status") === "Cancelled" && shown("cancel") === ""`)

	// At the stream of a job it shows one run after the other.
	eval[bool](p, `(element().setAttribute("start", "/api/v1/jobs/report/runs"), element().src = "/api/v1/stream?jobs=report", true)`)
	p.await(`shown("status") === "Cancelled" && shown("start") === "Start"`)
	p.click("tidewire-progress .tidewire-start")
	work = s.Begun()
	work.Print("::progress 25 again")
	p.await(`bar().value === 25 && shown("status") === "Running"`)
	eval[bool](p, `(late.resolve(), new Promise((done) => setTimeout(done, 0, true)))`)
	p.click("tidewire-progress .tidewire-cancel")
	work.Ended()
	p.await(`shown("status") === "Cancelled"`)
}
