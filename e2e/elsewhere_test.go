package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// pressed is JavaScript for what of a page can be pressed, but links.
const pressed = `[...document.querySelectorAll("button, form, input, select, summary.menu")].filter((node) => node.checkVisibility()).map((node) => node.outerHTML)`

// An empty gateway says how to begin, and shows what is added without a reload by hand.
func TestAnEmptyGatewaySaysHowToBegin(t *testing.T) {
	s := serve(t, "")
	p := open(t, s.url, view{})
	p.await(`document.querySelector("h1").textContent === "Nothing to show yet" && document.querySelector("code").textContent === "tidewire.yaml"`)
	s.write("sources: {host: {exec: [echo, hello], evry: 1s}}\n")
	p.await(`document.querySelector("#wrong").textContent.includes("evry")`)
	s.write("sources: {host: {exec: [echo, hello]}}\n")
	p.do(chromedp.WaitVisible(chromedp.CSS(`main:not(.alone)`)))
}

// A page is shown in a frame of the origins in page.embed alone, and has nothing to press there.
func TestFramesOfOtherOrigins(t *testing.T) {
	var gateway, frame string
	around := func() string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Wiki</title><link rel="icon" href="data:,"><h1>Wiki</h1><iframe src="%s" title="Host" onload="document.body.dataset.loaded = 1"></iframe>
<script type="module" src="%stidewire.js"></script><tidewire-source src="%sapi/v1/stream?sources=host"></tidewire-source>`, frame, gateway, gateway)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	wiki, other := around(), around()
	s := serve(t, fmt.Sprintf("page: {embed: %q}\nsources: {host: {title: Host, exec: [echo, hello]}}\n", wiki))
	gateway, frame = s.url, s.url+"sources/host?embed=1"
	allowed := open(t, wiki, view{})
	allowed.await(`document.body.dataset.loaded`) // a refusal would be a complaint
	allowed.await(`document.querySelector("tidewire-source").innerText.startsWith("Host hello ok")`)
	refused := open(t, other, view{})
	refused.expect("frame-ancestors")
	refused.expect("CORS|ERR_FAILED")
	refused.await(`document.body.dataset.loaded && document.querySelector("tidewire-source").dataset.connection === "reconnecting"`)
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

// wall is a configuration with so many sections that they need several screens, of which two sources fail.
func wall() string {
	var b strings.Builder
	b.WriteString("defaults: {every: 1h, backoff: {min: 1h, max: 1h}}\nsources:\n")
	for line := range 24 {
		for n := range 4 {
			command := "echo 7"
			if line < 2 && n == 0 {
				command = "false"
			}
			fmt.Fprintf(&b, "  s%d-%d: {title: Source %d of %d, section: Plant/Line %d, exec: [%s]}\n", line, n, n, line, line, strings.ReplaceAll(command, " ", ", "))
		}
	}
	return b.String()
}

// The overview fits a wall of any shape, shows all sections in turn, and its title and icon say what its verdict says.
func TestAWall(t *testing.T) {
	s := serve(t, wall())
	hurried := `{ const set = setInterval; window.turns = []; window.setInterval = (f, ms) => (ms === 12_000 ? turns.push(f) : set(f, ms)); }`
	for _, size := range [][2]int64{{1920, 1080}, {1280, 720}, {1080, 1920}} {
		p := open(t, s.url+"?kiosk=1", view{width: size[0], height: size[1], before: hurried})
		p.await(`document.querySelector("h1").textContent.includes("2 failing") && document.querySelector(".time").textContent !== "" && turns.length === 1`)
		p.await(`document.title.startsWith("(2) ") && document.querySelector("link[rel=icon]").href.startsWith("data:")`)
		if got := eval[bool](p, `document.documentElement.scrollHeight > innerHeight`); got {
			t.Errorf("the page of %v scrolls", size)
		}
		if got := eval[[]string](p, pressed); len(got) > 0 {
			t.Errorf("there is something to press: %q", got)
		}
		beside := eval[bool](p, `document.querySelector("#sections").getBoundingClientRect().top < document.querySelector(".attention").getBoundingClientRect().bottom`)
		if isWide := size[0] > size[1]; beside != isWide {
			t.Errorf("at %v the sections are beside what needs attention: %t, want %t", size, beside, isWide)
		}
		seen := eval[int](p, `(() => {
			const seen = new Set(), box = document.querySelector("#sections").getBoundingClientRect();
			for (let i = 0; i < 60; i++) {
				for (const tile of document.querySelectorAll(".tile")) {
					const { left, right, top, bottom } = tile.getBoundingClientRect();
					if (left >= box.left - 1 && right <= box.right + 1 && top >= box.top - 1 && bottom <= box.bottom + 1) seen.add(tile.dataset.key);
				}
				turns[0]();
			}
			return seen.size;
		})()`)
		if want := 96; seen != want {
			t.Errorf("at %v %d sources are shown in turn, want all %d", size, seen, want)
		}
		p.close()
	}

	// A wall of one section is about that.
	p := open(t, s.url+"?kiosk=1&section=Plant/Line 0", view{})
	p.await(`document.querySelector("h1").textContent.includes("1 failing") && document.querySelectorAll(".card").length === 4`)
	p.await(`[...document.querySelectorAll(".section > summary")].every((heading) =>
		Math.abs(heading.getBoundingClientRect().left - heading.parentNode.querySelector(".card").getBoundingClientRect().left) < 2)`) // above its first card
}

// The keyboard reaches everything on the overview in its order, and polls what has the focus.
func TestLettersMoveThroughTheOverview(t *testing.T) {
	s := serve(t, "defaults: {every: 1h}\nsources:\n  one: {title: One, exec: [echo, hello]}\n  two: {title: Two, exec: [echo, hello]}\njobs:\n  work: {title: Work, exec: [echo, hello]}\n")
	p := open(t, s.url, view{width: 1500, height: 900})
	p.await(`document.querySelector("h1").innerText.includes("All is well") && document.querySelectorAll(".card").length === 2 && !document.querySelector("[data-keys]").hidden`)
	const focus = `document.activeElement.textContent.trim()`
	for _, want := range []string{"One", "Two", "Work"} {
		for range 3 { // a section is a stop as well
			p.stroke("j", "KeyJ", 74)
			if eval[string](p, focus) == want {
				break
			}
		}
		if got := eval[string](p, focus); got != want {
			t.Fatalf("j leads to %q, want %q", got, want)
		}
	}
	p.stroke("k", "KeyK", 75)
	p.stroke("k", "KeyK", 75)
	if got := eval[string](p, focus); got != "One" {
		t.Fatalf("k leads to %q, want One", got)
	}
	polled := eval[string](p, `fetch("api/v1/sources/one/polls").then((r) => r.text())`)
	p.stroke("r", "KeyR", 82)
	p.await(`document.activeElement.textContent.trim() === "One"`)
	for range 100 {
		if eval[string](p, `fetch("api/v1/sources/one/polls?").then((r) => r.text())`) != polled {
			p.press("\r")
			p.do(chromedp.WaitVisible(chromedp.CSS(`.tabs`)))
			if got := eval[string](p, `location.pathname`); got != "/sources/one" {
				t.Errorf("Enter leads to %s, want /sources/one", got)
			}
			return
		}
	}
	t.Error("r has not polled the source")
}

// r on a job that needs no arguments starts it, as its button does.
func TestALetterStartsAJob(t *testing.T) {
	s := serve(t, "jobs:\n  work: {title: Work, exec: [echo, hello]}\n")
	p := open(t, s.url+"jobs", view{})
	p.await(`document.querySelectorAll(".job").length === 1 && !document.querySelector("[data-keys]").hidden`)
	p.stroke("j", "KeyJ", 74)
	p.await(`document.activeElement.textContent.trim() === "Work"`)
	p.stroke("r", "KeyR", 82)
	p.await(`document.querySelector(".job").textContent.includes("succeeded")`)
}

// The density that a reader has chosen is that of the next visit, from its first paint on; a wall has its own.
func TestTheDensityIsRemembered(t *testing.T) {
	s := serve(t, "sources: {host: {exec: [echo, hello]}}\n")
	p := open(t, s.url, view{})
	p.await(`document.querySelectorAll(".card").length === 1 && !document.querySelector("[data-keys]").hidden`)
	p.click(`.choice [href*="rows"]`)
	p.await(`document.querySelectorAll(".row").length === 1 && location.search.includes("density=rows")`)
	const drawn = `fetch(location.pathname + "%s").then((r) => r.text()).then((html) => /data-density="(\w+)"/.exec(html)[1])`
	for query, want := range map[string]string{"": "rows", "?density=tiles": "tiles", "?kiosk=1": "cards"} {
		if got := eval[string](p, fmt.Sprintf(drawn, query)); got != want {
			t.Errorf("%q is drawn as %s, want %s", query, got, want)
		}
	}
}

// What is seen of a page behind others claims nothing that is not known: neither without a connection, nor once it was hidden for a minute.
func TestTheTitleClaimsNothing(t *testing.T) {
	s := serve(t, "defaults: {every: 1h, backoff: {min: 1h, max: 1h}}\nsources: {host: {title: Host, exec: [\"false\"]}}\n")
	const hides = `
		{ const set = setTimeout; window.setTimeout = (f, ms) => (ms === 60_000 ? (window.later = [...(window.later ?? []), f], 0) : set(f, ms)); }
		var hide = (is) => { Object.defineProperty(document, "hidden", { value: is, configurable: true }); document.dispatchEvent(new Event("visibilitychange")); return true; };`
	p := open(t, s.url+"?kiosk=1", view{before: hurried + hides})
	p.await(`document.title === "(1) Tidewire" && ["sources", "jobs"].every((list) => performance.getEntriesByType("resource").some((e) => e.name.endsWith("/api/v1/" + list) && e.responseEnd > 0))`)
	plain := eval[string](p, `document.querySelector("link[rel=icon]").href`)
	eval[bool](p, `hide(true) && (later.forEach((f) => f()), true)`)
	p.await(`document.title === "Tidewire" && document.querySelector("link[rel=icon]").href !== ` + fmt.Sprintf("%q", plain))
	eval[bool](p, `hide(false)`)
	p.await(`document.title === "(1) Tidewire"`)

	p.expect("ERR_|Failed to load")
	s.stop()
	eval[bool](p, `hurry(60_000)`)
	p.await(`document.title === "(?) Tidewire" && document.querySelector("h1").textContent.includes("Not known since")`)
	p.await(`parseFloat(getComputedStyle(document.querySelector(".band[data-state=lost] .state")).fontSize) >= 24`) // it shouts
}
