package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// audit is a configuration with a job that has an argument of each kind of field, and one without arguments.
func audit(s *scripttest.Script) string {
	return `
jobs:
  audit:
    title: Audit the network
    on_busy: reject
    exec: ` + s.Argv("{subnet}", "{wait}", "{mode}", "{all}", "{pin}") + `
    args:
      subnet: {type: cidr, title: Subnet, default: 10.0.4.0/24}
      wait: {type: int, title: Wait (ms), default: 300, min: 50, max: 5000}
      mode: {type: enum, values: [fast, thorough], default: fast}
      all: {type: bool, title: All of it, default: true}
      pin: {type: string, title: PIN, secret: true}
  report:
    title: Nightly report
    at: "0 3 * * *"
    exec: ` + s.Argv("report") + `
`
}

// goes waits until the condition holds on a page that this one leads to.
func (p *page) goes(condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`holds(() => (`+condition+`))`, awaitPromise))
		switch {
		case err == nil:
			return
		case ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "holds is not defined"):
			p.fail("waiting for %s: %v", condition, err)
		}
	}
}

// Somebody opens a job from the list, starts it with arguments, is told at its field what is wrong with one, and is led to the run, which
// is followed to its end. From there the same is started again.
func TestAJobIsStartedWatchedAndStartedAgain(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, audit(s))
	p := open(t, g.url+"jobs", view{})
	p.expect(`status of 422`)
	p.await(`document.querySelector(".connection").dataset.state === "live"`)
	p.click(`[data-key="job/audit"] .title`)
	p.goes(`location.pathname === "/jobs/audit"`)
	p.click(".head a[data-dialog]")
	p.await(`dialog() && document.activeElement.name === "arg.subnet"`)
	p.fill(`dialog [name="arg.wait"]`, "9")
	p.fill(`dialog [name="arg.pin"]`, "12345678")
	eval[bool](p, `dialog().querySelector("select").value = "thorough", true`)
	p.click(`dialog [name="arg.all"]`)
	p.click("dialog button.primary")
	p.await(`document.activeElement.name === "arg.wait" && document.activeElement.ariaInvalid === "true" &&
		dialog().querySelector('[data-problem="arg.wait"]').textContent.includes("at least 50")`)
	p.readable()
	p.accessible("the form of a job")
	p.fill(`dialog [name="arg.wait"]`, "70")
	p.press(kb.Enter)
	work := s.Begun()
	if got, want := work.Args, `["10.0.4.0/24" "70" "thorough" "false" "12345678"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head").dataset.state === "running"`)
	first := eval[string](p, `location.pathname`)

	for i := range 3 {
		work.Print(fmt.Sprintf("host %d", i+1))
	}
	work.Print("::stage Scan")
	work.Print("::progress 40 2 of 5")
	p.await(`[...document.querySelectorAll(".log li span")].map((n) => n.textContent).join() === "host 1,host 2,host 3"`)
	p.await(`document.querySelector(".head progress").value === 40 && document.querySelector(".stages").textContent.includes("Scan")`)
	if got := eval[string](p, `document.querySelector(".log li:nth-child(2)").id + document.querySelector(".log li:nth-child(2) time").textContent.replace(/\d/g, "0")`); got != "L200:00:00" {
		t.Errorf("the second line has the number and the time %q", got)
	}
	work.Exit(3)
	p.await(`document.querySelector(".head").dataset.state === "failing" && document.querySelector(".head b").textContent === "Exit status 3"`)
	p.await(`document.getElementById("announcer").textContent.endsWith(": failed")`)
	p.await(`document.querySelector(".log-status").textContent === "The end" && !document.querySelector(".head progress")`)
	p.accessible("a run that failed")
	if text := eval[string](p, `document.body.innerText`); strings.Contains(text, "12345678") {
		t.Error("the page shows a secret argument")
	}

	p.click(".head a[data-dialog]")
	p.await(`dialog()`)
	got := eval[string](p, `[...dialog().querySelectorAll("input:not([type=hidden]), select")].map((n) => n.type === "checkbox" ? n.checked : n.value).join(" ")`)
	if want := "10.0.4.0/24 70 thorough false "; got != want {
		t.Errorf("the form of the next run has %q, want %q", got, want)
	}
	p.fill(`dialog [name="arg.pin"]`, "87654321")
	p.press(kb.Enter)
	again := s.Begun()
	p.goes(fmt.Sprintf(`location.pathname.startsWith("/runs/") && location.pathname !== %q && document.querySelector(".facts a")?.getAttribute("href").endsWith(%q)`,
		first, strings.TrimPrefix(first, "/")))
	p.click(".head .acts button") // Cancel
	again.Ended()
	p.await(`document.querySelector(".head").dataset.state === "cancelled"`)
}

