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
	t.Parallel() // it waits most of the time
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
	fresh := eval[string](p, `holds(() => connection() === "live" && value("tank") === "41" && value("well") === "41")
		.then(() => getComputedStyle(document.querySelector("main")).filter)`)
	said := `document.querySelector(".connection").innerText.trim()`

	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eval[bool](p, `hurry(20_000)`) // one heartbeat may be late
	p.await(`text("tank", ".foot").includes("2")`)
	if got, want := eval[string](p, said), "Live"; got != want {
		t.Errorf("after 20 s of silence the connection is %q, want %q", got, want)
	}

	eval[bool](p, `hurry(40_000)`)
	p.await(`connection() === "no answer" && band().startsWith("No connection since")`)
	p.await(`document.getElementById("announcer").textContent.includes("values may be old")`)
	p.await(`getComputedStyle(document.querySelector("main")).filter !== "` + fresh + `"`)
	p.await(`card("tank").dataset.state === "ok" && document.querySelector("h1").innerText.startsWith("Not known since")`)
	p.readable()

	eval[bool](p, `hurry(80_000)`)
	p.await(`card("tank").dataset.state === "stale" && card("well").dataset.state === "ok"`)
	p.await(`text("tank", ".line") === "No connection to the gateway"`)
	p.fits()
	p.readable()

	eval[bool](p, `hurry(0)`)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.await(`connection() === "live" && card("tank").dataset.state === "ok" && !band()`)
	p.await(`document.getElementById("announcer").textContent.includes("The server answers again")`)
	p.await(`getComputedStyle(document.querySelector("main")).filter === "` + fresh + `"`)
}
