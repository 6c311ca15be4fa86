package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// runButton is the button that starts a job, as an expression.
func runButton(job string) string { return fmt.Sprintf(`card(%q).querySelector("button.run")`, job) }

func TestConfirm(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {reindex: {exec: "+s.Argv()+", confirm: Reindex takes the search offline. Continue?}}").url, view{})
	p.click("[data-name=reindex] button.run")
	p.await(`dialog() && dialog().querySelector(".confirm").innerText === "Reindex takes the search offline. Continue?"`)
	p.readable()
	p.press(kb.Escape)
	p.await(`!dialog() && card("reindex").dataset.state === "idle"`)
	p.press(kb.Enter) // the focus is back on Run
	p.await(`dialog()`)
	p.click(submit)
	s.Begun().Exit(0)
	p.await(`!dialog() && card("reindex").dataset.state === "succeeded"`)
}

func TestAQueueIsShown(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {scan: {exec: "+s.Argv("{subnet}")+", on_busy: queue, queue: 1, args: {subnet: {type: cidr, default: 10.0.0.0/24}}}}").url,
		view{width: 390, height: 844})
	p.expect("status of 429")
	start := func(subnet string) {
		p.click(runScan)
		p.await(`dialog()`)
		p.fill("dialog [name=subnet]", subnet)
		p.press(kb.Enter)
	}
	const queued = `[...card("scan").querySelectorAll(".queue li > span")].map((n) => n.innerText).join("; ")`
	start("10.1.0.0/24")
	first := s.Begun()
	p.await(runButton("scan") + `.innerText === "Queue" && ` + runButton("scan") + `.ariaDisabled === "false"`)
	eval[bool](p, `(window.states = [], new MutationObserver(() => states.push(card("scan").dataset.state))
		.observe(card("scan"), { attributes: true, attributeFilter: ["data-state"] }), true)`)
	start("10.2.0.0/24")
	p.await(queued + ` === "next · subnet 10.2.0.0/24 · yours"`)
	p.fits()
	p.readable()
	if got := eval[[]string](p, `states`); slices.Contains(got, "queued") {
		t.Errorf("the card went through the states %q, want it to stay with the run in progress", got)
	}
	start("10.3.0.0/24")
	p.await(`dialog().querySelector(".problem").innerText.includes("queue is full")`)
	p.press(kb.Escape)

	p.click("[data-name=scan] .queue button")
	p.await(`!card("scan").querySelector(".queue").checkVisibility()`)
	start("10.4.0.0/24")
	p.await(queued + ` === "next · subnet 10.4.0.0/24 · yours"`)
	first.Exit(0)
	if got, want := s.Begun().Args, `["10.4.0.0/24"]`; got != want {
		t.Errorf("after the first run one begins with %s, want %s", got, want)
	}
	p.await(`!card("scan").querySelector(".queue").checkVisibility() && text("scan", ".with") === "subnet 10.4.0.0/24"`)
}

// A run of a group that another job keeps busy says so.
func TestAGroupIsWaitedFor(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {press: {exec: "+s.Argv("press")+", group: hall}, mould: {exec: "+s.Argv("mould")+", group: hall}}").url, view{})
	p.click("[data-name=press] button.run")
	press := s.Begun()
	p.click("[data-name=mould] button.run")
	p.await(`card("mould").dataset.state === "queued" && text("mould", ".percent") === "1 before it in the group hall"`)
	p.await(`/^\d+ s$/.test(text("mould", ".elapsed"))`)
	press.Exit(0)
	s.Begun()
	p.await(`card("mould").dataset.state === "running"`)
}

func TestReplaceIsOnTheButton(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {scan: {exec: "+s.Argv()+", on_busy: replace}}").url, view{})
	p.click(runScan)
	first := s.Begun()
	p.await(runButton("scan") + `.innerText === "Replace"`)
	id := eval[string](p, `card("scan").dataset.run`)
	p.click(runScan)
	first.Ended()
	s.Begun()
	p.await(fmt.Sprintf(`card("scan").dataset.state === "running" && card("scan").dataset.run !== %q`, id))
}