// A job that is started in the list of jobs is followed there.
func TestAJobIsStartedInTheList(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, audit(s)).url+"jobs", view{width: 390, height: 844})
	p.await(`document.querySelector(".connection").dataset.state === "live"`)
	p.click(`[data-key="job/report"] .act button`)
	work := s.Begun()
	work.Print("::progress 40 halfway")
	p.await(`document.querySelector('[data-key="job/report"] progress').value === 40 && document.querySelector('[data-key="job/report"]').innerText.includes("halfway")`)
	p.accessible("a job in progress")
	p.click(`[data-key="job/report"] .act button`) // Cancel
	work.Ended()
	p.await(`document.querySelector('[data-key="job/report"]').dataset.state === "cancelled" && document.querySelectorAll('[data-key="job/report"] rect').length === 1`)
}

// A start that is refused says why, and where the run is that is in the way. It can wait for the end of that, or cancel it.
func TestAStartWaitsForTheRunInTheWay(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, audit(s))
	for _, way := range []string{"Run when it has ended", "Cancel it and run"} {
		p := open(t, g.url+"jobs/audit", view{width: 390, height: 844})
		p.expect(`status of 409`)
		p.click(".head a[data-dialog]")
		p.await(`dialog()`)
		p.fill(`dialog [name="arg.pin"]`, "12345678")
		other := p.tab(g.url+"jobs/audit/run", view{})
		other.fill(`[name="arg.pin"]`, "12345678")
		other.press(kb.Enter)
		work := s.Begun()
		other.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".log-status")`)
		other.close()
		p.click("dialog button.primary")
		p.await(`dialog().querySelector("[role=alert] a").href.includes("/runs/")`)
		p.accessible("a job that is busy")
		p.readable()
		eval[bool](p, fmt.Sprintf(`[...dialog().querySelectorAll("[role=alert] button")].find((n) => n.textContent === %q).click(), true`, way))
		if strings.HasPrefix(way, "Run") {
			p.await(`dialog().querySelector("[role=alert]").textContent.startsWith("Starts when")`)
			work.Exit(0)
		} else {
			work.Ended()
		}
		s.Begun().Exit(0)
		p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head").dataset.state === "ok"`)
	}
}

