//go:build unix

package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
)

// impatient is JavaScript after which requests of the page, other than the stream, are given up after 300 ms.
const impatient = `
	AbortSignal.timeout = ((timeout) => (ms) => timeout(ms === 30_000 ? 300 : ms))(AbortSignal.timeout.bind(AbortSignal));
`

// A server that stands still keeps its connections: nothing fails, and nothing arrives. The page goes by its own clock.
func TestAServerThatStandsStillIsNoticed(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	g := &server{t: t, file: t.TempDir() + "/tidewire.yaml"}
	g.write(fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank: {title: Tank T-101, http: {upstream: plant, path: /}, every: 1h, stale_after: 50s, show: {value: level}}
  well: {http: {upstream: plant, path: /}, every: 1h, stale_after: 1h, show: {value: level}}
`, plant.url))
	addr, process, _ := spawn(t, g.file, "127.0.0.1:0")
	p := open(t, "http://"+addr+"/", view{before: hurried + impatient})
	p.expect(`network: Failed to load resource: net::`)
	fresh := eval[string](p, `holds(() => connection() === "live" && text("tank", ".figure") === "41" && text("well", ".figure") === "41")
		.then(() => getComputedStyle(card("well").querySelector(".figure")).color)`)
	said := `document.getElementById("connection").innerText.trim()`

	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eval[bool](p, `hurry(20_000)`) // one heartbeat may be late
	p.await(`text("tank", ".age").includes("2")`)
	if got, want := eval[string](p, said), "Live"; got != want {
		t.Errorf("after 20 s of silence the connection is %q, want %q", got, want)
	}

	eval[bool](p, `hurry(40_000)`)
	p.await(`connection() === "silent" && /^No answer for 4\d s$/.test(` + said + `)`)
	p.await(`document.getElementById("announcer").textContent.includes("No answer from the server")`)
	p.await(`getComputedStyle(card("well").querySelector(".figure")).color !== "` + fresh + `"`)
	p.await(`card("tank").dataset.state === "ok" && document.title === "Tidewire"`)
	p.readable()

	eval[bool](p, `hurry(80_000)`)
	p.await(`card("tank").dataset.state === "stale" && card("well").dataset.state === "ok"`)
	p.await(`text("tank", ".error").startsWith("nothing newer has reached this page")`)
	p.await(`document.title === "(1) Tidewire" && document.querySelector(".filter[data-state=stale] b").textContent === "1"`)
	p.fits()
	p.readable()

	p.click("[data-name=well] .refresh")
	p.await(`text("well", ".problem") === "The server does not answer."`)

	eval[bool](p, `hurry(0)`)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.click("[data-name=tank] .refresh") // the next heartbeat would do as well
	p.await(`connection() === "live" && card("tank").dataset.state === "ok" && text("tank", ".error") === ""`)
	p.await(`document.getElementById("announcer").textContent.includes("The server answers again")`)
	p.await(`getComputedStyle(card("well").querySelector(".figure")).color === "` + fresh + `"`)
}
