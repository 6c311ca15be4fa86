package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
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
	runScan   = "[data-name=scan] button.run"
	runReport = "[data-name=report] button.run"
	submit    = "dialog button.run"

	startScan   = ".job[data-key='job/scan'] button"
	startReport = ".job[data-key='job/report'] button"
)

func TestARunStartedByAClickMovesToItsEnd(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.await(`text("scan", ".state").trim() === "not run yet"`)
	eval[bool](p, `(window.seen = [], new MutationObserver(() => seen.push(card("scan").querySelector("progress").value))
		.observe(card("scan").querySelector("progress"), { attributes: true, attributeFilter: ["value"] }), true)`)
	p.click(runScan)
	p.await(`dialog()`)
	p.click(submit)
	work := s.Begun()
	p.await(`card("scan").dataset.state === "running" && !dialog()`)
	if got, want := work.Args, `["--subnet" "10.0.4.0/24" "--wait=300"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	if !eval[bool](p, `card("scan").querySelector("progress").matches(":indeterminate")`) {
		t.Error("the bar shows a position before the job said one, want it indeterminate")
	}
	for _, percent := range []int{7, 30, 31, 88} {
		work.Print(fmt.Sprintf("%d%% %d found", percent, percent/10))
		p.await(fmt.Sprintf(`card("scan").querySelector("progress").value === %d && text("scan", ".percent") === "%[1]d %%"`, percent))
		p.await(fmt.Sprintf(`text("scan", ".message") === "%d found"`, percent/10))
	}
	work.Print(`::result {"scanned": 254, "devices": [{"address": "10.0.4.7", "model": "Valve V9"}]}`)
	work.Exit(0)
	p.await(`card("scan").dataset.state === "succeeded"`)
	if got, want := eval[[]float64](p, `seen`), []float64{7, 30, 31, 88}; !slices.Equal(got, want) {
		t.Errorf("the bar moved over %v, want %v", got, want)
	}
	if got, want := p.text("scan", "table"), "addressmodel10.0.4.7Valve V9"; got != want {
		t.Errorf("the result's table says %q, want %q", got, want)
	}
	if got, want := p.text("scan", "button.run"), "Run again"; got != want {
		t.Errorf("the button says %q, want %q", got, want)
	}
	p.click("[data-name=scan] .output summary")
	p.await(`text("scan", "pre").includes("88% 8 found")`)
}

func TestAFailedRunSaysWhy(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.click(runReport)
	work := s.Begun()
	work.Print("::progress 40 writing")
	p.await(`text("report", ".percent") === "40 %"`)
	work.Print("disk full")
	work.Exit(3)
	p.await(`card("report").dataset.state === "failed"`)
	if got := p.text("report", ".error"); !strings.Contains(got, "3") {
		t.Errorf("the card says %q, want the exit code 3", got)
	}
	if got, want := p.text("report", ".percent"), "40 %"; got != want {
		t.Errorf("the run stopped at %q, want %q", got, want)
	}
	p.click("[data-name=report] .output summary")
	p.await(`text("report", "pre").includes("disk full")`)
}

func TestTwoBrowsersShareOneRun(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	pages := []*page{open(t, g.url, view{}), open(t, g.url, view{})}
	// Both have the form open, so that neither is kept from starting by the other's run.
	for _, p := range pages {
		p.click(runScan)
		p.await(`dialog()`)
	}
	var clicks sync.WaitGroup
	for _, p := range pages {
		clicks.Go(func() { eval[bool](p, `(document.querySelector("dialog button.run").click(), true)`) })
	}
	clicks.Wait()
	work := s.Begun()
	for _, percent := range []int{20, 60} {
		work.Print(fmt.Sprintf("%d%% half way", percent))
		for _, p := range pages {
			p.await(fmt.Sprintf(`text("scan", ".percent") === "%d %%"`, percent))
		}
	}
	var ids []string
	for _, p := range pages {
		p.await(`text("scan", ".with").endsWith("you and 1 other") && text("scan", "button.cancel") === "Cancel for all 2"`)
		ids = append(ids, eval[string](p, `card("scan").dataset.run`))
	}
	work.Print("::result 2")
	work.Exit(0)
	for _, p := range pages {
		p.await(`card("scan").dataset.state === "succeeded"`)
		p.await(`text("scan", ".result .body") === "2"`)
		ids = append(ids, eval[string](p, `card("scan").dataset.run`))
	}
	if ids[0] == "" || len(slices.Compact(ids)) != 1 {
		t.Errorf("the pages show the runs %q, want one", ids)
	}
	// The next run's process is the second one ever: nothing else was executed.
	pages[0].click(runReport)
	if got, want := s.Begun().Args, `["report"]`; got != want {
		t.Errorf("the process after the shared run has the arguments %s, want %s", got, want)
	}
}

func TestCancel(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.click(runReport)
	work := s.Begun()
	p.await(`card("report").dataset.state === "running"`)
	eval[bool](p, `(card("report").querySelector("button.cancel").focus(), true)`)
	p.press(kb.Enter)
	work.Ended()
	p.await(`card("report").dataset.state === "cancelled"`)
	p.await(`text("report", "button.cancel") === "" && document.activeElement === card("report").querySelector("button.run")`)

	p.press(kb.Enter) // the focus is on Run
	s.Begun().Exit(0)
	p.await(`card("report").dataset.state === "succeeded"`)
}

// That it was cancelled is no error, and says nothing else.
func TestACancelledRunShowsNoError(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.click(runReport)
	s.Begun()
	p.await(`card("report").dataset.state === "running"`)
	p.click("[data-name=report] button.cancel")
	p.await(`card("report").dataset.state === "cancelled"`)
	if got := eval[string](p, `card("report").querySelector(".error").textContent`); got != "" || p.text("report", ".error") != "" {
		t.Errorf("the cancelled run has the error %q, want none", got)
	}
}

// Who runs a job again wants the same again, or nearly so. Secrets are typed each time.
func TestRunAgainBeginsWithTheLastArguments(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, `
jobs:
  scan:
    exec: `+s.Argv("{subnet}", "{wait}", "{mode}", "{all}", "{pin}")+`
    args:
      subnet: {type: cidr, default: 10.0.4.0/24}
      wait: {type: int, default: 300}
      mode: {type: enum, values: [fast, thorough], default: fast}
      all: {type: bool, default: false}
      pin: {type: string, secret: true}
`).url, view{})
	p.click(runScan)
	p.await(`dialog()`)
	p.fill("dialog [name=subnet]", "10.9.0.0/30")
	p.fill("dialog [name=wait]", "7")
	eval[bool](p, `dialog().querySelector("[name=mode]").value = "thorough", true`)
	p.click("dialog [name=all]")
	p.fill("dialog [name=pin]", "12345678")
	p.click(submit)
	s.Begun().Exit(0)
	p.await(`text("scan", "button.run") === "Run again"`)
	p.click(runScan)
	p.await(`dialog()`)
	got := eval[string](p, `["subnet", "wait", "mode", "all", "pin"].map((name) => dialog().querySelector("[name=" + name + "]"))
		.map((n) => n.type === "checkbox" ? n.checked : n.value).join(" ")`)
	if want := "10.9.0.0/30 7 thorough true "; got != want {
		t.Errorf("the form of the next run has %q, want %q", got, want)
	}
}

func TestMistakesStandAtTheirField(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.expect(`status of 422`)
	invalid := func(name string) string {
		return fmt.Sprintf(`((n) => n.ariaInvalid === "true" && document.activeElement === n &&
			n.closest(".input").querySelector(".invalid").textContent)(dialog().querySelector("[name=%s]"))`, name)
	}
	p.click(runScan)
	p.await(`dialog()`)
	p.fill("dialog [name=wait]", "9")
	p.press(kb.Enter)
	p.await(invalid("wait") + ` === "Enter 50 or more."`)
	p.fill("dialog [name=wait]", "many")
	p.press(kb.Enter)
	p.await(invalid("wait") + ` === "Enter a number."`)
	p.fill("dialog [name=wait]", "9007199254740993") // which this page would send as another number
	p.press(kb.Enter)
	p.await(invalid("wait") + ` === "Enter a whole number of at most 9,007,199,254,740,991."`)

	p.fill("dialog [name=wait]", "60")
	p.fill("dialog [name=subnet]", "nonsense") // what the page does not know, the server does
	p.press(kb.Enter)
	p.await(invalid("subnet") + `.length > 0`)
	if !eval[bool](p, `dialog().querySelector("[name=wait]").ariaInvalid === "false"`) {
		t.Error("wait is still marked, want only subnet to be")
	}
	p.fill("dialog [name=subnet]", "10.9.0.0/30")
	p.press(kb.Enter)
	if got, want := s.Begun().Args, `["--subnet" "10.9.0.0/30" "--wait=60"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	p.await(`!dialog() && text("scan", ".with") === "subnet 10.9.0.0/30 · wait 60"`)
}

// A trigger with other arguments is refused while a run is in progress; the form
// stays and says so.
func TestABusyJobSaysSo(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	p := open(t, g.url, view{})
	p.expect(`status of 409`)
	p.click(runScan)
	p.await(`dialog()`)
	resp, err := http.Post(g.url+"api/v1/jobs/scan/runs", "application/json", strings.NewReader(`{"args": {"wait": 77}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var run struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&run); err != nil || resp.StatusCode != 202 {
		t.Fatalf("POST: status %d, %v, want 202 and a run", resp.StatusCode, err)
	}
	other := s.Begun()
	p.click(submit)
	p.await(`dialog().querySelector(".problem").textContent.includes("in progress")`)
	p.await(fmt.Sprintf(`card("scan").dataset.run === %q`, run.ID))

	// It can wait for the end of the other run.
	p.click("dialog button[value=wait]")
	p.await(`dialog().querySelector("button.run").innerText === "Waiting" && document.activeElement === dialog().querySelector("button.run")`)
	p.readable()
	other.Exit(0)
	if got, want := s.Begun().Args, `["--subnet" "10.0.4.0/24" "--wait=300"]`; got != want {
		t.Errorf("after the other run one begins with %s, want %s", got, want)
	}
	p.await(fmt.Sprintf(`!dialog() && card("scan").dataset.state === "running" && card("scan").dataset.run !== %q`, run.ID))
}

// A form that was open before the other run began can cancel that.
func TestABusyJobCanBeCancelled(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, scan(s))
	first, second := open(t, g.url, view{}), open(t, g.url, view{})
	second.expect(`status of 409`)
	for _, p := range []*page{first, second} {
		p.click(runScan)
		p.await(`dialog()`)
	}
	first.click(submit)
	other := s.Begun()
	second.fill("dialog [name=wait]", "77")
	second.click(submit)
	second.await(`dialog().querySelector("button[value=cancel]").checkVisibility()`)
	second.click("dialog button[value=cancel]")
	other.Ended()
	if got, want := s.Begun().Args, `["--subnet" "10.0.4.0/24" "--wait=77"]`; got != want {
		t.Errorf("after the cancelled run one begins with %s, want %s", got, want)
	}
	second.await(`!dialog() && text("scan", ".with") === "subnet 10.0.4.0/24 · wait 77"`)
}

func TestKeyboardAlone(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.await(`card("scan")`)
	p.tabTo(`document.activeElement === card("scan").querySelector("button.run")`)
	p.press(kb.Enter)
	p.await(`dialog()`)
	p.tabTo(`document.activeElement.name === "wait"`)
	p.press(kb.End + "0") // 300 -> 3000
	p.tabTo(`document.activeElement === dialog().querySelector("button.run")`)
	p.press(kb.Enter)
	if got, want := s.Begun().Args, `["--subnet" "10.0.4.0/24" "--wait=3000"]`; got != want {
		t.Errorf("the job runs with %s, want %s", got, want)
	}
	p.await(`card("scan").dataset.state === "running"`)
	if !eval[bool](p, `document.activeElement === card("scan").querySelector("button.run")`) {
		t.Error("the focus is not on the button that opened the form")
	}
	p.press(kb.Shift + kb.Tab)
	p.tabTo(`document.activeElement === card("scan").querySelector("button.cancel")`)
	p.press(kb.Enter)
	p.await(`card("scan").dataset.state === "cancelled"`)
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