// Of a run that prints very much the document has a part. What is searched for is found, a line has an address, and the end is a press
// away.
func TestTheLogOfARunThatPrintsVeryMuch(t *testing.T) {
	g := serve(t, `
jobs:
  much:
    exec: [sh, -c, 'seq -f "line %.0f of it" 100000; head -c 1000000 /dev/zero | tr "\0" x; echo; echo "<b>the last</b>"']
`)
	p := open(t, g.url+"jobs/much", view{})
	p.click(".head .acts button")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".log-status")?.textContent === "The end"`)
	p.await(`document.querySelector(".log li:last-child span").textContent === "<b>the last</b>" && document.querySelector(".log .more")`)
	p.await(`document.querySelectorAll(".log li").length > 20`) // what was before is read, as the server has drawn little
	const nodes = `document.querySelectorAll("*").length`
	if n := eval[int](p, nodes); n > 4000 {
		t.Errorf("the document has %d nodes, want at most 4,000", n)
	}
	p.fill(".log-tools input", "line 4242 of")
	p.await(`document.querySelector(".log .hit mark")?.textContent === "line 4242 of" && document.querySelector(".log-hits").textContent === "1 of 1"`)
	if top := eval[float64](p, `((box, log) => box.top - log.top)(document.querySelector(".hit").getBoundingClientRect(), document.querySelector(".log").getBoundingClientRect())`); top < 0 || top > 600 {
		t.Errorf("the line that was found is at %v of the log, want it in view", top)
	}
	p.accessible("a log that is searched")
	p.click(".log .hit a")
	p.goes(`location.hash === "#L4242" && document.querySelector(".log .target").id === "L4242"`)
	p.click(".log-end")
	p.await(`document.querySelector(".log li:last-child span").textContent === "<b>the last</b>" && document.querySelector(".log-end").hidden`)
	if n := eval[int](p, nodes); n > 4000 {
		t.Errorf("after all of that the document has %d nodes, want at most 4,000", n)
	}
	address := eval[string](p, `location.href`)
	q := open(t, address, view{}) // somebody who was sent the address
	q.await(`document.querySelector(".log .target")?.id === "L4242"`)
}

// A log that somebody reads further up stays where it is, and says how much has come.
func TestALogHoldsStillWhileItIsRead(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, audit(s))
	p := open(t, g.url+"jobs/report", view{})
	p.click(".head .acts button")
	work := s.Begun()
	for i := range 100 {
		work.Print(fmt.Sprintf("line %d", i+1))
	}
	p.await(`document.querySelectorAll(".log li").length === 100`)
	p.await(`document.querySelector(".log-status").textContent === "Following"`)
	eval[bool](p, `document.querySelector(".log").scrollTop = 300, true`)
	p.await(`document.querySelector(".log-status").textContent === "Paused"`)
	at := eval[float64](p, `document.querySelector(".log").scrollTop`)
	work.Print("one more")
	p.await(`document.querySelector(".log-end").textContent === "1 new line" && document.querySelector(".log-end").checkVisibility()`)
	if now := eval[float64](p, `document.querySelector(".log").scrollTop`); now != at {
		t.Errorf("the log has moved from %v to %v", at, now)
	}
	p.click(".log-follow")
	p.await(`document.querySelector(".log-status").textContent === "Following" &&
		document.querySelector(".log").scrollTop + document.querySelector(".log").clientHeight > document.querySelector(".log").scrollHeight - 2`)
	work.Exit(0)
	p.await(`document.querySelector(".log-status").textContent === "The end"`)
}

// A run whose gateway is gone is said to be lost, and what it has printed can still be read.
func TestARunIsLostWithItsGateway(t *testing.T) {
	s := scripttest.New(t)
	g := &server{t: t, file: t.TempDir() + "/tidewire.yaml"}
	g.write(audit(s))
	addr, _, kill := spawn(t, g.file, "127.0.0.1:0")
	p := open(t, "http://"+addr+"/jobs/report", view{scheme: "light"})
	p.expect(`ERR_|Failed to fetch|status of (404|503)`)
	p.click(".head .acts button")
	work := s.Begun()
	work.Print("the last thing it said")
	p.goes(`document.querySelector(".log li span")?.textContent === "the last thing it said"`)
	kill()
	p.await(`document.querySelector(".band")?.innerText.includes("No connection since")`)
	spawn(t, g.file, addr)
	p.await(`document.querySelector(".head").dataset.state === "lost" && !document.querySelector(".band")`)
	p.await(`document.querySelector(".log-status").textContent === "The output is not kept any more."`)
	if got := eval[string](p, `document.querySelector(".log").innerText`); !strings.Contains(got, "the last thing it said") {
		t.Errorf("the log shows %q", got)
	}
	p.accessible("a run that was lost")
}

// The page of a job lists its runs, also those that did not succeed alone, and follows the newest one. Jobs that failed can be listed
// alone.
func TestThePageOfAJobHasItsRuns(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, audit(s))
	p := open(t, g.url+"jobs/report", view{width: 390, height: 844, scheme: "light"})
	p.await(`document.querySelector(".head .state").textContent === "never ran"`)
	for i, code := range []int{0, 2, 0} {
		q := p.tab(g.url+"jobs/report", view{})
		q.click(".head .acts button")
		s.Begun().Exit(code)
		q.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".log-status")?.textContent === "It printed nothing"`)
		q.close()
		p.await(fmt.Sprintf(`document.querySelectorAll("[data-part=runs] tbody tr").length === %d && document.querySelector(".head").dataset.state === %q`,
			i+1, map[int]string{0: "ok", 2: "failing"}[code]))
	}
	p.await(`document.querySelectorAll(".head .strip rect").length === 3`)
	p.accessible("a job")
	p.click(".row-head .choice a:last-child")
	p.goes(`location.search === "?status=failed" && document.querySelectorAll("[data-part=runs] tbody tr").length === 1`)
	p.click("[data-part=runs] tbody a")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head b").textContent === "Exit status 2"`)
	q := p.tab(g.url+"jobs?show=failed", view{})
	q.await(`document.getElementById("no-jobs").checkVisibility()`)
}
