package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// startOf is the button that a job has in the list of jobs.
func startOf(job string) string { return ".job[data-key='job/" + job + "'] .act button" }

func TestConfirm(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {reindex: {exec: "+s.Argv()+", confirm: Reindex takes the search offline. Continue?}}").url, wide)
	p.await(`connection() === "live"`)
	p.click(startOf("reindex"))
	p.await(`dialog() && dialog().innerText.includes("Reindex takes the search offline. Continue?")`)
	p.readable()
	p.press(kb.Escape)
	p.await(`!dialog() && card("reindex").dataset.state === "idle"`)
	p.press(kb.Enter) // the focus is back on Run
	p.await(`dialog()`)
	p.click(submitStart)
	s.Begun().Exit(0)
	p.await(`!dialog() && card("reindex").dataset.state === "ok"`)
}

func TestAQueueIsShown(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, "jobs: {scan: {exec: "+s.Argv("{subnet}")+", on_busy: queue, queue: 1, args: {subnet: {type: cidr, default: 10.0.0.0/24}}}}")
	p := open(t, g.url+"jobs/scan", view{width: 390, height: 844})
	p.expect("status of 429")
	start := func(subnet string) {
		t.Helper()
		p.click(".head a[data-dialog]")
		p.await(`dialog()`)
		p.fill("dialog [name='arg.subnet']", subnet)
		p.press(kb.Enter)
	}
	const queued = `[...document.querySelectorAll(".queue li > span")].map((n) => n.innerText).join("; ")`
	g.post("api/v1/jobs/scan/runs", `{"args": {"subnet": "10.1.0.0/24"}}`)
	first := s.Begun()
	p.await(`document.querySelector(".head a[data-dialog]").innerText === "Queue …" && document.querySelector(".head").dataset.state === "running"`)
	start("10.2.0.0/24")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head").dataset.state === "queued"`)
	p.await(`document.querySelector(".head .why").innerText.startsWith("Waits for the end of 1 run")`)
	p.goTo(g.url + "jobs/scan")
	p.await(queued + ` === "Subnet 10.2.0.0/24"`)
	p.await(`document.querySelector(".head").dataset.state === "running"`) // the run in progress comes first
	p.fits()
	p.readable()
	start("10.3.0.0/24")
	p.await(`dialog().querySelector("[role=alert]").innerText.includes("queue is full")`)
	p.press(kb.Escape)

	p.click(".queue button")
	p.await(`!document.querySelector(".queue") && location.pathname === "/jobs/scan" && document.activeElement !== document.body`)
	start("10.4.0.0/24")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head").dataset.state === "queued"`)
	first.Exit(0)
	last := s.Begun()
	if got, want := last.Args, `["10.4.0.0/24"]`; got != want {
		t.Errorf("after the first run one begins with %s, want %s", got, want)
	}
	p.await(`document.querySelector(".head").dataset.state === "running"`)
}

// A run of a group that another job keeps busy says so, and can be cancelled.
func TestAGroupIsWaitedFor(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, "jobs: {press: {exec: "+s.Argv("press")+", group: hall}, mould: {exec: "+s.Argv("mould")+", group: hall}}").url, wide)
	p.await(`connection() === "live"`)
	p.click(startOf("press"))
	press := s.Begun()
	for range 2 {
		p.click(startOf("mould"))
		p.await(`card("mould").dataset.state === "queued" && text("mould", ".line") === "Waits for the end of 1 run"`)
		p.click(startOf("mould"))
		p.await(`card("mould").dataset.state === "cancelled"`)
	}
	p.click(startOf("mould"))
	p.await(`card("mould").dataset.state === "queued"`)
	press.Exit(0)
	s.Begun()
	p.await(`card("mould").dataset.state === "running"`)
}

