package e2e_test

import (
	"fmt"
	"testing"
)

// The page follows the file: sources and jobs come and go, those that stay are left alone, and what is wrong with the
// file is said until it is mended. The stream brings what a source has to say that came with a reload.
func TestThePageFollowsTheConfiguration(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	base := tank(plant.url)
	s := serve(t, base)
	p := open(t, s.url, view{width: 1440, height: 900}) // there is room for jobs
	p.await(connectedTo("tank") + ` && value("tank") === "41.3"`)
	eval[bool](p, `(window.before = card("tank"), true)`)

	more := `  ticks: {exec: [date, +%N], every: 50ms, parse: text}
jobs:
  hello: {title: Say hello, exec: [echo, hello]}
`
	s.write(base + more)
	p.await(`text("ticks", ".state") === "ok" && document.querySelectorAll("#jobs > li").length === 1`)
	p.await(fmt.Sprintf(`value("ticks") !== %q`, eval[string](p, `value("ticks")`)))
	if !eval[bool](p, `before === card("tank")`) {
		t.Error("the card of a source that stays was built again")
	}

	s.write(base + more + "  broken: {}\n")
	p.await(`band().includes("tidewire.yaml is not in effect") && band().includes('job "broken"')`)
	if !eval[bool](p, `value("tank") === "41.3" && text("tank", ".state") === "ok"`) {
		t.Error("a file that is not valid has changed the page")
	}

	s.write(base)
	p.await(`band() === "" && !card("ticks") && document.querySelectorAll(".card").length === 1 && document.querySelectorAll("#jobs > li").length === 0`)
	plant.say(`{"level": 57}`)
	p.await(`value("tank") === "57.0"`)
}