func TestLimitsAndTimesAreShown(t *testing.T) {
	p := open(t, serve(t, `jobs: {tidy: {exec: ["true"], limit: 1/h, at: {cron: "0 3 * * *", zone: UTC}}}`).url, view{})
	p.await(`/^next ([A-Z]\w+ )?\d\d:\d\d$/.test(text("tidy", ".next"))`)
	p.click("[data-name=tidy] button.run")
	p.await(`card("tidy").dataset.state === "succeeded"`)
	p.await(`/^Available in (59:\d\d min|1 h 00 min)$/.test(` + runButton("tidy") + `.innerText) && ` + runButton("tidy") + `.ariaDisabled === "true"`)
	p.readable()
}

// What a run prints is followed while it runs, unless somebody reads further up.
func TestOutputIsFollowed(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, scan(s)).url, view{})
	p.click("[data-name=report] button.run")
	work := s.Begun()
	work.Print("\x1b[32mbegun\x1b[0m")
	p.await(`card("report").dataset.state === "running" && text("report", ".message") === "begun"`) // nothing moves any more
	p.click("[data-name=report] .output summary")
	p.await(`text("report", "pre") === "begun\n"`)
	for i := range 1000 {
		work.Print(fmt.Sprintf("line %d %s", i, strings.Repeat("x", 100)))
	}
	p.await(`text("report", "pre").includes("line 999 x")`)
	const pre = `card("report").querySelector("pre")`
	p.await(pre + `.scrollTop > 0 && ` + pre + `.scrollHeight - ` + pre + `.scrollTop - ` + pre + `.clientHeight < 2`)
	if got := len(p.text("report", "pre")); got > 50_000 {
		t.Errorf("the page holds %d characters of output, want its end alone", got)
	}
	eval[bool](p, `new Promise((told) => { `+pre+`.addEventListener("scroll", () => told(true), { once: true }); `+pre+`.scrollTop = 0; })`)
	work.Print("one more")
	p.await(`text("report", "pre").endsWith("one more\n")`)
	if got := eval[int](p, pre+".scrollTop"); got != 0 {
		t.Errorf("new output has scrolled what is read to %d", got)
	}
	work.Print("the end")
	work.Exit(0)
	p.await(`card("report").dataset.state === "succeeded" && text("report", "pre").endsWith("the end\n")`)
}

// Secrets are typed unseen.
func TestArgumentsOfEveryTypeHaveTheirInput(t *testing.T) {
	s := scripttest.New(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, serve(t, fmt.Sprintf(`
jobs:
  scan:
    exec: %s
    args:
      token: {type: string, secret: true}
      other: {type: string, secret: true, default: ""}
      hook: {type: url, default: "https://example.org/x"}
      file: {type: path, under: %q, default: report.csv}
`, s.Argv("{token}", "{other}", "{hook}", "{file}"), dir)).url, view{})
	p.click(runScan)
	p.await(`dialog()`)
	inputs := eval[[]string](p, `[...dialog().querySelectorAll("input")].map((n) => [n.name, n.type, n.autocomplete, n.inputMode, n.value].join(" ").trim())`)
	if got, want := strings.Join(inputs, "; "), "token password off; other password off; hook text off url https://example.org/x; file text off  report.csv"; got != want {
		t.Errorf("the form has %q, want %q", got, want)
	}
	p.press(kb.Enter)
	p.await(`document.activeElement.name === "token" && document.activeElement.ariaInvalid === "true"`)
	p.fill("dialog [name=token]", "hush-hush")
	p.press(kb.Enter)
	if got := s.Begun().Args; !strings.HasPrefix(got, `["hush-hush" "https://example.org/x" "`) {
		t.Errorf("the job runs with %s", got)
	}
	p.await(`!dialog() && text("scan", ".with").includes("token ***")`)
	if eval[bool](p, `document.documentElement.outerHTML.includes("hush-hush")`) {
		t.Error("the secret is on the page")
	}
}
