package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// The page follows the file: sources and jobs come and go, those that stay are left alone, and what is wrong with the
// file is said until it is mended. The stream brings what a source has to say that came with a reload.
func TestThePageFollowsTheConfiguration(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	base := tank(plant.url)
	s := serve(t, base)
	p := open(t, s.url, view{})
	p.await(`text("tank", ".figure") === "41.3"`)
	eval[bool](p, `(window.before = card("tank"), true)`)

	more := `  ticks: {exec: [date, +%N], every: 50ms, parse: text}
jobs:
  hello: {title: Say hello, exec: [echo, hello]}
`
	s.write(base + more)
	p.await(`card("ticks") && card("ticks").querySelector(".state").textContent.trim() === "ok"`)
	p.await(`document.querySelectorAll("#job-list > li").length === 1`)
	first := p.text("ticks", ".figure")
	p.await(fmt.Sprintf(`text("ticks", ".figure") !== %q`, first))
	if !eval[bool](p, `before === card("tank")`) {
		t.Error("the card of a source that stays was built again")
	}

	s.write(base + more + "  broken: {}\n")
	p.await(`!document.getElementById("config-problem").hidden`)
	if got := eval[string](p, `document.getElementById("config-problem").textContent`); !strings.Contains(got, "tidewire.yaml") || !strings.Contains(got, `job "broken"`) {
		t.Errorf("the banner says %q, want the file and what is wrong", got)
	}
	if !eval[bool](p, `text("tank", ".figure") === "41.3" && text("tank", ".state") === "ok"`) {
		t.Error("a file that is not valid has changed the page")
	}

	s.write(base)
	p.await(`document.getElementById("config-problem").hidden`)
	p.await(`!card("ticks") && document.querySelectorAll("#source-list > li").length === 1 && document.querySelectorAll("#job-list > li").length === 0`)
	plant.say(`{"level": 57}`)
	p.await(`text("tank", ".figure") === "57.0"`)
}
