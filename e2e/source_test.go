package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// tank is a configuration with one source, the level of a tank.
func tank(url string) string {
	return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank:
    title: Tank T-101
    http: {upstream: plant, path: /tank}
    every: 50ms
    stale_after: 1m # a machine that is busy with something else makes nothing stale
    backoff: {min: 20ms, max: 50ms}
    show: {value: level, unit: "%%", min: 0, max: 100, decimals: 1}
`, url)
}

// The card of a source is updated, not built again: who has the focus there keeps it.
func TestValuesAppearAndChange(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27, "pump": true}`)
	p := open(t, serve(t, tank(plant.url)).url, view{})
	p.await(`value("tank") === "41.3" && connection() === "live"`)
	for part, want := range map[string]string{".title": "Tank T-101", ".value": "41.3 %", ".state": "ok", ".line": "pump\u00a0yes"} {
		if got := strings.TrimSpace(p.text("tank", part)); got != want {
			t.Errorf("%s of the card = %q, want %q", part, got, want)
		}
	}
	eval[bool](p, `(window.before = card("tank"), before.querySelector("a").focus(), true)`)
	plant.say(`{"level": 57, "pump": false}`)
	p.await(`value("tank") === "57.0" && text("tank", ".line") === "pump\u00a0no"`)
	if !eval[bool](p, `before === card("tank") && document.querySelectorAll(".card").length === 1 && document.activeElement === before.querySelector("a")`) {
		t.Error("the card was built again, want it updated")
	}
}

// Without show.value an object is shown as its fields, a list as a table or as lines, and a lone value big.
func TestValuesOfEveryShapeAreShown(t *testing.T) {
	plant := newUpstream(t, `{"object": {"rain_mm": 0.4, "agreed": true, "mode": "auto"},
		"devices": [{"address": "10.0.4.7", "ms": 3}, {"address": "10.0.4.9", "ms": 12}],
		"names": ["aurora", "boreas"], "text": "light clouds", "number": 1843205}`)
	var sources strings.Builder
	for _, name := range []string{"object", "devices", "names", "text", "number"} {
		fmt.Fprintf(&sources, "  %s: {http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: .%s}\n", name, name)
	}
	p := open(t, serve(t, fmt.Sprintf("upstreams: {plant: {http: %q}}\nsources:\n%s", plant.url, sources.String())).url, view{})
	p.await(`document.querySelectorAll(".card[data-state=ok]").length === 5 && value("number")`)
	fields := eval[[]string](p, `[...card("object").querySelectorAll("dl > div")].map((n) => [...n.children].map((c) => c.textContent).join(": ")).sort()`)
	if got, want := strings.Join(fields, "; "), "agreed: yes; mode: auto; rain mm: 0.4"; got != want {
		t.Errorf("the object is shown as %q, want %q", got, want)
	}
	table := eval[[]string](p, `[...card("devices").querySelectorAll("tr")].map((n) => [...n.cells].map((c) => c.textContent).join(" "))`)
	if got, want := strings.Join(table, "; "), "address ms; 10.0.4.7 3; 10.0.4.9 12"; got != want {
		t.Errorf("the list of objects is shown as %q, want %q", got, want)
	}
	for _, want := range [][2]string{{"names", "boreas"}, {"text", "light clouds"}, {"number", "1,843,205"}} {
		if got := p.text(want[0], ".body"); !strings.Contains(got, want[1]) {
			t.Errorf("the card %s says %q, want %q in it", want[0], got, want[1])
		}
	}
}

func TestAKilledUpstreamTurnsItsCardStaleAndBack(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, tank(plant.url)).url, view{})
	p.await(`value("tank") === "41.0" && card("tank").dataset.state === "ok" && document.title === "Tidewire"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0"`) // the modules have taken over

	plant.kill()
	p.await(`card("tank").dataset.state === "stale" && value("tank") === "42.0"`)
	p.await(`text("tank", ".line") === "Connection refused" && /1\s+stale/.test(document.querySelector("h1").innerText) && document.title === "(1) Tidewire"`)
	p.await(`document.getElementById("announcer").textContent === "Tank T-101: stale"`)
	p.await(`document.querySelector('.attention [data-key="source/tank"] .why').innerText.includes("Connection refused")`)

	plant.say(`{"level": 43}`)
	plant.restart()
	p.await(`card("tank").dataset.state === "ok" && value("tank") === "43.0" && document.title === "Tidewire" && !document.querySelector(".attention li")`)
}

