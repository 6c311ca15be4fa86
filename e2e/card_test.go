package e2e_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// Refresh polls a source that would wait for an hour, by mouse and keyboard, until the limit of its upstream forbids it.
func TestRefresh(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q, limit: 3/h, burst: 3}}
sources: {tank: {title: Tank, http: {upstream: plant, path: /}, every: 1h, show: {value: level}}}
`, plant.url)).url, view{})
	p.expect("status of 429")
	p.await(`text("tank", ".figure") === "41" && text("tank", ".next").startsWith("next in ")`)
	plant.say(`{"level": 42}`)
	p.click("[data-name=tank] .refresh")
	p.await(`text("tank", ".figure") === "42"`)

	p.await(`card("tank").querySelector(".refresh").ariaDisabled === "false"`)
	plant.say(`{"level": 43}`)
	p.press(kb.Enter) // the focus is where the mouse was
	p.await(`text("tank", ".figure") === "43"`)

	p.await(`card("tank").querySelector(".refresh").ariaDisabled === "false"`)
	p.press(kb.Enter)
	p.await(`card("tank").querySelector(".refresh").ariaDisabled === "true" && text("tank", ".next").startsWith("rate limit until ")`)
	p.await(`document.getElementById("announcer").textContent.startsWith("Tank: rate limit, again in ")`)
	if got := eval[bool](p, `document.activeElement === card("tank").querySelector(".refresh")`); !got {
		t.Error("the focus has left the button")
	}
	size := eval[[2]float64](p, `(({ width, height }) => [width, height])(card("tank").querySelector(".refresh").getBoundingClientRect())`)
	if size[0] < 44 || size[1] < 44 {
		t.Errorf("the button is %v pixels large, want 44 by 44", size)
	}
}

func TestASourceSaysWhyItWaits(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", map[string]string{"/short": "50", "/long": "7000"}[r.URL.Path])
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(busy.Close)
	gone := newUpstream(t, `{}`)
	gone.kill()
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {busy: {http: %q}, gone: {http: %q}}
sources:
  short: {http: {upstream: busy, path: /short}, every: 1s}
  long: {http: {upstream: busy, path: /long}, every: 1s}
  gone: {http: {upstream: gone, path: /}, every: 1s, backoff: {min: 10m, max: 10m}}
`, busy.URL, gone.url)).url, view{})
	p.await(`/^rate limit, again in \d+ s$/.test(text("short", ".next"))`)
	p.await(`/^rate limit until \d\d:\d\d$/.test(text("long", ".next"))`)
	p.await(`/^backing off, \d+:\d\d min$/.test(text("gone", ".next"))`)
}

// An alert stands beside the value, so that nothing moves when it comes and goes.
func TestAlertsMoveNothing(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
defaults: {every: 50ms, stale_after: 1m}
sources:
  tank: {http: {upstream: plant, path: /}, show: {value: level, unit: "%%", min: 0, max: 100}, alert: {if: .level > 50}}
  slow: {http: {upstream: plant, path: /}, show: {value: level, unit: "%%", min: 0, max: 100}, alert: {if: .level > 50, for: 1h}}
`, plant.url)).url, view{width: 390, height: 844, scheme: "light"})
	p.await(`text("tank", ".summary") && text("slow", ".summary") && text("tank", ".alert") === ""`)
	const heights = `["tank", "slow"].map((name) => card(name).offsetHeight)`
	before := eval[[]int](p, heights)
	plant.say(`{"level": 57}`)
	p.await(`/^Alert: warning for \d+ (s|min)$/.test(text("tank", ".alert").trim()) && /^Alert: pending for \d+ (s|min)$/.test(text("slow", ".alert").trim())`)
	if got := eval[[]int](p, heights); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("with an alert the cards are %v pixels high, before %v", got, before)
	}
	p.await(`document.getElementById("announcer").textContent.includes("Alert of tank is firing")`)
	p.readable()
	plant.say(`{"level": 30}`)
	p.await(`text("tank", ".alert") === "" && text("slow", ".alert") === ""`)
}

// A page that is opened late shows what the gateway remembers: the band between least and most where several polls share
// a point, and a gap where they failed.
func TestHistoryHasABandAndGaps(t *testing.T) {
	polled := make(chan struct{}, 1000)
	var n atomic.Int64
	plant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := n.Add(1)
		select {
		case polled <- struct{}{}:
		default:
		}
		if n >= 100 && n < 140 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, math.Sin(float64(n)))
	}))
	t.Cleanup(plant.Close)
	s := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources: {wave: {http: {upstream: plant, path: /}, every: {normal: 10ms, unwatched: 10ms}, stale_after: 1m, backoff: {min: 10ms, max: 10ms}, show: {history: 24h}}}
`, plant.URL))
	for range 300 {
		<-polled
	}
	p := open(t, s.url, view{})
	p.await(`text("wave", ".summary").startsWith("1 min: min -1, max 1, ")`)
	path := func(part string) string {
		return eval[string](p, fmt.Sprintf(`card("wave").querySelector(%q).getAttribute("d")`, part))
	}
	if got := path(".band"); !strings.Contains(got, "Z") {
		t.Errorf("the band is %q, want an area", got)
	}
	if got := path(".line"); strings.Count(got, "M") < 2 {
		t.Errorf("the line is %q, want a gap in it", got)
	}
}
