package e2e_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// plant is a configuration that shows a page of everyday life: values that move, a
// source that is stale, one that fails, a job in progress and jobs that ended.
func plant(t *testing.T, s *scripttest.Script) (yaml string, goStale func()) {
	var broken atomic.Bool
	mux := http.NewServeMux()
	answer := func(path, format string, value func(x float64) float64) {
		var n atomic.Int64
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, format, value(float64(n.Add(1))))
		})
	}
	answer("/tank", `{"level": %f, "inflow": 4.2, "pump": true}`, func(x float64) float64 { return 62 + 14*math.Sin(x/9) + 2*math.Sin(x/2) })
	answer("/grid", `{"power": %f, "phase": "L1"}`, func(x float64) float64 { return 4238 + 310*math.Sin(x/7) + 90*math.Sin(x*1.7) })
	answer("/harbour", `{"temp": %f, "wind": 5.1, "sky": "light clouds"}`, func(x float64) float64 { return 18.4 - 2*math.Cos(x/14) + .3*math.Sin(x) })
	answer("/queue", `%.0f`, func(x float64) float64 { return 132 + 40*math.Sin(x/5) + 9*math.Sin(x*2) })
	mux.HandleFunc("GET /inland", func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.Header().Set("Retry-After", "40")
			http.Error(w, "slow down", http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, `{"temp": 21.7, "wind": 2.4}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	gone := newUpstream(t, "{}")
	gone.kill()
	return fmt.Sprintf(`
defaults: {every: 100ms, jitter: 0%%, stale_after: 30s}
upstreams: {plant: {http: %q}, orders: {http: %q}}
sources:
  tank: {title: Tank T-101, http: {upstream: plant, path: /tank}, show: {value: level, unit: "%%", min: 0, max: 100, decimals: 1, history: 24h}}
  grid: {title: Grid power, http: {upstream: plant, path: /grid}, show: {value: power, unit: W, decimals: 0, history: 24h}, alert: {if: .power > 1000, for: 1h}}
  harbour: {title: Harbour, http: {upstream: plant, path: /harbour}, show: {value: temp, unit: °C, decimals: 1}}
  inland: {title: Inland, http: {upstream: plant, path: /inland}, show: {value: temp, unit: °C, decimals: 1}}
  forecast:
    title: Forecast
    from: [harbour, inland]
    needs: any
    combine: '{temperature: (.harbour.value.temp * 10 | round / 10), rain_mm: 0.4, agreed: true, services: ["harbour", "inland"]}'
  queue: {title: Print queue, http: {upstream: plant, path: /queue}, show: {unit: pages}}
  orders: {title: Orders backlog, http: {upstream: orders, path: /orders}, backoff: {min: 20s, max: 1m}}
  release: {title: Release, exec: [echo, 2026.11-hotfix], every: 1h}
jobs:
  discover:
    title: Discover devices
    exec: %s
    args:
      subnet: {type: cidr, title: Subnet, default: 10.0.4.0/24}
      wait: {type: int, title: Wait for each device (ms), default: 300, min: 50, max: 5000}
      mode: {type: enum, title: Mode, values: [fast, thorough], default: fast}
      log: {type: bool, title: Log every address, default: false}
  backup: {title: Back up the plant database, exec: %s, at: {cron: "0 3 * * *"}}
  reindex: {title: Reindex, exec: %s}
`, server.URL, gone.url, s.Argv("{subnet}", "{wait}", "{mode}", "{log}"), s.Argv(), s.Argv()), func() { broken.Store(true) }
}

// lived opens a page and makes it look as after some minutes of use.
func lived(t *testing.T, v view) *page {
	s := scripttest.New(t)
	yaml, goStale := plant(t, s)
	p := open(t, serve(t, yaml).url, v)
	// Until every source has its first value, cards grow and what is below them moves.
	p.await(`document.querySelectorAll("#job-list > li").length === 3 && !document.querySelector("[data-state=pending]")`)

	p.click("[data-name=backup] button.run")
	work := s.Begun()
	work.Print(`::result {"file": "plant-2026-11-21.dump", "bytes": 184320512, "verified": true}`)
	work.Print("verified, 184 MB written")
	work.Exit(0)
	p.await(`card("backup").dataset.state === "succeeded"`)
	p.click("[data-name=reindex] button.run")
	work = s.Begun()
	work.Print("::progress 60 segment 36 of 60")
	work.Print("cannot write segments_5: no space left on device")
	p.await(`text("reindex", ".percent") === "60 %"`)
	work.Exit(3)
	p.await(`card("reindex").dataset.state === "failed"`)
	p.click("[data-name=discover] button.run")
	p.await(`dialog()`)
	p.click(submit)
	work = s.Begun()
	work.Print("::progress 37 10.0.4.94 · 12 found")
	p.await(`text("discover", ".percent") === "37 %"`)

	p.await(`["tank", "grid", "harbour", "queue"].every((n) => card(n).querySelector(".line").getAttribute("d")?.split("L").length > 60)`)
	goStale()
	p.await(`card("inland").dataset.state === "stale" && card("orders").dataset.state === "failing" && card("release").dataset.state === "ok"`)
	return p
}

// The page is taken to pictures in both colour schemes and on small screens, with
// every state on it, and must be readable in each.
func TestLook(t *testing.T) {
	for name, v := range map[string]view{
		"page":        {scheme: "dark", height: 1042, width: 1280},
		"page-light":  {scheme: "light", height: 1042, width: 1280},
		"page-mobile": {scheme: "dark", width: 390, height: 844, scale: 2},
		"page-320":    {scheme: "light", width: 320, height: 640},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := lived(t, v)
			p.fits()
			p.readable()
			p.usable()
			images := t.ArtifactDir()
			if os.Getenv("UPDATE_SCREENSHOTS") != "" && name != "page-320" {
				images = filepath.Join("..", "docs", "images")
			}
			eval[bool](p, `(scrollTo(0, 0), true)`)
			p.save(filepath.Join(images, name+".png"))

			p.click("[data-name=discover] button.cancel")
			p.await(`card("discover").dataset.state === "cancelled"`)
			p.click(`[data-name=discover] button.run`)
			p.await(`dialog()`)
			p.fill("dialog [name=wait]", "9")
			p.click(submit)
			p.await(`dialog().querySelector("[aria-invalid=true]")`)
			p.fits()
			p.readable()
			p.usable()
			p.save(filepath.Join(t.ArtifactDir(), name+"-form.png"))
		})
	}
}

// On a bad day everything is there at once: alerts, values of any size, and then no server any more.
func TestLookOnABadDay(t *testing.T) {
	for name, v := range map[string]view{
		"wide":        {scheme: "light", width: 1440, height: 1100},
		"wide-dark":   {scheme: "dark", width: 1440, height: 1100},
		"narrow":      {scheme: "dark", width: 390, height: 844, scale: 2},
		"narrow-last": {scheme: "light", width: 320, height: 640},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			long := strings.Repeat("disk quota exceeded on /var/lib/plant while writing segment ", 4000)
			plant, gone := newUpstream(t, `{"level": 97.3, "serial": 18446744073709551615, "huge": 1e308, "log": "`+long+`",
				"all": {"level": 12.5, "last_error": "`+long+`", "devices": [{"address": "10.0.4.7", "uptime_ms": 9007199254740993}, {"address": "fe80::1", "uptime_ms": 12}]}}`), newUpstream(t, `1`)
			g := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}, gone: {http: %q}}
defaults: {every: 50ms, stale_after: 20s, backoff: {min: 20ms, max: 50ms}}
sources:
  tank: {title: Tank T-101, http: {upstream: plant, path: /}, pick: '{level, pump: true}', show: {value: level, unit: "%%", min: 0, max: 100}, alert: {if: .level > 90}}
  slow: {title: Overflow basin behind the second pumping station, http: {upstream: plant, path: /}, pick: .level, show: {unit: "%%"}, alert: {if: . > 90, for: 1h}}
  serial: {title: Serial number, http: {upstream: plant, path: /}, pick: .serial, stale_after: 10h}
  huge: {title: Huge, http: {upstream: plant, path: /}, pick: .huge, show: {unit: %q}}
  log: {title: Last line of the log, http: {upstream: plant, path: /}, pick: .log, stale_after: 10h}
  all: {title: Everything, http: {upstream: plant, path: /}, pick: .all, stale_after: 10h, show: {value: level}}
  mains: {title: Mains, http: {upstream: gone, path: /}, alert: {if: . < 5}}
  sum: {title: Both together, from: [tank, mains], combine: .tank.value.level + .mains.value}
jobs:
  tidy: {exec: [sh, -c, 'echo "::progress 40 %s"; exit 3']}
`, plant.url, gone.url, "litres per "+strings.Repeat("fortnight", 10), strings.Repeat("nothing to see ", 300)))
			v.before = hurried
			p := open(t, g.url, v)
			p.expect("net::ERR_")
			p.await(`text("sum", ".figure") === "98.3" && text("mains", ".state").trim() === "alert"`)
			p.await(`["serial", "huge", "log", "all"].every((name) => card(name).dataset.state === "ok")`)
			gone.kill()
			p.await(`card("sum").dataset.state === "stale" && text("tank", ".state").trim() === "alert" && text("slow", ".alert").includes("pending")`)
			p.click("[data-name=tidy] button.run")
			p.await(`card("tidy").dataset.state === "failed"`)
			p.fits()
			p.readable()
			p.usable()
			eval[bool](p, `(document.activeElement.blur(), scrollTo(0, 0), true)`)
			p.save(filepath.Join(t.ArtifactDir(), name+".png"))

			g.stop()
			p.await(`connection() === "reconnecting"`)
			eval[bool](p, `hurry(90_000)`)
			p.await(`card("huge").dataset.state === "stale" && card("tank").dataset.state === "stale" && card("serial").dataset.state === "ok"`)
			p.fits()
			p.readable()
			p.usable()
			p.save(filepath.Join(t.ArtifactDir(), name+"-lost.png"))
		})
	}
}

