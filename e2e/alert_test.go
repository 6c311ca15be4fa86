package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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

const (
	counts = `[...document.querySelectorAll(".filter b")].map((n) => n.textContent).join()`
	said   = `document.getElementById("announcer").textContent`
)

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

// Failed jobs and alerts of jobs are in the counts, the filters and the title, as sources are.
func TestJobsAreCountedAndFound(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 41}`)
	p := open(t, serve(t, attended(s, plant.url, ops)).url, view{})
	p.await(counts + ` === "4,2,0,0,0" && document.title === "Tidewire"`)
	p.click("[data-name=tidy] button.run")
	p.await(`card("tidy").dataset.state === "succeeded"`)
	p.await(counts + ` === "4,3,0,0,0" && document.title === "Tidewire"`)
	p.click("[data-name=sync] button.run")
	s.Begun().Exit(3)
	ops.hears(p, "firing job/sync")
	p.await(counts + ` === "4,3,0,1,1" && document.title === "(1) Tidewire"`)
	p.await(`/^Alert: warning: failed, for \d+ (s|min)$/.test(text("sync", ".alert").trim()) && text("sync", ".state").trim() === "failed"`)
	p.await(said + `.includes("Alert of Sync is firing")`)
	for _, filter := range []string{"failing", "alert"} {
		p.click(".filter[data-state=" + filter + "]")
		p.await(`!card("tank") && !card("tidy") && card("sync")`)
		p.click(".filter[data-state=" + filter + "]")
		p.await(`card("tank")`)
	}
	p.click(".filter[data-state=ok]")
	p.await(`card("tank") && card("tidy") && !card("sync")`)
	p.click(".filter[data-state=ok]")
	p.readable()
	p.usable()

	p.click("[data-name=sync] button.run")
	s.Begun().Exit(0)
	ops.hears(p, "resolved job/sync")
	p.await(counts + ` === "4,4,0,0,0" && document.title === "Tidewire" && text("sync", ".alert") === ""`)
}

// A job whose newest run succeeded is not ok while its alert fires: a start that was missed since, or a run that takes long.
func TestAnAlertOutranksARun(t *testing.T) {
	s := scripttest.New(t)
	p := open(t, serve(t, fmt.Sprintf(`
jobs:
  sync: {title: Sync, exec: %s, alert: {on: [slow], slow_after: 1s, severity: info}}
