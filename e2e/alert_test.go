package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// A receiver is told of alerts.
type receiver struct {
	url   string
	told  chan string // state and names of each message that it takes
	fails atomic.Bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{told: make(chan string, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m struct {
			State, Again string
			Alerts       []struct{ Key string }
		}
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil || len(m.Alerts) == 0 {
			t.Errorf("a message: %v", err)
		} else if r.fails.Load() {
			http.Error(w, "no room", http.StatusServiceUnavailable)
		} else {
			r.told <- fmt.Sprint(m.State, m.Again, " ", m.Alerts[0].Key)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// hears waits for the next message.
func (r *receiver) hears(p *page, want string) {
	p.t.Helper()
	select {
	case got := <-r.told:
		if got != want {
			p.fail("the receiver is told %q, want %q", got, want)
		}
	case <-p.t.Context().Done():
	case <-time.After(patience):
		p.fail("the receiver is not told %q", want)
	}
}

// attended is a configuration with a source whose alert fires above 50, and two jobs with alerts, of which one fails.
func attended(s *scripttest.Script, plant string, ops *receiver) string {
	return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
notify: {ops: {http: %q, group_wait: 50ms}}
defaults: {every: 50ms, stale_after: 1m, backoff: {min: 20ms, max: 50ms}, alert: {notify: ops}}
sources:
  tank: {title: Tank, http: {upstream: plant, path: /}, show: {value: level, unit: "%%"}, alert: {if: .level > 50, severity: critical}}
  calm: {title: Calm, http: {upstream: plant, path: /}, show: {value: level, unit: "%%"}}
jobs:
  sync: {title: Sync, exec: %s}
  tidy: {title: Tidy, exec: ["true"]}
`, plant, ops.url, s.Argv("sync"))
}

// What the overview says of everything, and tells those who do not see it.
const (
	verdict   = `document.querySelector("h1").innerText.replace(/\s+/g, " ").trim()`
	announced = `document.getElementById("announcer").textContent`
)

// Failed jobs and their alerts are counted and told as those of sources are, and a run that succeeds ends them.
func TestJobsAreCountedAndTold(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, attended(s, plant.url, ops)).url, view{width: 1440, height: 900}) // there is room for jobs
	p.await(verdict + ` === "All is well" && document.title === "Tidewire" && connection() === "live" && text("tidy", ".state") === "never ran"`)
	p.click("[data-key='job/tidy'] button")
	p.await(`text("tidy", ".state") === "succeeded"`)
	p.click("[data-key='job/sync'] button")
	s.Begun().Exit(3)
	ops.hears(p, "firing job/sync")
	p.await(verdict + ` === "1 job failed" && document.title === "(1) Tidewire" && ` + announced + `.includes("Sync: failed")`)
	p.await(`document.querySelectorAll(".attention li").length === 1 && text("sync", ".state") === "failed" && text("sync", ".line").includes("3")`)
	p.readable()
	p.usable()

	if got := eval[string](p, `document.querySelector("h1 a").getAttribute("href")`); got != "jobs?show=failed" {
		t.Errorf("the count leads to %s, want the jobs that failed", got)
	}
	p.click(".attention [data-key='job/sync'] button") // Run again
	s.Begun().Exit(0)
	ops.hears(p, "resolved job/sync")
	p.await(verdict + ` === "All is well" && document.title === "Tidewire" && !document.querySelector(".attention li")`)
}

// A job whose newest run did not fail is not ok while its alert fires: a start that was missed since, or a run that takes long.
func TestAnAlertOutranksARun(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, fmt.Sprintf(`
jobs:
  sync: {title: Sync, exec: %s, alert: {on: [slow], slow_after: 1s, severity: info}}
`, s.Argv("sync"))).url, view{width: 1440, height: 900}) // there is room for jobs
	const job = `document.querySelector("#jobs li")`
	p.await(connectedTo("sync") + ` && text("sync", ".state") === "never ran"`)
	p.click("#jobs button")
	work := s.Begun()
	p.await(job + `.dataset.state === "alert" && ` + job + `.innerText.includes("Takes longer than it should")`)
	p.await(verdict + ` === "1 alert" && document.title === "(1) Tidewire" && ` + job + `.querySelector("button").innerText.startsWith("Cancel")`)
	p.readable()
	p.click("#jobs button") // Cancel, which is no end of the alert
	work.Ended()
	p.await(job + `.dataset.state === "alert" && ` + job + `.querySelector("button").innerText.startsWith("Run")`)
	p.readable()
	p.click("#jobs button")
	s.Begun().Exit(0)
	p.await(job + `.querySelector(".state").innerText === "succeeded" && ` + verdict + ` === "All is well"`)
}

// connectedTo is the condition that the modules have taken over, and know a source or job.
func connectedTo(name string) string {
	return fmt.Sprintf(`connection() === "live" && !document.getElementById("pause").hidden && card(%q)`, name)
}

// Alerts are silenced and acknowledged with the keyboard alone, and everybody sees by whom, until when and why.
func TestSilencingByKeyboard(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 41}`)
	g := serve(t, attended(s, plant.url, ops)+guarded("viewer"))
	p, other := open(t, g.url+"auth/login?return=/", view{zone: "UTC"}), open(t, g.url, view{width: 390, height: 844, scheme: "light"})
	p.signIn("operator-secret")
	p.goes(connectedTo("tank") + ` && document.querySelector(".account b").textContent === "operator"`)
	plant.say(`{"level": 57}`)
	ops.hears(p, "firing source/tank")
	const row, button = `document.querySelector(".attention [data-key='source/tank']")`, `document.querySelector(".attention [data-key='source/tank'] button")`
	p.await(verdict + ` === "1 alert" && ` + button + `.innerText.startsWith("Silence")`)

	// Closed, the dialog leaves the focus where it was.
	eval[bool](p, `(`+button+`.focus(), true)`)
	p.press(kb.Enter)
	p.await(`dialog()?.querySelector("h1").textContent === "Silence" && document.activeElement.name === "of" && document.activeElement.value === "source/tank"`)
	p.usable()
	p.readable()
	p.press(kb.Escape)
	p.await(`!dialog() && document.activeElement === ` + button)

	// What is wrong stands at its field, also what only the server knows.
	p.expect("status of 422")
	p.press(kb.Enter)
	p.await(`dialog() && document.activeElement.name === "of"`)
	p.press(kb.Tab)
	p.press(kb.ArrowRight + kb.ArrowRight)
	p.await(`dialog().querySelector("[value=time]").checked && dialog().querySelector("#until").checkVisibility()`)
	eval[bool](p, `(dialog().querySelector("#until").value = "2126-01-01T08:00", dialog().querySelector("#reason").focus(), true)`)
	p.press("new pump" + kb.Enter)
	p.await(`dialog().querySelector("[data-problem=until]").textContent.includes("365 days") && document.activeElement.id === "until"`)
	p.readable()
	eval[bool](p, `(dialog().querySelector("[value=morning]").focus(), true)`)
	p.press(" " + kb.Enter)
	p.await(`!dialog() && !` + row + ` && text("tank", ".state") === "silenced" && document.title === "Tidewire" && document.activeElement !== document.body`)

	// Who may only look sees that, and is offered nothing.
	other.await(`text("tank", ".state") === "silenced" && /Tank\s+until .*06:00: new pump/.test(document.querySelector(".verdict").innerText)`)
	other.goTo(g.url + "alerts")
	const list = `document.querySelector("[data-part=silences]").innerText`
	other.await(list + `.includes("new pump") && ` + list + `.includes("operator")`)
	if got := eval[[]string](other, `[...document.querySelectorAll("main :is(button, [data-dialog])")].filter((n) => n.checkVisibility()).map((n) => n.innerText)`); len(got) != 0 {
		t.Errorf("who may not act is offered %q, want nothing", got)
	}
	other.fits()
	other.readable()
	other.usable()
	p.goTo(g.url + "alerts")
	p.await(`connection() === "live" && document.querySelector("[data-key='source/tank'] form button")`)
	eval[bool](p, `(document.querySelector("[data-key='source/tank'] form button").focus(), true)`)
	p.press(kb.Enter) // Acknowledge
	p.await(`!document.querySelector("[data-key='source/tank'] form")`)

	// The end of the silence tells nobody, since somebody has acknowledged the alert: the next message is its end.
	eval[bool](p, `(document.querySelector("[data-part=silences] form button").focus(), true)`)
	p.press(kb.Enter)
	for _, p := range []*page{p, other} {
		p.await(list + `.includes("Nothing is silenced") && document.querySelector("[data-key='source/tank']").innerText.includes("acknowledged by operator")`)
	}
	plant.say(`{"level": 30}`)
	ops.hears(p, "resolved source/tank")
	other.await(`!document.querySelector("[data-part=now] [data-key]") && document.querySelector("[data-part=past]").innerText.includes("Tank")`)
}

// A job is silenced before it fails, then is nobody's concern until that ends, and all alerts are silenced from the page of alerts.
func TestAJobIsSilenced(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 41}`)
	g := serve(t, attended(s, plant.url, ops))
	p := open(t, g.url+"alerts/silence?of=job/sync", view{})
	p.await(`[...document.querySelector("[name=of]").selectedOptions].map((n) => n.textContent).join() === "Sync"`)
	p.click("main button.primary")
	p.goes(`location.pathname === "/alerts" && document.querySelector("[data-part=silences]").innerText.includes("Sync") && connection() === "live"`)
	g.post("api/v1/jobs/sync/runs", `{}`)
	s.Begun().Exit(1)
	p.await(`document.querySelector("[data-part=now] [data-key='job/sync']").dataset.state === "silenced" && document.title.endsWith("Alerts · Tidewire")`)
	p.usable()
	p.click("[data-part=silences] form button")
	ops.hears(p, "firing job/sync")
	p.await(`document.querySelector("[data-part=now] [data-key='job/sync']").dataset.state !== "silenced"`)
	p.click(".row-head a[data-dialog]")
	p.await(`dialog()?.querySelector("[name=of]")`)
	eval[bool](p, `(dialog().querySelector("[name=of]").value = "all", true)`)
	p.click("dialog button.primary")
	p.await(`!dialog() && document.querySelector("[data-part=silences]").innerText.includes("Everything")`)
	p.await(`document.querySelector("[data-part=now] [data-key='job/sync']").dataset.state === "silenced"`)
}

// A quiet time of the configuration is a silence that nobody can end.
func TestAQuietTimeIsOnThePage(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 57}`)
	p := open(t, serve(t, attended(s, plant.url, ops)+`
quiet:
  - {at: "* * * * *", for: 1m, of: all, reason: backup}
  - {at: "* * * * *", for: 1m, of: source/calm, reason: new cable}
`).url+"alerts", view{width: 390, height: 844})
	p.await(`document.querySelector("[data-part=now] [data-key='source/tank']").dataset.state === "silenced"`)
	const list = `document.querySelector("[data-part=silences]")`
	p.await(`/quiet time\s+Everything\s+backup/.test(` + list + `.innerText) && /quiet time\s+Calm\s+new cable/.test(` + list + `.innerText) && !` + list + `.querySelector("button")`)
	p.await(`document.querySelector("[data-key='source/tank'] button").innerText.startsWith("Acknowledge")`)
	p.readable()
	p.usable()
}

// A receiver that cannot be told is named with the reason, until it can.
func TestAFailedDeliveryIsOnThePage(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 57}`)
	ops.fails.Store(true)
	p := open(t, serve(t, attended(s, plant.url, ops)).url+"alerts", view{width: 390, height: 844})
	const receiver = `document.querySelector(".receivers li")`
	p.await(receiver + `.querySelector(".state").dataset.state === "failing" && /503.* since \d\d:\d\d, 1 message waits/.test(` + receiver + `.innerText)`)
	p.readable()
	ops.fails.Store(false)
	ops.hears(p, "firing source/tank")
	p.await(receiver + `.querySelector(".state").dataset.state === "ok" && document.querySelector("[data-key='source/tank']").innerText.includes("ops was told")`)
}