func TestReplaceIsOnTheButton(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, "jobs: {scan: {exec: "+s.Argv()+", on_busy: replace}}")
	p := open(t, g.url+"jobs/scan", view{})
	g.post("api/v1/jobs/scan/runs", "{}")
	first := s.Begun()
	p.await(`[...document.querySelectorAll(".head .acts button")].map((n) => n.innerText).join() === "Cancel,Replace"`)
	p.click(".head form[action$='jobs/scan/run'] button")
	first.Ended()
	s.Begun().Print("the second")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".head").dataset.state === "running" && document.querySelector(".log").innerText.includes("the second")`)
}

// A start that the limit of a job does not allow is offered nowhere, and it is said when it will be.
func TestLimitsAndTimesAreShown(t *testing.T) {
	g := serve(t, `jobs: {tidy: {exec: ["false"], limit: 1/h, at: {cron: "0 3 * * *", zone: UTC}}, often: {exec: ["true"], limit: 1/s}}`)
	p := open(t, g.url, wide)
	p.await(`connection() === "live" && /^next ([a-zA-Z]\w+ )?\d\d:\d\d$/.test(text("tidy", ".next"))`)
	p.click(startOf("tidy"))
	p.await(`card("tidy").dataset.state === "failing"`)
	for _, part := range []string{`card("tidy")`, `document.querySelector(".attention [data-key='job/tidy']")`} {
		p.await(`((b) => b.ariaDisabled === "true" && /^its limit allows a start in (59 min|60 min|1 h)/.test(b.title))(` + part + `.querySelector(".act button"))`)
	}
	p.readable()
	p.goTo(g.url + "jobs/tidy")
	p.await(`((b) => b.ariaDisabled === "true" && b.title.startsWith("Its limit allows the next start at "))(document.querySelector(".head .acts button"))`)
	p.await(`document.querySelector(".open-run").innerText.includes("next ") && document.querySelector(".open-run").innerText.includes("its limit allows")`)
	p.readable()
	g.post("api/v1/jobs/often/runs", "{}") // in a second its limit allows another one
	p.goTo(g.url + "jobs/often")
	p.await(`document.querySelector(".head .acts button") && !document.querySelector(".head .acts button").ariaDisabled && !document.querySelector("[data-until]")`)
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
      wait: {type: int, default: 300}
      hook: {type: url, default: "https://example.org/x"}
      file: {type: path, under: %q, default: report.csv}
      host: {type: host, default: example.org}
      mode: {type: enum, values: [fast, thorough], default: thorough}
      all: {type: bool, default: true}
`, s.Argv("{token}", "{other}", "{wait}", "{hook}", "{file}", "{host}", "{mode}", "{all}"), dir)).url, wide)
	p.await(`connection() === "live"`)
	p.click(startOf("scan"))
	p.await(`dialog()`)
	inputs := eval[[]string](p, `[...dialog().querySelectorAll("[name^='arg.']")].map((n) =>
		[n.name.slice(4), n.type, n.autocomplete, n.inputMode, n.type === "checkbox" ? n.checked : n.value].join(" ").replace(/  +/g, " ").trim())`)
	want := []string{
		"token password new-password", "other password new-password", "wait text off numeric 300", "hook text off url https://example.org/x",
		"file text off report.csv", "host text off example.org", "mode select-one thorough", "all checkbox true",
	}
	if got, want := strings.Join(inputs, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("the form has\n%s\nwant\n%s", got, want)
	}
	p.press(kb.Enter)
	p.await(`document.activeElement.name === "arg.token" && document.activeElement.validity.valueMissing`)
	p.fill("dialog [name='arg.token']", "hush-hush")
	p.press(kb.Enter)
	if got := s.Begun().Args; !strings.HasPrefix(got, `["hush-hush" "300" "https://example.org/x" "`) || !strings.HasSuffix(got, `"example.org" "thorough" "true"]`) {
		t.Errorf("the job runs with %s", got)
	}
	p.await(`!dialog() && card("scan").dataset.state === "running"`)
	p.click(".job[data-key='job/scan'] .title")
	p.goes(`location.pathname === "/jobs/scan"`)
	p.click(".open-run a")
	p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".side").innerText.includes("Token\n***")`)
	if eval[bool](p, `document.documentElement.outerHTML.includes("hush-hush")`) {
		t.Error("the secret is on the page")
	}
}
