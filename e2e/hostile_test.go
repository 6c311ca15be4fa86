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
	p.await(`text("tank", ".figure").startsWith('"><img')`)
	p.click(runScan)
	p.await(`dialog() && dialog().querySelector("label").textContent.startsWith('"><img')`)
	p.fits()
	p.click(submit)
	work := s.Begun()
	if want := `"\"><img src=x onerror=\"pwned=1\"><script>pwned=1</script>"`; !strings.Contains(work.Args, want) {
		t.Errorf("the job runs with %s, want %s in it", work.Args, want)
	}
	work.Print(strings.Repeat("z", 1<<20))
	work.Print("\x1b[31mred\x1b[0m \x1b]0;title\x07" + markup + " \x00\u202e" + strings.Repeat("y", 4000))
	work.Print(`::result {` + string(quoted) + `: [{` + string(quoted) + `: ` + string(quoted) + `}]}`)
	p.await(`text("scan", ".message").startsWith('red "><img')`)
	work.Exit(1)
	p.await(`card("scan").dataset.state === "failed" && text("scan", "table").startsWith('"><img')`)
	p.click("[data-name=scan] .output summary")
	p.await(`text("scan", "pre").includes("yyyy")`)
	if got := p.text("scan", "pre") + p.text("scan", ".message"); strings.ContainsAny(got, "\x1b\x07\x00\u202e") {
		t.Error("control characters reached the page, want them removed or replaced")
	}
	if !eval[bool](p, `document.images.length === 0 && document.scripts.length === 1 && typeof pwned === "undefined"`) {
		t.Error("markup came alive, want text")
	}
}
