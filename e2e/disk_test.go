package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The page says that state cannot be stored, and why, until it can. Values go on.
func TestThePageSaysThatTheStoreFails(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "store: {dir: '"+dir+"'}\nsources:\n  ticks: {exec: [date, +%N], every: 50ms, parse: text}\n")
	p := open(t, s.url, view{})
	p.await(`card("ticks") && card("ticks").querySelector(".state").textContent.trim() === "ok"`)
	if !eval[bool](p, `document.getElementById("store-problem").hidden`) {
		t.Error("the banner is there while the store works")
	}
	file := filepath.Join(dir, "tidewire.db")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(file, file+".aside")
	if err := os.WriteFile(file, []byte("another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.await(`!document.getElementById("store-problem").hidden &&
		document.getElementById("store-problem").querySelector("pre").textContent.includes("replaced by another file")`)
	first := p.text("ticks", ".figure")
	p.await(`text("ticks", ".figure") !== ` + "`" + first + "`")
	move(file+".aside", file)
	p.await(`document.getElementById("store-problem").hidden`)
}
