package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

func TestPage(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"logo.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`, "logo.png": "\x89PNG\r\n\x1a\n", "site.css": ":root { --accent: #a40; }",
		"page.html": "<html><svg></svg></html>", "latin.css": "a{content:'\xe4'}", "huge.css": strings.Repeat(" ", 128<<10+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(page string) (*config.Config, config.Problems) {
		return config.Load(filepath.Join(dir, "t.yaml"), []byte("version: 1\nsources: {a: {exec: [date]}}\n"+page))
	}
	c, problems := load("page: {title: Plant 7, logo: logo.svg, css: site.css, embed: [https://Wiki.example.com:8443/, 'http://[::1]']}")
	if problems != nil {
		t.Fatal(problems)
	}
	p := c.Page
	if p.Title != "Plant 7" || p.Logo.Type != "image/svg+xml" || !bytes.HasPrefix(p.Logo.Data, []byte("<svg")) ||
		p.CSS.Type != "text/css; charset=utf-8" || p.CSS.Name != filepath.Join(dir, "site.css") ||
		!slices.Equal(p.Embed, []string{"https://wiki.example.com:8443", "http://[::1]"}) {
		t.Errorf("page = %+v", p)
	}
	if c, problems = load("page: {logo: logo.png, embed: https://a.example}"); problems != nil || c.Page.Title != "Tidewire" ||
		c.Page.Logo.Type != "image/png" || c.Page.CSS != nil || len(c.Page.Embed) != 1 {
		t.Errorf("page = %+v, %v", c.Page, problems)
	}
	if c, problems = load(""); problems != nil || c.Page.Title != "Tidewire" || c.Page.Logo != nil || c.Page.Embed != nil {
		t.Errorf("page = %+v, %v", c.Page, problems)
	}

	for page, want := range map[string]string{
		"{title: ''}":  "t.yaml:3:15: title is empty",
		"{title: ' '}": "t.yaml:3:15: title is empty",
		"{title: " + strings.Repeat("x", 61) + "}":         "title has 61 characters, write at most 60",
		"{logo: none.svg}":                                 `logo: "none.svg" cannot be read: no such file or directory`,
		"{logo: page.html}":                                `logo: "page.html" is not an image in SVG, PNG, JPEG, GIF or WebP`,
		"{logo: site.css}":                                 `logo: "site.css" is not an image`,
		"{logo: .}":                                        `logo: "." is not a regular file`,
		"{css: latin.css}":                                 `css: "latin.css" is not a style sheet in UTF-8`,
		"{css: logo.png}":                                  `css: "logo.png" is not a style sheet in UTF-8`,
		"{css: huge.css}":                                  `css: "huge.css" cannot be used: `,
		"{embed: '*'}":                                     `embed: "*" is not an http or https origin, write an origin such as https://wiki.example.com`,
		"{embed: [wiki.example.com]}":                      `embed: "wiki.example.com" is not an http or https origin`,
		"{embed: ['https://*.example.com']}":               `is not an http or https origin`,
		"{embed: [\"https://a.example; script\"]}":         `is not an http or https origin`,
		"{embed: [https://a.example/wiki]}":                `has more than scheme, host and port`,
		"{embed: ['https://a:b@c.example']}":               `has more than scheme, host and port`,
		"{embed: ['https://a.example:0']}":                 `has a port that is not 1 to 65535`,
		"{embed: [https://a.example, https://A.example/]}": `embed has "https://A.example/" twice, remove one of them`,
		"{embed: []}":                                      "embed is an empty list",
		"{theme: site.css, colour: red}":                   `unknown key "theme" in page, did you mean "css"?`,
		"dark":                                             "page is a text",
	} {
		if _, problems := load("page: " + page); problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("page: %s\n  = %v\n want %s", page, problems, want)
		}
	}
}

// A change of the style sheet is a change of the configuration.
func TestPageFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	file, sheet := filepath.Join(dir, "t.yaml"), filepath.Join(dir, "site.css")
	write := func(name, data string) {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "version: 1\nsources: {a: {exec: [date]}}\npage: {css: site.css}\n")
	write(sheet, "a{}")
	before, files, err := config.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed := files.Look(); changed {
		t.Error("the files have changed before anybody wrote")
	}
	write(sheet, "b{color:red}")
	if _, changed := files.Look(); !changed {
		t.Error("the style sheet was written, and the files have not changed")
	}
	after, _, err := config.Open(file)
	if err != nil || config.Same(before.Page, after.Page) {
		t.Errorf("the page is the same with another style sheet, %v", err)
	}
}
