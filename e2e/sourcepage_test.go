package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// plantOf is a configuration of a tank with an alert and a history, and of what is computed from it.
func plantOf(url string) string {
	return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank:
    title: Tank T-101
    section: Plant/Line 1
    http: {upstream: plant, path: /tank}
    every: {normal: 1s, when: [{if: .level > 90, every: 300ms}]}
    stale_after: 30s
    backoff: {min: 200ms, max: 1s}
    pick: {level: .level, pump: .state.pump}
    show: {value: level, unit: "%%", min: 0, max: 100, decimals: 1, history: 24h}
    alert: {if: .level > 90, severity: critical}
  full: {title: Is it full, from: [tank], combine: .tank.value.level > 90}
`, url)
}

// The page of a source says how it is, why and since when, and keeps up with it.
func TestThePageOfASource(t *testing.T) {
	plant := newUpstream(t, `{"level": 41, "state": {"pump": true}, "secret": "beside"}`)
	s := serve(t, plantOf(plant.url))
	p := open(t, s.url+"sources/tank", view{width: 1440, height: 1200})
	p.await(`document.querySelector(".head .value b")?.textContent === "41.0"`)
	p.await(`document.querySelector(".chart path.line") !== null`)
	for part, want := range map[string]string{
		"head": "Tank T-101", "path": "Overview / Plant / Line 1", "alert": "level > 90", "schedule": "http, upstream plant", "uses": "Is it full", "polls": "ok 200",
		"availability": "30 days", "values": "pump",
	} {
		p.await(fmt.Sprintf(`document.querySelector("[data-part=%s]").innerText.replace(/\s+/g, " ").includes(%q)`, part, want))
	}
	p.await(`document.querySelector("[aria-label=Answer]")?.textContent.includes('"secret": "beside"')`)

	plant.say(`{"level": 93.4, "state": {"pump": false}}`)
	p.await(`document.querySelector(".head .value b").textContent === "93.4" && document.querySelector(".head .state").textContent === "alert"`)
	p.await(`document.querySelector(".head .why").innerText.startsWith("level > 90 for ") && document.getElementById("announcer").textContent === "Tank T-101: alert"`)
	p.await(`document.querySelector("[data-part=schedule]").innerText.includes("because level > 90")`)
	p.await(`document.querySelector(".chart rect.firing") !== null`)
	p.await(`document.title.startsWith("Tank T-101")`)

	plant.kill()
	p.await(`document.querySelector("[data-part=error]").innerText.includes("connection refused")`)
	p.await(`document.querySelector("[data-part=polls]").innerText.includes("failed")`)
	plant.restart()
	p.await(`document.querySelector("[data-part=error]").innerText === ""`)
	p.await(`document.querySelector(".outages")?.innerText.includes("stale")`)
}

// The page is as large as its window, whatever the source is, and all of it can be used.
func TestThePageOfASourceFits(t *testing.T) {
	hostile := `{"level": 123456789012345678901234567890, "state": {"pump": "` + strings.Repeat("pump", 5000) + `"}, "\u202eright": 1}`
	plant := newUpstream(t, hostile)
	s := serve(t, strings.Replace(plantOf(plant.url), "    pick: {level: .level, pump: .state.pump}\n", "", 1))
	for _, width := range []int64{1440, 390, 320} {
		for _, scheme := range []string{"light", "dark"} {
			p := open(t, s.url+"sources/tank", view{width: width, height: 900, scheme: scheme})
			p.await(`document.querySelector(".readout").textContent !== ""`)
			p.fits()
			p.accessible(fmt.Sprint("the page of a source, ", width, " ", scheme))
			if got := eval[string](p, `document.querySelector("[data-part=values]").innerText`); !strings.Contains(got, "123,456,789,012,345,678,901,234,567,890") {
				t.Errorf("the value is not exact: %.200s", got)
			}
		}
	}
}

// The chart is over the time that was chosen, and a table by a link, also without a script.
func TestAChartOfAnHourAndAsATable(t *testing.T) {
	plant := newUpstream(t, `{"level": 41, "state": {"pump": true}}`)
	s := serve(t, plantOf(plant.url))
	p := open(t, s.url+"sources/tank", view{})
	p.await(`document.querySelector(".chart path.line") !== null`)
	visit := func(link, something, condition string) {
		t.Helper()
		p.click(link)
		p.do(chromedp.WaitVisible(chromedp.CSS(something)))
		p.await(condition)
	}
	visit(`.choice a[href="?over=1h"]`, `.choice a[href="?over=1h"][aria-current]`, `document.querySelector(".chart path.line") !== null`)
	visit(`figcaption a`, `.numbers`, `document.querySelector(".numbers tbody").innerText.includes("41.0")`)
	visit(`.rest a`, `.chart`, `location.search === "?over=1h" && document.querySelector(".chart path.line") !== null`)
	visit(`.choice a[href*="field=pump"]`, `.choice a[href*="field=pump"][aria-current]`, `document.querySelector("#chart-title").textContent === "Pump"`)
}
