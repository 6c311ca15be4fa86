package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// Whatever sources, jobs and people say is text on the page, and stays in its card.
func TestHostileOutputIsText(t *testing.T) {
	const markup = `"><img src=x onerror="pwned=1"><script>pwned=1</script>`
	quoted, _ := json.Marshal(markup)
	plant := newUpstream(t, `{"level": `+string(quoted)+`, `+string(quoted)+`: "`+strings.Repeat("x", 5000)+`"}`)
	s := scripttest.New(t)
	g := serve(t, strings.ReplaceAll(tank(plant.url), "Tank T-101", "'"+markup+strings.Repeat("W", 200)+"'")+`
jobs:
  scan:
    title: 'بحث في الشبكة `+markup+`'
    exec: `+s.Argv("{label}")+`
    args: {label: {type: string, title: '`+markup+`', default: '`+markup+`'}}
`)
	p := open(t, g.url, view{width: 390, height: 844})
	p.await(`connection() === "live" && text("tank", ".text").startsWith('"><img')`)
	plain := func(where string) {
		t.Helper()
		p.fits()
		if !eval[bool](p, `document.images.length === 0 && [...document.scripts].every((n) => n.src) && typeof pwned === "undefined"`) {
			t.Errorf("%s: markup came alive, want text", where)
		}
		if got := eval[string](p, `document.title + document.body.innerText`); strings.ContainsAny(got, "\x1b\x07\x00\u202e") {
			t.Errorf("%s: control characters reached the page, want them removed or replaced", where)
		}
	}
	plain("the overview")
	p.goTo(g.url + "jobs")
	p.await(`connection() === "live"`)
	p.click(startScan)
	p.await(`dialog() && dialog().querySelector("label").textContent.startsWith('"><img')`)
	plain("the form")
	p.click(submitStart)
	work := s.Begun()
	if want := `"\"><img src=x onerror=\"pwned=1\"><script>pwned=1</script>"`; !strings.Contains(work.Args, want) {
		t.Errorf("the job runs with %s, want %s in it", work.Args, want)
	}
	work.Print(strings.Repeat("z", 1<<20))
	work.Print("\x1b[31mred\x1b[0m \x1b]0;title\x07" + markup + " \x00\u202e" + strings.Repeat("y", 4000))
	work.Print("::stage " + markup)
	work.Print(`::result {` + string(quoted) + `: [{` + string(quoted) + `: ` + string(quoted) + `}]}`)
	p.await(`text("scan", ".line").startsWith('red "><img')`)
	work.Exit(1)
	p.await(`card("scan").dataset.state === "failing"`)
	plain("the list of jobs")
	p.goTo(g.url + "jobs/scan")
	p.await(`document.querySelector("h1").innerText.includes('"><img')`)
	plain("the page of the job")
	p.goTo(g.url + "sources/tank")
	p.await(`document.querySelector("h1").innerText.includes('"><img')`)
	plain("the page of the source")
	p.goTo(g.url + "runs/" + g.lastRun("scan"))
	p.await(`document.querySelector(".log").innerText.includes('red "><img') && document.querySelector(".log").innerText.includes("yyyy")`)
	p.await(`document.querySelector(".stages").innerText.includes('"><img') && document.querySelector("pre[aria-label=Result]").innerText.includes("<script>")`)
	plain("the page of the run")
	if n := eval[int](p, `document.body.innerText.length`); n > 100_000 {
		t.Errorf("the page of the run shows %d characters, want a part of them", n)
	}
}
