package e2e_test

import (
	"fmt"
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

func TestValuesAppearAndChange(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25, "pump": true}`)
	p := open(t, serve(t, tank(plant.url)).url, view{})
	p.await(`text("tank", ".figure") === "41.3"`)
	p.await(`connection() === "live"`)
	for part, want := range map[string]string{
		".title": "Tank T-101", ".unit": "%", ".state": "ok", ".fields dt": "pump", ".fields dd": "yes", ".error": "",
	} {
		if got := strings.TrimSpace(p.text("tank", part)); got != want {
			t.Errorf("%s of the card = %q, want %q", part, got, want)
		}
	}

	// The card is updated, not built again: who has the focus there keeps it.
	eval[bool](p, `(window.before = card("tank"), true)`)
	plant.say(`{"level": 57, "pump": false}`)
	p.await(`text("tank", ".figure") === "57.0" && text("tank", ".fields dd") === "no"`)
	if !eval[bool](p, `before === card("tank") && document.querySelectorAll("#source-list > li").length === 1`) {
		t.Error("the card was built again, want it updated")
	}
	p.await(`text("tank", ".summary").startsWith("1 min: min 41.3 %, max 57.0 %, ")`)
	if got := eval[string](p, `card("tank").querySelector(".gauge span").style.inlineSize`); got != "57%" {
		t.Errorf("the gauge is filled by %s, want 57%%", got)
	}
}

// Without show.value an object is shown as its fields, a list as a table or as
// lines, and a lone value big.
func TestValuesOfEveryShapeAreShown(t *testing.T) {
	plant := newUpstream(t, `{"object": {"rain_mm": 0.4, "agreed": true, "spread": {"min": 17, "max": 19}},
		"devices": [{"address": "10.0.4.7", "ms": 3}, {"address": "10.0.4.9", "ms": 12}],
		"names": ["aurora", "boreas"], "text": "light clouds", "nothing": null, "number": 184320512}`)
	var sources strings.Builder
	for _, name := range []string{"object", "devices", "names", "text", "nothing", "number"} {
		fmt.Fprintf(&sources, "  %s: {http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: .%s}\n", name, name)
	}
	p := open(t, serve(t, fmt.Sprintf("upstreams: {plant: {http: %q}}\nsources:\n%s", plant.url, sources.String())).url, view{})
	p.await(`document.querySelectorAll("#source-list > [data-state=ok]").length === 6`)
	fields := eval[[]string](p, `[...card("object").querySelectorAll("dl > div")].map((n) => [...n.children].map((c) => c.textContent).join(": ")).sort()`)
	if got, want := strings.Join(fields, "; "), "agreed: yes; rain mm: 0.4; spread: max 19, min 17"; got != want {
		t.Errorf("the object is shown as %q, want %q", got, want)
	}
	table := eval[[]string](p, `[...card("devices").querySelectorAll("tr")].map((n) => [...n.cells].map((c) => c.textContent).join(" "))`)
	if got, want := strings.Join(table, "; "), "address ms; 10.0.4.7 3; 10.0.4.9 12"; got != want {
		t.Errorf("the list of objects is shown as %q, want %q", got, want)
	}
	for _, want := range [][3]string{
		{"names", ".fields li:last-child", "boreas"},
		{"text", ".figure", "light clouds"},
		{"nothing", ".figure", "–"},
		{"number", ".figure", "184,320,512"},
	} {
		if got := p.text(want[0], want[1]); got != want[2] {
			t.Errorf("%s of the card %s = %q, want %q", want[1], want[0], got, want[2])
		}
	}
}

func TestAKilledUpstreamTurnsItsCardStaleAndBack(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, tank(plant.url)).url, view{})
	p.await(`text("tank", ".figure") === "41.0" && card("tank").dataset.state === "ok"`)

	plant.kill()
	p.await(`card("tank").dataset.state === "stale"`)
	if got, want := p.text("tank", ".figure"), "41.0"; got != want {
		t.Errorf("the stale card shows %q, want the last good value %q", got, want)
	}
	if got := p.text("tank", ".error"); !strings.Contains(got, "connection refused") {
		t.Errorf("the stale card says %q, want why it is stale", got)
	}
	p.await(`document.querySelector(".filter[data-state=stale] b").textContent === "1"`)
	p.await(`document.getElementById("announcer").textContent === "Tank T-101 is stale"`)

	plant.say(`{"level": 43}`)
	plant.restart()
	p.await(`card("tank").dataset.state === "ok" && text("tank", ".figure") === "43.0"`)
	if got := p.text("tank", ".error"); got != "" {
		t.Errorf("the card says %q after the recovery, want nothing", got)
	}
}

func TestFiltersSearchAndPause(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	gone := newUpstream(t, `{}`)
	gone.kill()
	g := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}, shop: {http: %q}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, show: {value: level, decimals: 1}}
  orders: {http: {upstream: shop, path: /}, every: 50ms}
jobs: {tidy: {exec: ["true"]}}
`, plant.url, gone.url))
	p := open(t, g.url, view{})
	shown := func() string {
		return strings.Join(eval[[]string](p, `[...document.querySelectorAll(".card")].map((n) => n.dataset.name)`), " ")
	}
	p.await(`card("tank").dataset.state === "ok" && card("orders").dataset.state === "failing"`)
	p.await(`[...document.querySelectorAll(".filter b")].map((n) => n.textContent).join() === "3,1,0,1,0"`)

	p.click(".filter[data-state=failing]")
	p.await(`!card("tank")`)
	if got, want := shown(), "orders"; got != want {
		t.Errorf("with the filter failing: %q, want %q", got, want)
	}
	p.click(".filter[data-state=failing]")
	p.await(`card("tank")`)

	p.stroke("/", "Slash", 191)
	p.press("TIDY")
	p.await(`!card("tank")`)
	if got, want := shown(), "tidy"; got != want {
		t.Errorf("searching tidy: %q, want %q", got, want)
	}
	p.await(`document.getElementById("no-sources").textContent.startsWith("No sources match")`)
	p.press("\x1b")
	p.await(`card("tank") && document.getElementById("no-sources").hidden`)

	p.click("#pause")
	plant.say(`{"level": 99}`)
	p.await(`document.getElementById("pause").innerText.trim() === "Resume"`)
	// A second page saw the new value, so the first one has had it too.
	other := open(t, g.url, view{})
	other.await(`text("tank", ".figure") === "99.0"`)
	p.await(`/^Paused, (1 card has|2 cards have) changed$/.test(document.getElementById("connection").innerText.trim())`)
	if got, want := p.text("tank", ".figure"), "41.0"; got != want {
		t.Errorf("the paused page shows %q, want %q", got, want)
	}
	p.click("#pause")
	p.await(`text("tank", ".figure") === "99.0" && connection() === "live"`)
}
