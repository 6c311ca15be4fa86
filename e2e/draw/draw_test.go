package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every view is written whole, and none of them needs what the page's policy forbids: inline styles, scripts, addresses of
// others.
func TestViewsAreWritten(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	for _, v := range views() {
		data, err := os.ReadFile(filepath.Join(dir, v.name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		page := string(data)
		if !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
			t.Errorf("%s ends in %q", v.name, page[max(0, len(page)-40):])
		}
		for _, bad := range []string{" style=", "<script", "onclick=", "ZgotmplZ", "<no value>"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s contains %q", v.name, bad)
			}
		}
	}
}
