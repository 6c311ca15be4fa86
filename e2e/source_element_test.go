package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// sourceElements is a page of somebody with two elements that share a stream, and one beside them with its own title.
const sourceElements = `
	addEventListener("DOMContentLoaded", () => import("/tidewire.js").then(() => {
		for (const [name, label] of [["tank"], ["filler"], ["tank", "My tank"]]) {
			const one = document.createElement("tidewire-source");
			one.setAttribute("src", "/stream");
			one.setAttribute("name", name);
			if (label) { one.setAttribute("label", label); one.setAttribute("href", "/mine"); }
			document.body.append(one);
		}
	}));
	var said = () => [...document.querySelectorAll("tidewire-source")].map((one) => one.dataset.state + ": " + one.innerText.replace(/\s+/g, " ").trim()).join(" | ");`

func TestElementsShowSources(t *testing.T) {
	s := newScripted(t)
	clock := `{ const real = Date.now; window.ahead = 0; window.base = Date.parse("2026-11-29T12:00:00Z"); Date.now = () => base + ahead; }`
	p := open(t, s.url, view{before: clock + sourceElements})
	p.await(`said() === "lost: tank – not known | lost: filler – not known | lost: My tank – not known"`)
	event := func(source string) string { return "id: run-1\ndata: " + source + "\n\n" }
	tank := func(rest string) string {
		return event(`{"key":"source/tank","name":"tank","title":"Tank T-101","state":"ok","show":{"value":"level","unit":"%","decimals":1},` + rest + `}`)
	}
	filler := func(value string) string {
		return event(`{"key":"source/filler","name":"filler","title":"<b>Filler</b>","state":"ok","show":{},"value":` + value + `,"updated_at":"2026-11-29T11:56:00Z","stale_at":null,"alert":null}`)
	}
	const fresh = `"updated_at":"2026-11-29T12:00:00Z","stale_at":"2026-11-29T12:00:30Z"`

	s.say <- tank(`"value":{"temperature":20,"level":93.4},"alert":{"state":"firing"},` + fresh)
	s.say <- filler(`12345678901234567890`)
	p.await(`said() === "alert: Tank T-101 93.4 % alert just now | ok: <b>Filler</b> 12,345,678,901,234,567,890 ok 4 min ago | alert: My tank 93.4 % alert just now"`)
	if got := eval[string](p, `document.querySelector("tidewire-source:last-of-type .tidewire-title").getAttribute("href") + document.querySelectorAll("b b").length`); got != "/mine0" {
		t.Errorf("the link and markup of values: %q, want /mine0", got)
	}
	if got := s.streams.Load(); got != 1 {
		t.Errorf("three elements have %d streams, want 1", got)
	}

	// An alert that somebody has silenced is not one; words as on the page.
	for _, c := range [][2]string{
		{`{"state":"firing","silenced":{"by":"a"}}`, "silenced: Tank T-101 93.4 % silenced just now"},
		{`{"state":"firing","acknowledged":{"by":"a"}}`, "acknowledged: Tank T-101 93.4 % acknowledged just now"},
		{`{"state":"pending"}`, "pending: Tank T-101 93.4 % alert soon just now"},
		{`{"state":"unknown"}`, "unknown: Tank T-101 93.4 % alert unknown just now"},
		{`null`, "ok: Tank T-101 93.4 % ok just now"},
	} {
		s.say <- tank(`"value":{"level":93.4},"alert":` + c[0] + `,` + fresh)
		p.await(fmt.Sprintf(`said().startsWith(%q)`, c[1]))
	}
	for value, want := range map[string]string{
		`null`: "–", `true`: "yes", `"text"`: "text", `[1,2]`: "2 entries", `{"a":{"b":1}}`: "1 field", `1e308`: "1E308", `-0.25`: "-0.25",
		`"` + strings.Repeat("x", 300) + `"`: strings.Repeat("x", 199) + "…",
	} {
		s.say <- filler(value)
		p.await(fmt.Sprintf(`said().includes("<b>Filler</b> %s ok")`, want))
	}

	// What is too old is stale by the clock of the page, and nothing is claimed after a silence.
	eval[bool](p, `(ahead = 34_000, true)`)
	p.await(`said().startsWith("ok: Tank T-101 93.4 % ok 34 s ago")`)
	eval[bool](p, `(ahead = 36_000, true)`)
	p.await(`said().startsWith("lost: Tank T-101 93.4 % not known 36 s ago")`)
	s.say <- ":\n"
	p.await(`said().startsWith("stale: Tank T-101 93.4 % stale 36 s ago")`)

	// A machine whose clock is ahead shows the age that the promptest snapshot has proved.
	eval[bool](p, `(ahead = 3_600_000, true)`)
	s.say <- tank(`"value":{"level":1},"alert":null,"updated_at":"2026-11-29T12:00:40Z","stale_at":"2026-11-29T12:01:10Z"`)
	p.await(`said().startsWith("ok: Tank T-101 1.0 % ok just now")`)
	s.say <- event(`{"key":"source/tank","name":"tank","title":"","state":"removed","value":null,"show":{},"alert":null}`)
	p.await(`said().startsWith("removed: tank – removed")`)

	// The stream ends with the last element.
	eval[bool](p, `(document.querySelectorAll("tidewire-source").forEach((one) => one.remove()), true)`)
	<-s.left
}

// A gateway's stream of one source needs no name; one of a source that is not there says so.
func TestTheElementShowsASourceOfTheGateway(t *testing.T) {
	s := serve(t, "sources:\n  host:\n    title: Host\n    parse: json\n    exec: [echo, '{\"up\": 7}']\n    pick: {up: .up}\n    show: {value: up, unit: days}\n")
	p := open(t, s.url, view{})
	p.expect("status of 404")
	eval[bool](p, `(() => {
		for (const name of ["host", "none"]) {
			const one = document.createElement("tidewire-source");
			one.setAttribute("src", "/api/v1/stream?sources=" + name);
			document.querySelector("main").append(one);
		}
		return true;
	})()`)
	p.await(`document.querySelector("tidewire-source").innerText.startsWith("Host 7 days ok ")`)
	p.await(`document.querySelectorAll("tidewire-source")[1].innerText.includes("There is no such source.")`)
}