`, s.Argv("sync"))).url, view{})
	p.await(`text("sync", ".state").trim() === "not run yet"`)
	p.click("[data-name=sync] button.run")
	work := s.Begun()
	p.await(`/^Alert: info: takes too long, for \d+ (s|min)$/.test(text("sync", ".alert").trim())`)
	p.await(counts + ` === "1,0,0,0,1" && document.title === "(1) Tidewire" && text("sync", ".state").trim() === "running"`)
	p.readable()
	p.click("[data-name=sync] button.cancel") // which is no end of the alert
	work.Ended()
	p.await(`card("sync").dataset.state === "cancelled" && text("sync", ".state").trim() === "alert"`)
	p.readable()
	p.click("[data-name=sync] button.run")
	s.Begun().Exit(0)
	p.await(`text("sync", ".state").trim() === "succeeded" && text("sync", ".alert") === ""`)
}

// An alert is silenced and acknowledged from the cards, with the keyboard alone, and everybody sees by whom, until when and why.
func TestSilencingFromTheCard(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 41}`)
	g := serve(t, attended(s, plant.url, ops)+guarded("viewer"))
	p, other := open(t, g.url+"#sign-in", view{}), open(t, g.url, view{width: 390, height: 844, scheme: "light"})
	p.signIn("operator-secret")
	p.await(`document.querySelector("#account-button").innerText === "operator" && text("tank", ".figure") === "41"`)
	plant.say(`{"level": 57}`)
	ops.hears(p, "firing source/tank")
	p.await(`/^Alert: critical for \d+ (s|min)$/.test(text("tank", ".alert").trim()) && document.title === "(1) Tidewire"`)

	// Acknowledged, it is nobody's concern any more.
	eval[bool](p, `(card("tank").querySelector(".bell").focus(), true)`)
	p.await(`document.activeElement.ariaLabel === "Silence or acknowledge the alert of Tank"`)
	p.press(kb.Enter)
	p.await(`dialog().querySelector("h2").textContent === "Alert of Tank" && dialog().contains(document.activeElement)`)
	p.await(`/^Told: ops \d\d:\d\d$/.test(dialog().querySelector(".told").textContent)`)
	p.await(`[...dialog().querySelectorAll("[name=of] option")].map((n) => n.textContent).join() === "Tank,Everything of plant,All alerts"`)
	p.usable()
	p.readable()
	p.press(kb.Escape)
	p.await(`!dialog() && document.activeElement === card("tank").querySelector(".bell")`)
	p.press(kb.Enter)
	p.await(`dialog()`)
	p.fill("dialog [name=reason]", "on it")
	p.click("dialog [value=acknowledge]")
	p.await(`!dialog() && /^Acknowledged .*, by operator: on it$/.test(text("tank", ".handled")) && document.title === "Tidewire"`)
	p.await(counts + ` === "4,1,0,0,1"`)
	p.await(said + `.includes("The alert of Tank is acknowledged")`)
	p.await(`document.activeElement === card("tank").querySelector(".bell")`)

	// Silenced until a time that is typed.
	p.press(kb.Enter)
	p.await(`dialog() && !dialog().querySelector("[value=acknowledge]").checkVisibility()`)
	p.await(`document.activeElement.value === "hour"`)
	p.press(kb.ArrowDown + kb.ArrowDown)
	p.await(`dialog().querySelector("[name=at]").checkVisibility()`)
	eval[bool](p, `(dialog().querySelector("[name=at]").value = "2020-01-01T08:00", true)`)
	p.fill("dialog [name=reason]", "new pump")
	p.press(kb.Enter)
	p.await(`dialog().querySelector(".invalid").textContent === "Enter a time to come." && document.activeElement.name === "at"`)
	p.usable()
	p.readable()
	eval[bool](p, `(dialog().querySelector("[name=at]").value = "2126-01-01T08:00", true)`)
	p.expect("status of 422")
	p.click("dialog button.run")
	p.await(`dialog().querySelector(".problem").textContent.includes("365 days")`)
	p.click("dialog [value=tomorrow]")
	p.click("dialog button.run")
	p.await(`!dialog() && /^Silenced until .*8:00, by operator: new pump\nAcknowledged /.test(text("tank", ".handled"))`)
	p.await(`document.querySelector("#silence-list").innerText.includes("Tank until ") && document.title === "Tidewire"`)

	// Who may only look sees that, and is offered nothing.
	other.await(`/^Silenced until .*8:00, by operator: new pump/.test(text("tank", ".handled"))`)
	other.await(`document.querySelector("#silence-list").innerText.includes("by operator: new pump")`)
	if got := eval[int](other, `[...document.querySelectorAll(".bell, #silence-list button")].filter((n) => n.checkVisibility()).length`); got != 0 {
		t.Errorf("who may not act is offered %d buttons, want none", got)
	}
	other.fits()
	other.readable()
	other.usable()

	// The list ends the silence. The alert is acknowledged, so that the next that the receiver is told is its end.
	p.click("#silence-list button")
	p.await(`!document.querySelector("#silences").checkVisibility() && /^Acknowledged /.test(text("tank", ".handled"))`)
	plant.say(`{"level": 30}`)
	ops.hears(p, "resolved source/tank")
	other.await(`text("tank", ".handled") === "" && text("tank", ".alert") === "" && text("tank", ".state").trim() === "ok"`)

	// A job, before it fails.
	p.click("[data-name=sync] .bell")
	p.await(`dialog().querySelector("h2").textContent === "Silence Sync" && !dialog().querySelector("[value=acknowledge]").checkVisibility()`)
	p.click("dialog button.run")
	p.await(`!dialog() && /^Silenced until .*, by operator$/.test(text("sync", ".handled"))`)
	p.click("[data-name=sync] button.run")
	s.Begun().Exit(1)
	p.await(`text("sync", ".alert").includes("failed") && document.title === "Tidewire"`)
	p.click("[data-name=sync] .bell")
	p.await(`dialog().querySelector("[value=end]").checkVisibility() && !dialog().querySelector("button.run").checkVisibility()`)
	p.usable()
	p.click("dialog [value=end]")
	p.await(`!dialog() && text("sync", ".handled") === "" && document.title === "(1) Tidewire"`)
	ops.hears(p, "firing job/sync")

	// All alerts, from the card of one.
	p.click("[data-name=sync] .bell")
	p.await(`[...dialog().querySelectorAll("[name=of] option")].map((n) => n.textContent).join() === "Sync,All alerts"`)
	eval[bool](p, `(dialog().querySelector("[name=of]").value = "all", true)`)
	p.click("dialog button.run")
	p.await(`!dialog() && document.querySelector("#silence-list").innerText.includes("All alerts until ") && document.title === "Tidewire"`)
}