func TestASourceSaysWhyItWaits(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "50")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(busy.Close)
	gone := newUpstream(t, `{}`)
	gone.kill()
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {busy: {http: %q}, gone: {http: %q}}
sources:
  short: {http: {upstream: busy, path: /short}, every: 1s}
  gone: {http: {upstream: gone, path: /}, every: 1s, backoff: {min: 10m, max: 10m}}
`, busy.URL, gone.url)).url, view{})
	p.await(`/rate limit, again in \d+ s$/.test(text("short", ".foot"))`)
	p.await(`/again in \d+ min$/.test(text("gone", ".foot"))`)
}

// What is computed from others says which of them is the matter.
func TestACardOfSeveralSourcesNamesTheBadOne(t *testing.T) {
	plant, gone := newUpstream(t, `{"level": 41}`), newUpstream(t, `{"level": 7}`)
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}, gone: {http: %q}}
defaults: {every: 50ms, stale_after: 1m, backoff: {min: 20ms, max: 50ms}}
sources:
  tank: {http: {upstream: plant, path: /}}
  well: {http: {upstream: gone, path: /}}
  sum: {from: [tank, well], combine: .tank.value.level + .well.value.level}
`, plant.url, gone.url)).url, view{})
	p.await(`value("sum") === "48"`)
	gone.kill()
	p.await(`card("sum").dataset.state === "stale" && text("sum", ".line").includes("well")`)
	gone.restart()
	p.await(`card("sum").dataset.state === "ok" && !text("sum", ".line").includes("well")`)
}

// An alert is counted, found and told of as what it is, a reason to look; and nothing moves when it comes.
func TestAnAlertIsCountedAndFound(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	g := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
defaults: {every: 50ms, stale_after: 1m, backoff: {min: 20ms, max: 50ms}}
sources:
  calm: {http: {upstream: plant, path: /}}
  tank: {http: {upstream: plant, path: /}, show: {value: level}, alert: {if: .level > 50}}
  slow: {http: {upstream: plant, path: /}, show: {value: level}, alert: {if: .level > 50, for: 1h}}
`, plant.url))
	p := open(t, g.url, view{})
	p.await(`["calm", "tank", "slow"].every((name) => card(name).dataset.state === "ok") && document.querySelector("h1").innerText === "All is well"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42"`) // the modules have taken over
	const heights = `["tank", "slow"].map((name) => card(name).offsetHeight)`
	before := eval[[]int](p, heights)
	plant.say(`{"level": 57}`)
	p.await(`text("tank", ".state") === "alert" && text("slow", ".state") === "alert soon" && text("calm", ".state") === "ok"`)
	p.await(`/1\s+alert/.test(document.querySelector("h1").innerText) && document.title === "(1) Tidewire"`)
	if got := eval[[]int](p, heights); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("with an alert the cards are %v pixels high, before %v", got, before)
	}
	p.await(`document.getElementById("announcer").textContent.includes("tank: alert")`)
	p.click(`h1 a, .said a[data-state=alert]`)
	p.await(`!card("calm") && !card("slow") && card("tank")`)
	plant.say(`{"level": 30}`)
	p.await(`!card("tank") && document.querySelector("h1").innerText === "All is well" && document.activeElement !== document.body`)
}

// The time of an answer is compared with the time in which it came: an answer that took long says nothing of the clocks.
func TestLatencyIsNoDifferenceOfClocks(t *testing.T) {
	p := open(t, modules(t, ""), view{})
	got := eval[[]float64](p, `import("/static/clock.js").then((clock) => {
		const skews = [], hour = 3_600_000;
		const answer = (sent, date, had) => {
			const begin = Date.now();
			clock.learn(new Date(begin + date).toUTCString(), begin + sent, begin + had);
			skews.push(Math.round((clock.now() - Date.now()) / 1000));
		};
		answer(-9000, -4500, 0);                      // 9 s on the way
		answer(-20, hour, 0);                         // an hour ahead
		answer(-30_000, hour - 15_000, 0);            // the same, slowly
		answer(-20, -hour, 0);                        // set back
		answer(-40, 0, 0);                            // and right again
		return skews;
	})`)
	want := []float64{0, 3600, 3600, -3600, 0}
	for i := range want {
		if diff := got[i] - want[i]; diff > 1 || diff < -1 {
			t.Errorf("after each answer the clocks differ by %v s, want about %v", got, want)
			break
		}
	}
}
