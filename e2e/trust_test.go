package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

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
	p.await(`text("sum", ".figure") === "48"`)
	gone.kill()
	p.await(`card("sum").dataset.state === "stale" && text("sum", ".error").startsWith("input well: ")`)
	gone.restart()
	p.await(`card("sum").dataset.state === "ok" && text("sum", ".error") === ""`)
}

// An alert is counted, found and told of as what it is: a reason to look.
func TestAlertsAreCountedAndFound(t *testing.T) {
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
	green := eval[string](p, `holds(() => card("slow").dataset.state === "ok" && `+counts+` === "3,3,0,0,0" && document.title === "Tidewire")
		.then(() => getComputedStyle(card("tank").querySelector(".state")).color)`)
	plant.say(`{"level": 57}`)
	p.await(counts + ` === "3,2,0,0,1" && document.title === "(1) Tidewire" && text("tank", ".state").trim() === "alert"`)
	p.await(`text("slow", ".alert").includes("pending")`)
	for name, want := range map[string]bool{"calm": true, "tank": false, "slow": false} {
		if got := eval[string](p, fmt.Sprintf(`getComputedStyle(card(%q).querySelector(".state")).color`, name)) == green; got != want {
			t.Errorf("the state of %s is green: %v, want %v", name, got, want)
		}
	}
	p.readable()
	p.click(".filter[data-state=alert]")
	p.await(`!card("calm") && !card("slow") && card("tank")`)
	p.click(".filter[data-state=ok]")
	p.await(`card("calm") && card("slow") && !card("tank")`)
	p.click(".filter[data-state=ok]")
	plant.kill() // with an old value the alert goes on
	p.await(counts + ` === "3,0,3,0,1" && document.title === "(3) Tidewire" && text("tank", ".state").trim() === "stale"`)
	p.click(".filter[data-state=alert]")
	p.await(`!card("calm") && card("tank")`)
}

// Nothing is counted before it is known what there is: "0 failing" would be a statement.
func TestNothingIsCountedBeforeItIsKnown(t *testing.T) {
	gone := newUpstream(t, `{}`)
	gone.kill()
	p := open(t, serve(t, tank(gone.url)).url, view{before: `
		var known, release = new Promise((f) => { known = f; });
		window.fetch = ((ask) => (url, ...rest) => url === "api/v1/sources" ? release.then(() => ask(url, ...rest)) : ask(url, ...rest))(window.fetch);`})
	p.await(`connection() === "live" && ` + counts + ` === "–,–,–,–,–"`)
	eval[bool](p, `(known(), true)`)
	p.await(counts + ` === "1,0,0,1,0"`)
}

// Who stands on a card that leaves goes on at the next one, and at the heading of the list if none is left.
func TestTheFocusStaysWhereACardLeaves(t *testing.T) {
	plant, gone := newUpstream(t, `{"level": 41}`), newUpstream(t, `{}`)
	gone.kill()
	p := open(t, serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}, gone: {http: %q}}
defaults: {every: 50ms, stale_after: 1m, backoff: {min: 20ms, max: 50ms}}
sources:
  a: {http: {upstream: gone, path: /}}
  b: {http: {upstream: gone, path: /}}
  tank: {http: {upstream: plant, path: /}}
`, plant.url, gone.url)).url, view{})
	p.await(`card("a").dataset.state === "failing" && card("b").dataset.state === "failing" && card("tank").dataset.state === "ok"`)
	p.click(".filter[data-state=failing]")
	p.await(`!card("tank")`)
	eval[bool](p, `(card("a").querySelector(".refresh").focus(), true)`)
	plant.kill()
	gone.restart()
	p.await(`!card("a") && !card("b") && document.activeElement.id === "sources"`)
	p.press(kb.Tab)
	p.click(".filter[data-state=failing]")
	p.await(`card("a") && card("b")`)

	eval[bool](p, `(card("b").querySelector(".refresh").focus(), document.querySelector(".filter[data-state=stale]").click(), true)`)
	p.await(`!card("b") && card("tank") && document.activeElement === card("tank").querySelector(".refresh")`)
}

// The time of an answer is compared with the time in which it came: an answer that took long says nothing of the clocks.
func TestLatencyIsNoDifferenceOfClocks(t *testing.T) {
	p := open(t, serve(t, "").url, view{})
	p.await(`connection() === "live"`)
	type seconds []float64
	got := eval[seconds](p, `import(document.querySelector("link[href*='/clock.']").href).then((clock) => {
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
	want := seconds{0, 3600, 3600, -3600, 0}
	for i := range want {
		if diff := got[i] - want[i]; diff > 1 || diff < -1 {
			t.Errorf("after each answer the clocks differ by %v s, want about %v", got, want)
			break
		}
	}
}

// Labels begin with what is seen, so that who speaks to a computer can say it.
func TestNamesOfControls(t *testing.T) {
	plant := newUpstream(t, `{"devices": [{"a": 1}], "users": [{"b": 2}], "n": 1}`)
	p := open(t, serve(t, strings.ReplaceAll(tank(plant.url), "value: level, ", "")+"jobs: {tidy: {exec: [echo, '::result [{\"a\": 1}]']}}\n").url, view{})
	p.click("[data-name=tidy] button.run")
	p.await(`text("tidy", "button.run") === "Run again" && text("tidy", "table") && text("tank", "table")`)
	p.usable()
	names := eval[[]string](p, `[...document.querySelectorAll(".scroll")].map((n) => n.ariaLabel).sort()`)
	if got, want := strings.Join(names, "; "), "Result of tidy, table; Tank T-101: devices, table; Tank T-101: users, table"; got != want {
		t.Errorf("the tables are named %q, want %q", got, want)
	}
	if got, want := eval[string](p, `card("tidy").querySelector("button.run").ariaLabel`), "Run again: tidy"; got != want {
		t.Errorf("the button is named %q, want %q", got, want)
	}
}
