package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// wakes is a plant whose tank is nearly full, and tells somebody who can be reached and somebody who cannot.
func wakes(t *testing.T) string {
	t.Helper()
	plant := newUpstream(t, `{"level": 93.5}`)
	phone := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(phone.Close)
	return `
notify: {phone: {http: "` + phone.URL + `"}}
upstreams: {plant: {http: "` + plant.url + `"}}
sources:
  tank: {title: Tank T-101, section: Plant/Line 1, http: {upstream: plant, path: /}, every: 50ms, pick: {level: .level}, show: {value: level}, alert: {if: .level > 90, severity: critical, notify: phone}}
  pump: {title: Pump, section: Plant/Line 2, http: {upstream: plant, path: /}, every: 50ms, stale_after: 1h}
`
}

// Somebody sees what fires and who was told, acknowledges it, silences the section around it in a dialog until a time of their
// own day, and ends that again. The page stays where it is.
func TestAlertsAreHandledOnTheirPage(t *testing.T) {
	s := serve(t, wakes(t))
	p := open(t, s.url+"alerts", view{zone: "Asia/Tokyo"})
	p.expect("status of 422")
	const tank = `document.querySelector('[data-key="source/tank"]')`
	p.await(tank + `.dataset.state === "alert" && ` + tank + `.innerText.includes("phone was told")`)
	if got := eval[string](p, tank+`.querySelector(".state").textContent + ": " + `+tank+`.querySelector(".why").textContent.trim()`); got != "critical: level > 90 · now 93.5" {
		t.Errorf("the alert says %q", got)
	}
	p.readable()
	p.click(`[data-key="source/tank"] form button`)
	p.await(tank + `.dataset.state === "acknowledged" && ` + tank + `.innerText.includes("acknowledged by somebody")`)

	p.click(`[data-key="source/tank"] a[data-dialog]`)
	p.await(`dialog() && document.activeElement.name === "of" && dialog().querySelector("[name=zone]").value === "Asia/Tokyo"`)
	if got := eval[[]string](p, `[...dialog().querySelectorAll("option")].map((n) => n.textContent)`); strings.Join(got, ", ") != "Tank T-101, Everything in Plant/Line 1, Everything in Plant, Everything of plant, Everything" {
		t.Errorf("the dialog offers %q", got)
	}
	eval[bool](p, `dialog().querySelector("select").value = "section/Plant/Line 1", true`)
	p.click(`dialog label:has([value=time])`)
	p.await(`dialog().querySelector("#until").checkVisibility()`)
	eval[bool](p, `dialog().querySelector("#until").value = "2020-01-01T00:00", true`)
	p.fill("dialog #reason", "new cameras")
	p.click("dialog button.primary")
	p.await(`document.activeElement.id === "until" && dialog().querySelector('[data-problem=until]').textContent.includes("in the past")`)
	p.readable()
	eval[bool](p, `dialog().querySelector("#until").value = new Date(Date.now() + 26 * 3600_000 + 9 * 3600_000).toISOString().slice(0, 16), true`)
	p.click("dialog button.primary")
	p.await(`!dialog() && ` + tank + `.dataset.state === "silenced"`)
	p.await(`document.querySelector('[data-part=silences]').innerText.includes("Everything in Plant/Line 1") && document.querySelector('[data-part=silences]').innerText.includes("new cameras")`)
	if got := eval[string](p, `document.querySelector("[data-left]").textContent`); got != "25 h" && got != "26 h" {
		t.Errorf("the silence lasts %s, want the 26 h until that time in Tokyo", got)
	}
	p.click(`[data-part=silences] form button`)
	p.await(tank + `.dataset.state === "acknowledged" && document.querySelector('[data-part=silences]').innerText.includes("Nothing is silenced")`)
	if got := eval[string](p, `location.pathname`); got != "/alerts" {
		t.Errorf("the page is at %s", got)
	}
}

// Every width and scheme has all of it, without scrolling sideways.
func TestThePageOfAlertsFits(t *testing.T) {
	s := serve(t, wakes(t))
	for _, v := range []view{{width: 1440, height: 900, scheme: "light"}, {width: 390, height: 844}, {width: 320, height: 640, scheme: "light"}} {
		p := open(t, s.url+"alerts", v)
		p.await(`document.querySelector('[data-key="source/tank"]')`)
		p.fits()
		p.readable()
		p.goTo(s.url + "alerts/silence?of=source/tank")
		p.await(`document.querySelector("[name=for]")`)
		p.fits()
		p.readable()
	}
}