// usable checks that every control has a name, which contains what is seen of it (WCAG 2.2, 2.5.3), that regions can be told
// apart by theirs, that the buttons of cards and forms are large enough to be touched (WCAG 2.2,
// 2.5.5), and that no two elements have the same id.
func (p *page) usable() {
	p.t.Helper()
	for _, bad := range eval[[]string](p, `(() => {
		const seen = (selector) => [...document.querySelectorAll(selector)].filter((n) => n.checkVisibility());
		const says = (n) => n.ariaLabel || n.innerText?.trim() || [...(n.labels ?? [])].some((label) => label.textContent.trim());
		const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
		return [
			...seen("button, a, input, select, summary, progress").filter((n) => !says(n)).map((n) => "no name: " + n.outerHTML.slice(0, 100)),
			...seen("[aria-label]").filter((n) => n.matches("button, a") && !n.ariaLabel.includes(n.innerText.trim())).map((n) => "says other than it shows: " + n.outerHTML.slice(0, 100)),
			...seen("[role=region]").map((n) => n.ariaLabel).filter((name, i, all) => name === "Table" || all.indexOf(name) !== i).map((name) => "a region by the name of another: " + name),
			...seen(".card button, dialog button, dialog input[type=text], dialog select")
				.filter((n) => n.getBoundingClientRect().height < 44).map((n) => "too small: " + n.outerHTML.slice(0, 100)),
			...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => "twice: #" + id),
		];
	})()`) {
		p.t.Error(bad)
	}
}

