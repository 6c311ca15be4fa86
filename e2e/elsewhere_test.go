package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// pressed is JavaScript for what of a page can be pressed, but links.
const pressed = `[...document.querySelectorAll("button, form, input, select, summary.menu")].filter((node) => node.checkVisibility()).map((node) => node.outerHTML)`

// An empty gateway says how to begin, and shows what is added without a reload by hand.
func TestAnEmptyGatewaySaysHowToBegin(t *testing.T) {
	s := serve(t, "")
	p := open(t, s.url+"?", view{})
	p.await(`document.querySelector("h1").textContent === "Nothing to show yet" && document.querySelector("code").textContent === "tidewire.yaml"`)
	s.write("sources: {host: {exec: [echo, hello], evry: 1s}}\n")
	p.await(`document.querySelector("#wrong").textContent.includes("evry")`)
	s.write("sources: {host: {exec: [echo, hello]}}\n")
	p.do(chromedp.WaitVisible(chromedp.CSS(`main:not(.alone)`)))
}

// A page is shown in a frame of the origins in page.embed alone, and has nothing to press there.
func TestFramesOfOtherOrigins(t *testing.T) {
	var frame string
	around := func() string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Wiki</title><link rel="icon" href="data:,"><h1>Wiki</h1><iframe src="%s" title="Host" onload="document.body.dataset.loaded = 1"></iframe>`, frame)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	wiki, other := around(), around()
	s := serve(t, fmt.Sprintf("page: {embed: %q}\nsources: {host: {title: Host, exec: [echo, hello]}}\n", wiki))
	frame = s.url + "sources/host?embed=1"
	allowed := open(t, wiki, view{})
	allowed.await(`document.body.dataset.loaded`) // a refusal would be a complaint
	refused := open(t, other, view{})
	refused.expect("frame-ancestors")
	refused.await(`document.body.dataset.loaded`)
	resp, err := http.Get(s.url + "sources/host")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("the page itself has X-Frame-Options %q, %v, want DENY", resp.Header.Get("X-Frame-Options"), err)
	}
	for _, path := range []string{"sources/host?embed=1", "?embed=1", "jobs?embed=1"} {
		p := open(t, s.url+path, view{})
		p.await(`document.querySelector("h1")`)
		if got := eval[[]string](p, pressed); len(got) > 0 {
			t.Errorf("%s has what can be pressed: %q", path, got)
		}
	}
}