// Silencing from the overview leaves the overview where it is.
func TestASilenceFromTheOverview(t *testing.T) {
	s := serve(t, wakes(t))
	p := open(t, s.url, view{width: 1440, height: 900})
	const row = `.attention [data-key="source/tank"]`
	p.await(`document.querySelector(".connection").dataset.state === "live" && document.querySelector('` + row + ` button')`)
	p.click(row + " button")
	p.await(`dialog()?.querySelector("[name=of]").value === "source/tank"`)
	p.click("dialog button.primary")
	p.await(`!dialog() && !document.querySelector('` + row + `') && document.querySelector(".verdict").innerText.includes("silenced Tank T-101")`)
	if got := eval[string](p, `location.pathname`); got != "/" {
		t.Errorf("the page is at %s, want the overview", got)
	}
	p.await(`document.querySelector("#events").innerText.includes("silenced")`)
}

// A session that ends asks to sign in over what is there, also over a dialog with something half written, which stays. Where anybody may
// look the stream has no reason to tell, and a form that is refused does.
func TestSignedOutInPlace(t *testing.T) {
	const leave = `fetch("/auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).then((r) => r.ok)`
	const signedOut = `[...document.querySelectorAll("dialog[open]")].at(-1)?.querySelector("h1").textContent === "Signed out"`
	enter := func(p *page, token string) {
		p.await(`[...document.querySelectorAll("dialog[open]")].at(-1)?.querySelector("[name=token]") === document.activeElement`)
		eval[bool](p, `document.activeElement.value = "", true`)
		p.press(token + "\r")
	}
	for _, anonymous := range []string{"none", "viewer"} {
		t.Run(anonymous, func(t *testing.T) {
			s := serve(t, wakes(t)+guarded(anonymous))
			p := open(t, s.url+"auth/login?return=/alerts", view{})
			p.expect("status of 401")
			p.fill("#token", "operator-secret")
			p.press("\r")
			p.goes(`location.pathname === "/alerts" && document.querySelector('[data-key="source/tank"] a[data-dialog]') && document.querySelector(".connection").dataset.state === "live"`)
			p.click(`[data-key="source/tank"] a[data-dialog]`)
			p.await(`dialog()?.querySelector("#reason")`)
			p.fill("dialog #reason", "half a reas")
			eval[bool](p, leave)
			if anonymous == "viewer" {
				p.click("dialog button.primary")
			}
			p.await(signedOut)
			p.readable()
			enter(p, "wrong")
			p.await(`[...document.querySelectorAll("dialog[open]")].at(-1).innerText.includes("This token is not valid.")`)
			enter(p, "operator-secret")
			p.await(`document.querySelectorAll("dialog[open]").length === 1 && dialog().querySelector("#reason").value === "half a reas"`)
			p.await(`document.querySelector(".connection").dataset.state === "live"`)
			p.click("dialog button.primary")
			p.await(`!dialog() && document.querySelector('[data-key="source/tank"]').dataset.state === "silenced"`)
		})
	}
}

// Every page says that the file is not in effect, until it is mended.
func TestABandTellsOfTheConfiguration(t *testing.T) {
	yaml := wakes(t)
	s := serve(t, yaml)
	overview := open(t, s.url, view{})
	alerts := overview.tab(s.url+"alerts", view{width: 390, height: 844})
	for _, p := range []*page{overview, alerts} {
		p.await(`document.querySelector(".connection").dataset.state === "live"`)
	}
	s.write(yaml + "jobs: {broken: {}}\n")
	for _, p := range []*page{overview, alerts} {
		p.await(`((band) => band?.innerText.includes("tidewire.yaml is not in effect") && band.innerText.includes('job "broken"') && !band.querySelector("button").checkVisibility())(document.querySelector(".band"))`)
		p.fits()
		p.readable()
	}
	s.write(yaml)
	for _, p := range []*page{overview, alerts} {
		p.await(`!document.querySelector(".band")`)
	}
	alerts.goTo(s.url + "replicas")
	alerts.await(`document.body.innerText.includes("shares its store with no other")`)
	alerts.fits()
}
