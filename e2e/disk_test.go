package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The page says that state cannot be stored, and why, until it can. Values go on.
func TestThePageSaysThatTheStoreFails(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "store: {dir: '"+dir+"'}\nsources:\n  ticks: {exec: [date, +%N], every: 50ms, parse: text}\n")
	p := open(t, s.url, view{})
	p.await(connectedTo("ticks") + ` && text("ticks", ".state") === "ok"`)
	if got := eval[string](p, `band()`); got != "" {
		t.Errorf("while the store works a band says %q", got)
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
	p.await(`band().includes("State cannot be stored") && band().includes("replaced by another file")`)
	p.readable()
	p.await(fmt.Sprintf(`value("ticks") !== %q`, eval[string](p, `value("ticks")`)))
	move(file+".aside", file)
	p.await(`band() === ""`)
}
