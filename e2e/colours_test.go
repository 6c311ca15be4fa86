package e2e_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// What a program prints in colours is shown in them: the script draws lines that come as the server has drawn those before. A search finds
// text across colours, and what is shown can be read in both schemes.
func TestALogHasTheColoursOfItsProgram(t *testing.T) {
	s := scripttest.New(t)
	g := serve(t, "jobs: {report: {exec: "+s.Argv()+"}}\n")
	for _, scheme := range []string{"light", "dark"} {
		p := open(t, g.url+"jobs", view{scheme: scheme})
		p.click(`[data-key="job/report"] .act button`)
		work := s.Begun()
		p.await(`document.querySelector('[data-key="job/report"]').dataset.state === "running"`)
		p.click(`[data-key="job/report"] .title`)
		p.goes(`location.pathname === "/jobs/report" && document.querySelector('main a[href*="runs/"]')`)
		p.click(`main a[href*="runs/"]`)
		p.goes(`location.pathname.startsWith("/runs/") && document.querySelector(".log.live")`)
		work.Write(`plain <b>\n`)
		work.Write(`a 💧 \x1b[1;31mfail\x1b[32med\x1b[0m 水 \x1b[3;4mslanted\x1b[0m\n`)
		for _, colour := range strings.Fields("30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97 1 2 7 31;7 34;2 38;5;208 38;2;1;2;250") {
			work.Write(`\x1b[` + colour + `mcolour ` + colour + `\x1b[0m\n`)
		}
		const drawn = `[...document.querySelectorAll(".log li > span")].map((n) => n.innerHTML).join("\n")`
		p.await(`document.querySelectorAll(".log li").length === 25`)
		live := eval[string](p, drawn)
		if want := `a 💧 <span class="sgr red bold">fail</span><span class="sgr green bold">ed</span> 水 <span class="sgr italic underline">slanted</span>`; strings.Split(live, "\n")[1] != want {
			t.Errorf("%s: the script draws %s, want %s", scheme, strings.Split(live, "\n")[1], want)
		}
		if got, want := eval[string](p, `getComputedStyle(document.querySelector(".sgr.magenta")).color`), eval[string](p, `(() => {
			const n = document.body.appendChild(document.createElement("i"));
			n.style.color = "var(--magenta)";
			const color = getComputedStyle(n).color;
			n.remove();
			return color;
		})()`); got != want {
			t.Errorf("%s: magenta is %s, want the token's, %s", scheme, got, want)
		}
		p.readable()
		p.accessible("a log in colours, " + scheme)
		other := p.tab(eval[string](p, `location.href`), view{scheme: scheme})
		other.await(`document.querySelector(".log.live")`)
		if got := eval[string](other, drawn); got != live {
			t.Errorf("%s: the server draws\n%s\nwant what the script draws:\n%s", scheme, got, live)
		}
		other.fill(`.log-tools input`, "failed")
		other.await(`document.querySelectorAll(".log mark").length === 2 && document.querySelector(".sgr.green mark").textContent === "ed" && document.querySelector(".log-hits").textContent === "1 of 1"`)
		other.accessible("a hit in colours, " + scheme)
		eval[bool](other, `((input) => { input.value = ""; return input.dispatchEvent(new Event("input")); })(document.querySelector(".log-tools input"))`)
		if got := eval[string](other, drawn); got != live {
			t.Errorf("%s: after a search the script draws\n%s\nof what the server has drawn, want\n%s", scheme, got, live)
		}
		other.close()
		work.Exit(0)
		p.await(`document.querySelector(".head").dataset.state === "ok"`)
		p.close()
	}
}
