package e2e_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// One letter leads to each view, to the search and to the sheet of keys, unless somebody types or has turned that off.
func TestLettersLeadThroughThePage(t *testing.T) {
	s := serve(t, "sources:\n  host:\n    title: Host\n    exec: [echo, hello]\n")
	p := open(t, s.url+"jobs", view{})
	p.await(`document.querySelector("[data-keys]").hidden === false`)
	p.stroke("g", "KeyG", 71)
	p.stroke("a", "KeyA", 65)
	p.do(chromedp.WaitVisible(chromedp.CSS(`.tabs [href="alerts"][aria-current]`)))
	p.await(`document.querySelector("[data-keys]").hidden === false`)
	p.stroke("j", "KeyJ", 74) // without g it moves

	p.stroke("/", "Slash", 191)
	p.await(`document.activeElement.type === "search"`)
	p.stroke("g", "KeyG", 71)
	p.stroke("o", "KeyO", 79)
	p.await(`document.activeElement.value === "go" && location.pathname === "/alerts"`)
	p.press("\x1b")
	p.await(`document.activeElement.value === ""`)
	p.press("\x1b")
	p.await(`document.activeElement === document.body`)

	// The sheet: no letter acts behind it.
	p.stroke("?", "Slash", 191)
	p.await(`document.querySelector("#keys").open && document.querySelector("#keys").contains(document.activeElement)`)
	p.stroke("g", "KeyG", 71)
	p.stroke("o", "KeyO", 79)
	p.click("#keys [type=checkbox]")
	p.press("\x1b")
	p.await(`!document.querySelector("#keys").open && location.pathname === "/alerts"`)
	p.stroke("/", "Slash", 191)
	p.stroke("?", "Slash", 191)
	if eval[bool](p, `document.querySelector("#keys").open || document.activeElement.type === "search"`) {
		t.Error("letters act although they are turned off")
	}
	p.do(chromedp.Navigate(s.url + "alerts"))
	p.press("\t")
	p.press("\t")
	p.await(`document.activeElement.matches("[data-keys]")`) // the sheet is still found
	p.press("\r")
	p.await(`document.querySelector("#keys").open && !document.querySelector("#keys [type=checkbox]").checked`)
}
