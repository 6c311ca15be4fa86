// Command draw writes the views of the page as static HTML, from the plant of internal/web/fixture, and takes pictures of
// them. It is how the page is designed before there is code for it:
//
//	go run ./draw -out DIR                              all views as HTML
//	go run ./draw -out DIR -shots DIR [-only NAMES]     and pictures of them, in each width and both colour schemes
//
// With pictures comes a check of what can be measured: no view scrolls sideways, no card or row is higher than 480 px, and,
// given a copy of axe-core by -axe, no view violates its rules.
package main

import (
	"bytes"
	"embed"
	"flag"
	"fmt"
	"html/template"
	"os"
	"path/filepath"

	"github.com/tidewire/tidewire/internal/theme"
)

//go:embed templates
var templates embed.FS

//go:embed page.css
var style string

func main() {
	out := flag.String("out", "", "the `directory` for HTML")
	shots := flag.String("shots", "", "the `directory` for pictures; empty: none are taken")
	only := flag.String("only", "", "a `pattern` of the views to take pictures of, such as overview*; empty: all")
	widths := flag.String("widths", "1440,390,1920", "the `widths` of the pictures")
	schemes := flag.String("schemes", "light,dark", "the colour `schemes` of the pictures")
	fold := flag.Bool("fold", false, "pictures of one screen alone")
	as := flag.String("as", "", "how it is shown besides: print, or forced (colours)")
	at := flag.Int("at", 0, "how many `pixels` down that screen begins")
	axe := flag.String("axe", "", "the `file` axe.min.js to check with; empty: no check")
	flag.Parse()
	if *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	err := write(*out)
	if err == nil && *shots != "" {
		err = shoot(shooting{from: *out, to: *shots, only: *only, widths: *widths, schemes: *schemes, axe: *axe, fold: *fold, at: *at, as: *as})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// write writes all views and their style to dir.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "page.css"), []byte(theme.CSS+"\n"+style), 0o644); err != nil {
		return err
	}
	all, err := template.New("").Funcs(functions).ParseFS(templates, "templates/*.html")
	if err != nil {
		return err
	}
	for _, v := range views() {
		var page bytes.Buffer
		if err := all.ExecuteTemplate(&page, v.template, v); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, v.name+".html"), page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
