package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// scan is a configuration with a job that takes arguments, and one that takes none.
func scan(s *scripttest.Script) string {
	return `
jobs:
  scan:
    title: Scan the network
    exec: ` + s.Argv("--subnet", "{subnet}", "--wait={wait}") + `
    args:
      subnet: {type: cidr, title: Subnet, default: 10.0.4.0/24}
      wait: {type: int, title: Wait (ms), default: 300, min: 50, max: 5000}
    progress: '(?P<percent>\d+)% (?P<message>.*)'
  report:
    title: Nightly report
    exec: ` + s.Argv("report") + `
`
}

const (
	submitStart = "dialog button.primary"
	startScan   = ".job[data-key='job/scan'] button"
	startReport = ".job[data-key='job/report'] button"
)

// wide is a window in which the overview has its jobs beside the sources.
var wide = view{width: 1440, height: 900}

func TestARunStartedByAClickMovesToItsEnd(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	p := open(t, g.url, wide)
	p.await(`connection() === "live" && text("scan", ".state") === "never ran"`)
	eval[bool](p, `(window.seen = [], new MutationObserver(() => seen.push(card("scan").querySelector("progress").value))
		.observe(card("scan").querySelector("progress"), { attributes: true, attributeFilter: ["value"] }), true)`)
	p.click(startScan)
	p.await(`dialog()`)
	p.click(submitStart)
	work := s.Begun()
	p.await(`card("scan").dataset.state === "running" && !dialog()`)
	if got, want := work.Args, `["--subnet" "10.0.4.0/24" "--wait=300"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	if !eval[bool](p, `card("scan").querySelector("progress").matches(":indeterminate")`) {
		t.Error("the bar shows a position before the job said one, want it indeterminate")
	}
	q := open(t, g.url+"runs/"+g.lastRun("scan"), view{})
	for _, percent := range []int{7, 30, 31, 88} {
		work.Print(fmt.Sprintf("%d%% %d found", percent, percent/10))
		p.await(fmt.Sprintf(`card("scan").querySelector("progress").value === %d && text("scan", ".line") === "%d found"`, percent, percent/10))
	}
	q.await(`document.querySelector(".head progress").value === 88 && document.querySelector(".head .why").innerText.startsWith("8 found")`)
	work.Print(`::result {"scanned": 254, "devices": [{"address": "10.0.4.7", "model": "Valve V9"}]}`)
	work.Exit(0)
	p.await(`card("scan").dataset.state === "ok" && text("scan", ".state") === "succeeded" && text("scan", ".act button span") === "Run"`)
	p.await(`card("scan").querySelectorAll(".strip rect").length === 1 && text("scan", ".when").includes("took")`)
	if got, want := eval[[]float64](p, `seen`), []float64{7, 30, 31, 88, 0}; !slices.Equal(got, want) {
		t.Errorf("the bar moved over %v, want %v", got, want)
	}
	q.await(`document.querySelector(".head").dataset.state === "ok" && !document.querySelector(".head progress")`)
	q.await(`JSON.parse(document.querySelector("pre[aria-label=Result]").textContent).devices[0].model === "Valve V9"`)
	q.await(`[...document.querySelectorAll(".log li span")].at(-1).textContent === "88% 8 found"`)
}

// That a run failed is said in its row and in what needs attention, from where it is run again as it was.
func TestAFailedRunSaysWhy(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	p := open(t, g.url, wide)
	p.await(`connection() === "live"`)
	p.click(startScan)
	p.await(`dialog()`)
	p.fill("dialog [name='arg.wait']", "70")
	p.press(kb.Enter)
	work := s.Begun()
	work.Print("40% writing")
	p.await(`card("scan").querySelector("progress").value === 40`)
	work.Print("disk full")
	work.Exit(3)
	p.await(`card("scan").dataset.state === "failing" && text("scan", ".line") === "Exit status 3: disk full"`)
	const row = `document.querySelector(".attention [data-key='job/scan']")`
	p.await(row + `.querySelector(".why").innerText.trim() === "Exit status 3: disk full" && document.querySelector("h1").innerText.replace(/\s+/g, " ").includes("1 job failed")`)
	q := open(t, g.url+"runs/"+g.lastRun("scan"), view{})
	q.await(`document.querySelector(".head b").textContent === "Exit status 3" && document.querySelector(".head .why").innerText.includes("at: writing")`)
	q.await(`document.querySelector(".log").innerText.includes("disk full")`)

	p.click(".attention [data-key='job/scan'] button")
	again := s.Begun()
	if got, want := again.Args, `["--subnet" "10.0.4.0/24" "--wait=70"]`; got != want {
		t.Errorf("the job runs again with %s, want %s", got, want)
	}
	again.Exit(0)
	p.await(`card("scan").dataset.state === "ok" && !` + row)
}

func TestTwoBrowsersShareOneRun(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	pages := []*page{open(t, g.url, wide), open(t, g.url, wide)}
	// Both have the form open, so that neither is kept from starting by the other's run.
	for _, p := range pages {
		p.await(`connection() === "live"`)
		p.click(startScan)
		p.await(`dialog()`)
	}
	var clicks sync.WaitGroup
	for _, p := range pages {
		clicks.Go(func() { eval[bool](p, `(document.querySelector("`+submitStart+`").click(), true)`) })
	}
	clicks.Wait()
	work := s.Begun()
	for _, percent := range []int{20, 60} {
		work.Print(fmt.Sprintf("%d%% half way", percent))
		for _, p := range pages {
			p.await(fmt.Sprintf(`!dialog() && card("scan").querySelector("progress").value === %d`, percent))
		}
	}
	run := open(t, g.url+"runs/"+g.lastRun("scan"), view{})
	run.await(`document.querySelector(".facts dd").textContent === "somebody and 1 other"`)
	work.Exit(0)
	for _, p := range pages {
		p.await(`card("scan").dataset.state === "ok"`)
	}
	// The next run's process is the second one ever: nothing else was executed.
	pages[0].click(startReport)
	if got, want := s.Begun().Args, `["report"]`; got != want {
		t.Errorf("the process after the shared run has the arguments %s, want %s", got, want)
	}
}

// That it was cancelled is no error, and needs nobody's attention. The focus stays where it was.
func TestCancel(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	p := open(t, g.url, wide)
	p.await(`connection() === "live"`)
	p.click(startReport)
	work := s.Begun()
	p.await(`text("report", ".act button span") === "Cancel" && document.activeElement === card("report").querySelector(".act button")`)
	p.press(kb.Enter)
	work.Ended()
	p.await(`card("report").dataset.state === "cancelled" && text("report", ".act button span") === "Run"`)
	if got := p.text("report", ".line") + eval[string](p, `document.querySelector(".attention").innerText`); strings.TrimSpace(got) != "" {
		t.Errorf("of the cancelled run it is said %q, want nothing", got)
	}
	q := open(t, g.url+"runs/"+g.lastRun("report"), view{})
	if got, want := eval[string](q, `document.querySelector(".head .state").textContent + document.querySelectorAll(".head b").length`), "cancelled0"; got != want {
		t.Errorf("the page of the run says %q, want %q", got, want)
	}
	if !eval[bool](p, `document.activeElement === card("report").querySelector(".act button")`) {
		t.Error("the focus is lost")
	}
	p.press(kb.Enter)
	s.Begun().Exit(0)
	p.await(`card("report").dataset.state === "ok"`)
}

func TestMistakesStandAtTheirField(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, wide)
	p.expect(`status of 422`)
	wrong := func(name, says string) {
		t.Helper()
		p.await(fmt.Sprintf(`((n) => n.ariaInvalid === "true" && document.activeElement === n &&
			dialog().querySelector("[data-problem='" + n.name + "']").innerText.includes(%q))(dialog().querySelector("[name='arg.%s']"))`, says, name))
	}
	p.await(`connection() === "live"`)
	p.click(startScan)
	p.await(`dialog()`)
	for _, tt := range [][2]string{{"9", "at least 50"}, {"many", "number"}, {"5001", "at most 5000"}, {"99999999999999999999", "number"}} {
		p.fill("dialog [name='arg.wait']", tt[0])
		p.press(kb.Enter)
		wrong("wait", tt[1])
	}
	p.fill("dialog [name='arg.wait']", "60")
	p.fill("dialog [name='arg.subnet']", "nonsense")
	p.press(kb.Enter)
	wrong("subnet", "10.0.4.0/24")
	if !eval[bool](p, `((n) => !n.ariaInvalid && !dialog().querySelector("[data-problem='arg.wait']").checkVisibility())(dialog().querySelector("[name='arg.wait']"))`) {
		t.Error("wait is still marked, want only subnet to be")
	}
	p.fill("dialog [name='arg.subnet']", "10.9.0.0/30")
	p.press(kb.Enter)
	if got, want := s.Begun().Args, `["--subnet" "10.9.0.0/30" "--wait=60"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	p.await(`!dialog() && card("scan").dataset.state === "running"`)
}

func TestKeyboardAlone(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, wide)
	p.await(`connection() === "live" && card("scan")`)
	p.tabTo(`document.activeElement === card("scan").querySelector(".act button")`)
	p.press(kb.Enter)
	p.await(`dialog()`)
	p.tabTo(`document.activeElement.name === "arg.wait"`)
	p.press(kb.End + "0") // 300 -> 3000
	p.tabTo(`document.activeElement === dialog().querySelector("button.primary")`)
	p.press(kb.Enter)
	work := s.Begun()
	if got, want := work.Args, `["--subnet" "10.0.4.0/24" "--wait=3000"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	work.Print("20% begun")
	p.await(`!dialog() && card("scan").querySelector("progress").value === 20`)
	if !eval[bool](p, `document.activeElement === card("scan").querySelector(".act button")`) {
		t.Error("the focus is not on the button that opened the form")
	}
	p.tabTo(`document.activeElement === card("scan").querySelector(".title")`)
	p.press(kb.Enter)
	p.goes(`location.pathname === "/jobs/scan" && document.querySelector(".head").dataset.state === "running"`)
	p.tabTo(`document.activeElement.textContent === "Open the run"`)
	p.press(kb.Enter)
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".log li span")?.textContent === "20% begun"`)
	p.tabTo(`document.activeElement.textContent === "Cancel"`)
	p.press(kb.Enter)
	work.Ended()
	p.await(`document.querySelector(".head").dataset.state === "cancelled"`)
	p.await(`document.activeElement.textContent.startsWith("Run again")`) // in the place of Cancel
	p.press(kb.Enter)
	p.await(`dialog() && document.activeElement.name === "arg.subnet"`)
}

// lastRun is the newest run of a job.
func (s *server) lastRun(job string) string {
	s.t.Helper()
	var is struct {
		LastRun struct{ ID string } `json:"last_run"`
	}
	if err := json.Unmarshal([]byte(s.get("api/v1/jobs/"+job)), &is); err != nil {
		s.t.Fatal(err)
	}
	return is.LastRun.ID
}

// tabTo presses Tab until the condition holds, and sees to it that each place on
// the way shows that it has the focus.
func (p *page) tabTo(condition string) {
	p.t.Helper()
	for range 40 {
		if eval[bool](p, condition) {
			return
		}
		p.press(kb.Tab)
		if !eval[bool](p, `((n) => n === document.body || [n, n.parentElement].some((e) => getComputedStyle(e).outlineStyle !== "none"))(document.activeElement)`) {
			p.t.Errorf("%s does not show that it has the focus", eval[string](p, `document.activeElement.outerHTML.slice(0, 100)`))
		}
	}
	p.fail("40 times Tab do not lead to %s", condition)
}
