package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// unscripted lets a page be as it is without JavaScript: no script of the gateway is loaded any more. What the test itself
// evaluates still is.
func (p *page) unscripted() {
	p.t.Helper()
	p.expect("ERR_BLOCKED_BY_CLIENT")
	p.do(call(network.Enable, network.EnableParams{}), call(network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*/*.js*", Block: true}}}))
}

// A file goes with the form, with JavaScript and without it, and what the run has left is downloaded under its name. A file that
// is not accepted is said at its field.
func TestAFileIsUploadedAndAResultDownloaded(t *testing.T) {
	dir := t.TempDir()
	table, text := filepath.Join(dir, "shift 7 ä.csv"), filepath.Join(dir, "notes.txt")
	for file, content := range map[string]string{table: "a;b\n1;2\n", text: "not a table"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(dir, "yield")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncp \"$1\" \"$2/yield of the shift.csv\"\ncat \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := serve(t, fmt.Sprintf(`
jobs:
  yield:
    title: Yield of a shift
    exec: [%q, "{table}", "{run_dir}"]
    args: {table: {type: file, title: Table, accept: [.csv, text/csv], max_size: 1kB}}
    results: ["*.csv"]
`, script))
	for _, scripted := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripted=%t", scripted), func(t *testing.T) {
			p := open(t, g.url, wide)
			p.expect("status of 422")
			if scripted {
				p.await(`connection() === "live"`)
				p.click(startOf("yield"))
				p.await(`dialog()`)
			} else {
				p.unscripted()
				p.goTo(g.url + "jobs/yield/run")
			}
			const input = `input[name="arg.table"]`
			p.do(chromedp.SetUploadFiles(chromedp.CSS(input), []string{text}))
			p.click(`.buttons .primary`)
			p.goes(`document.querySelector("[data-problem='arg.table']")?.checkVisibility() && document.querySelector("[data-problem='arg.table']").innerText.includes(".csv")`)
			p.readable()
			p.do(chromedp.SetUploadFiles(chromedp.CSS(input), []string{table}))
			p.click(`.buttons .primary`)
			if scripted {
				p.await(`!dialog() && card("yield").dataset.state === "ok"`)
				p.goTo(g.url + "runs/" + g.lastRun("yield"))
			} else {
				p.goes(`location.pathname.startsWith("/runs/")`)
				g.until("jobs/yield", `"status":"succeeded"`)
				p.goTo(g.url + "runs/" + g.lastRun("yield"))
			}
			p.goes(`[...document.querySelectorAll(".side a[download]")].map((n) => n.textContent).join("|") === "yield of the shift.csv|shift 7 ä.csv"`)
			p.await(`document.querySelector(".log").innerText.includes("1;2")`)
			got := p.download(`.side a[download]`)
			if data, err := os.ReadFile(got); err != nil || string(data) != "a;b\n1;2\n" || filepath.Base(got) != "yield of the shift.csv" {
				t.Errorf("what is downloaded is %s: %q, %v", got, data, err)
			}
		})
	}
}

// download presses a link and returns the file that it has become.
func (p *page) download(selector string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	name, done := "", make(chan string, 1)
	err := chromedp.Listen(p.ctx, func(event any) {
		switch e := event.(type) {
		case *cdpbrowser.EventDownloadWillBegin:
			name = e.SuggestedFilename
		case *cdpbrowser.EventDownloadProgress:
			if e.State == cdpbrowser.DownloadProgressStateCompleted {
				done <- filepath.Join(dir, name)
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(call(cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID, DownloadPath: dir, EventsEnabled: new(true),
	}))
	p.click(selector)
	select {
	case file := <-done:
		return file
	case <-time.After(patience):
		p.fail("the download of %s does not end", selector)
		return ""
	}
}

// Runs side by side are counted in the list, and named on the page of the job; when the one that it shows has ended, it shows
// the next.
func TestRunsSideBySide(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, "jobs: {reboot: {title: Restart a device, exec: "+s.Argv("{host}")+", args: {host: {type: host}}, parallel_by: host}}")
	p, q := open(t, g.url, wide), open(t, g.url+"jobs/reboot", view{width: 1440, height: 900})
	p.await(`connection() === "live"`)
	var works []*scripttest.Process
	for _, host := range []string{"a", "b", "c"} {
		p.click(`.job[data-key="job/reboot"] ` + map[bool]string{true: ".act button", false: ".title"}[host == "a"])
		if host == "a" {
			p.await(`dialog()`)
		} else {
			p.goes(`location.pathname === "/jobs/reboot"`)
			p.click(`.head a[data-dialog]`)
			p.await(`dialog()`)
		}
		p.fill(`dialog [name="arg.host"]`, host)
		p.click(submitStart)
		works = append(works, s.Begun())
		p.goTo(g.url)
		p.await(`connection() === "live" && card("reboot").dataset.state === "running"`)
	}
	p.await(`card("reboot").innerText.includes(", and 2 others")`)
	const beside = `[...document.querySelectorAll(".side .queue li > span")].map((n) => n.innerText).join("; ")`
	q.await(beside + ` === "Host b; Host c" && document.querySelector(".head").dataset.state === "running"`)
	works[1].Exit(0) // one that is beside
	q.await(beside + ` === "Host c"`)
	p.await(`card("reboot").innerText.includes(", and 1 other") && !card("reboot").innerText.includes("others") && card("reboot").querySelectorAll(".strip rect").length === 2`) // it and the one that goes on
	works[0].Exit(0)                                                                                                                                                             // the one that is shown
	q.await(`!document.querySelector(".side .queue") && document.querySelector(".head").dataset.state === "running"`)
	p.await(`card("reboot").dataset.state === "running" && !card("reboot").innerText.includes("other")`)
	q.click(`.head .acts form button`) // cancels what is shown
	works[2].Ended()
	q.await(`document.querySelector(".head").dataset.state === "cancelled"`)
	p.await(`card("reboot").dataset.state === "cancelled"`)
	q.await(`document.querySelectorAll("[data-part=runs] tbody tr").length === 3`)
}

// What can be chosen is what the source gives when the form is opened, and a choice that has gone meanwhile is refused at its
// field.
func TestChoicesChange(t *testing.T) {
	s := scripttest.New(t)
	plant := newUpstream(t, `["a", "b"]`)
	g := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources: {devices: {http: {upstream: plant, path: /}, every: 50ms, backoff: {min: 20ms, max: 50ms}}}
jobs: {inspect: {title: Inspect, exec: %s, args: {id: {type: enum, title: Device, values: {from: devices, jq: '.[]'}}}}}
`, plant.url, s.Argv("{id}")))
	g.until("sources/devices", `"state":"ok"`)
	p := open(t, g.url+"jobs/inspect", view{})
	p.expect("status of 422")
	const options = `[...document.querySelectorAll("dialog option")].map((n) => n.textContent).join()`
	p.click(".head a[data-dialog]")
	p.await(options + ` === "Choose …,a,b"`)
	p.readable()
	plant.say(`["b", "c"]`)
	g.until("sources/devices", `["b","c"]`)
	eval[bool](p, `(document.querySelector("dialog select").value = "a", true)`)
	p.click(submitStart)
	p.await(`document.querySelector("dialog [data-problem='arg.id']").checkVisibility()`)
	p.click("dialog [data-close]")
	p.await(`!dialog()`)
	p.click(".head a[data-dialog]")
	p.await(options + ` === "Choose …,b,c"`)
	eval[bool](p, `(document.querySelector("dialog select").value = "c", true)`)
	p.click(submitStart)
	work := s.Begun()
	if got, want := work.Args, `["c"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	work.Exit(0)
	plant.kill() // the last choices count, and the form says that they are old
	g.until("sources/devices", `"state":"stale"`)
	p.goTo(g.url + "jobs/inspect/run")
	p.await(`document.querySelector("[id='hint.id']")?.innerText.includes("devices")`)
}

// Sources that come and go with the rows of an answer come and go on an open page, where it stands: nothing is loaded anew.
func TestRowsComeAndGo(t *testing.T) {
	rows := func(ids ...int) string {
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"id": "b%d", "label": "Boiler %[1]d", "temp": %d}`, id, 20+id))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	some := func(from, to int) (ids []int) {
		for i := from; i <= to; i++ {
			ids = append(ids, i)
		}
		return ids
	}
	plant := newUpstream(t, rows(1, 2))
	g := serve(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  boiler: {title: Boilers, section: Cellar, http: {upstream: plant, path: /}, every: 50ms, split: {each: '.[]', name: .id, title: .label, forget: 1s}, pick: {temp: .temp}, show: {value: temp, unit: °C}}
`, plant.url))
	p, q := open(t, g.url, view{width: 1440, height: 3000}), open(t, g.url+"sources/boiler", view{}) // cards out of sight are not drawn
	const cards = `[...document.querySelectorAll("[data-key^='source/boiler/']")].filter((n) => !n.closest(".attention")).length`
	const listed = `document.querySelectorAll("[data-part=rows] li").length`
	p.await(`connection() === "live" && ` + cards + ` === 2`)
	eval[bool](p, `(window.mine = document.querySelector("[data-key='source/boiler/b1']"), window.said = [],
		new MutationObserver(([{ target }]) => said.push(target.textContent)).observe(document.getElementById("announcer"), { childList: true }), true)`)
	q.await(listed + ` === 2`)
	plant.say(rows(some(1, 22)...))
	p.await(cards + ` === 22 && document.querySelector("[data-key='source/boiler/b22'] .value b")?.textContent === "42"`)
	q.await(listed + ` === 22`)
	plant.say(rows(some(1, 2)...))
	p.await(cards + ` === 2`)
	q.await(listed + ` === 2`)
	p.await(`window.mine.isConnected && mine.querySelector(".value b").textContent === "21" && !document.querySelector(".attention [data-key]")`)
	if said := eval[string](p, `said.join("; ")`); strings.Contains(said, "restarted") {
		t.Errorf("people are told: %s", said)
	}
	r := open(t, g.url+"sources/boiler%2Fb2", view{})
	r.await(`document.querySelector(".head .value b")?.textContent === "22" && document.querySelector("[data-part=row-of] a").textContent === "Boilers"`)
	r.expect("status of 404")
	plant.say(rows(1))
	r.goes(`document.title.includes("no source") || document.body.innerText.includes("no source")`)
}