// A quiet time of the configuration is a silence that nobody can end.
func TestAQuietTimeIsOnThePage(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 57}`)
	p := open(t, serve(t, attended(s, plant.url, ops)+`
quiet:
  - {at: "* * * * *", for: 1m, of: all, reason: backup}
  - {at: "* * * * *", for: 1m, of: source/calm, reason: new cable}
`).url, view{width: 390, height: 844})
	p.await(`/^Silenced until .*, by the configuration: backup$/.test(text("tank", ".handled"))`)
	const list = `document.querySelector("#silence-list")`
	p.await(`/All alerts until .*, by the configuration: backup/.test(` + list + `.innerText) && /Calm until .*, by the configuration: new cable/.test(` + list + `.innerText)`)
	p.await(`![...` + list + `.querySelectorAll("button")].some((n) => n.checkVisibility())`)
	p.fits()
	p.readable()
	p.click("[data-name=tank] .bell")
	p.await(`dialog() && !dialog().querySelector("[value=end]").checkVisibility() && dialog().querySelector("[value=acknowledge]").checkVisibility()`)
	p.usable()
}

// A receiver that cannot be told is a banner, until it can.
func TestAFailedDeliveryIsABanner(t *testing.T) {
	s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 57}`)
	ops.fails.Store(true)
	p := open(t, serve(t, attended(s, plant.url, ops)).url, view{width: 390, height: 844})
	p.await(`/^ops: since \d\d:\d\d; 1 message waits: .*503/.test(document.querySelector("#delivery-problem pre").textContent)`)
	p.readable()
	p.fits()
	ops.fails.Store(false)
	p.await(`!document.querySelector("#delivery-problem").checkVisibility()`)
	ops.hears(p, "firing source/tank")
}

// The page is taken to pictures with everything about alerts on it.
func TestLookAtAlerts(t *testing.T) {
	for name, v := range map[string]view{
		"alerts":        {scheme: "dark", width: 1440, height: 1000},
		"alerts-light":  {scheme: "light", width: 1440, height: 1000},
		"alerts-mobile": {scheme: "dark", width: 390, height: 844, scale: 2},
		"alerts-narrow": {scheme: "light", width: 390, height: 844, scale: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ops, plant := scripttest.New(t), newReceiver(t), newUpstream(t, `{"level": 57}`)
			ops.fails.Store(true)
			p := open(t, serve(t, attended(s, plant.url, ops)).url, v)
			p.await(`text("tank", ".alert") && document.querySelector("#delivery-problem").checkVisibility()`)
			p.click("[data-name=sync] button.run")
			s.Begun().Exit(1)
			p.await(`text("sync", ".alert")`)
			p.click("[data-name=sync] .bell")
			p.await(`dialog()`)
			p.fill("dialog [name=reason]", "the disk is full, a new one is on its way")
			p.click("dialog [value=acknowledge]")
			p.await(`text("sync", ".handled")`)
			p.click("[data-name=calm] .bell")
			p.await(`dialog()`)
			p.click("dialog button.run")
			p.await(`text("calm", ".handled")`)
			p.readable()
			p.usable()
			p.fits()
			eval[bool](p, `(document.activeElement.blur(), scrollTo(0, 0), true)`)
			p.save(filepath.Join(t.ArtifactDir(), name+".png"))
			eval[bool](p, `(scrollTo(0, 1e6), true)`)
			p.save(filepath.Join(t.ArtifactDir(), name+"-end.png"))
			p.click("[data-name=tank] .bell")
			p.await(`dialog()`)
			p.click("dialog [value=custom]")
			p.readable()
			p.usable()
			p.fits()
			p.save(filepath.Join(t.ArtifactDir(), name+"-dialog.png"))
		})
	}
}