// readable checks that every visible text has a contrast of at least 4.5 to what is
// behind it (WCAG 2.2, 1.4.3).
func (p *page) readable() {
	p.t.Helper()
	for _, poor := range eval[[]string](p, `(() => {
		const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
		const rgba = (color) => {
			context.clearRect(0, 0, 1, 1);
			context.fillStyle = color;
			context.fillRect(0, 0, 1, 1);
			const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
			return [r, g, b, a / 255];
		};
		const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
		const behind = (node) => {
			if (!node) return [255, 255, 255, 1];
			const own = rgba(getComputedStyle(node).backgroundColor);
			return own[3] === 1 ? own : over(own, behind(node.localName === "dialog" ? null : node.parentElement));
		};
		const light = (color) => color.slice(0, 3).map((c) => c / 255)
			.map((c) => (c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4))
			.reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
		const poor = [];
		const texts = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
		while (texts.nextNode()) {
			const node = texts.currentNode.parentElement;
			if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(".sr, noscript")) continue;
			const ground = behind(node);
			const pair = [light(over(rgba(getComputedStyle(node).color), ground)), light(ground)].sort((a, b) => b - a);
			const contrast = (pair[0] + .05) / (pair[1] + .05);
			if (contrast < 4.5) poor.push(contrast.toFixed(2) + " " + node.outerHTML.slice(0, 80));
		}
		return poor;
	})()`) {
		p.t.Errorf("too little contrast: %s", poor)
	}
}
