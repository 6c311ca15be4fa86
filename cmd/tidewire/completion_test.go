package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completions are what a shell is offered for a command line whose last word is begun.
func completions(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	code, stdout, _ := tidewire(t, append([]string{"__complete"}, args...)...)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if code != 0 {
		t.Fatalf("__complete %q = %d, %s", args, code, stdout)
	}
	words, directive = lines[:len(lines)-1], lines[len(lines)-1]
	slices.Sort(words)
	return words, directive
}

const (
	noFiles    = ":4" // cobra.ShellCompDirectiveNoFileComp
	noSpace    = ":6" // and NoSpace
	extensions = ":8" // cobra.ShellCompDirectiveFilterFileExt

)

func TestCompletion(t *testing.T) {
	config := file(t, `version: 1
sources:
  tank: {title: "Tank \u202eT", exec: [echo, '1']}
  load: {exec: [echo, '1']}
jobs:
  scan: {title: Scan the net, exec: ['true', '{net}', '{mode}'], args: {net: {type: cidr, title: Subnet, default: 10.0.0.0/8}, mode: {type: enum, values: [fast, slow], default: fast}}}
  sync: {exec: ['true']}
`)
	r := begin(t, "serve", "--listen", "127.0.0.1:0", config)
	for _, c := range []struct {
		args      []string
		want      string
		directive string
	}{
		{[]string{"serve", ""}, "yaml yml", extensions},
		{[]string{"check", "a.yaml", ""}, "", noFiles},
		{[]string{"explain", config, ""}, "load|scan\tScan the net|sync|tank\tTank \ufffdT", noFiles},
		{[]string{"explain", config + "x", ""}, "", noFiles},
		{[]string{"check", "--format", ""}, "github|json|text", noFiles},
		{[]string{"serve", "--log-level", ""}, "debug|error|info|warn", noFiles},
		{[]string{"run", "--url", r.url, ""}, "scan\tScan the net|sync", noFiles},
		{[]string{"run", "--url", r.url, "scan", ""}, "mode=|net=\tSubnet", noSpace},
		{[]string{"run", "--url", r.url, "scan", "net=x", "mode="}, "mode=|mode=fast|mode=slow", noSpace},
		{[]string{"run", "--url", "http://127.0.0.1:1", ""}, "", noFiles},
		{[]string{"watch", r.url, ""}, "load|tank\tTank \ufffdT", noFiles},
	} {
		words, directive := completions(t, c.args...)
		want := strings.Split(strings.ReplaceAll(c.want, " yml", "|yml"), "|")
		if c.want == "" {
			want = nil
		}
		if !slices.Equal(words, want) || directive != c.directive {
			t.Errorf("completions of %q are %q with %s, want %q with %s", c.args, words, directive, want, c.directive)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, stderr := tidewire(t, "completion", shell); code != 0 || !strings.Contains(stdout, "__complete") {
			t.Errorf("completion %s = %d, %s", shell, code, stderr)
		}
	}
}

// Every command that is shown has a text, an example and a page of the manual, which man(1) can show.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, stderr := tidewire(t, "man", dir); code != 0 {
		t.Fatalf("man = %d, %s", code, stderr)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("there are %d pages, %v, want one for each command", len(pages), err)
	}
	for _, file := range pages {
		name := strings.TrimSuffix(filepath.Base(file), ".1")
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{".TH " + strings.ToUpper(strings.ReplaceAll(name, "-", `\-`)) + " 1", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH EXAMPLES\n"} {
			if !strings.Contains(string(page), section) {
				t.Errorf("the page of %s has no %s:\n%s", name, section, page)
			}
		}
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc, which would check the pages, is not installed")
	}
	if out, err := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "error"}, pages...)...).CombinedOutput(); err != nil {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// Nothing in a text is taken for a request of roff.
func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		".SH x":      `\&.SH x`,
		"a\n.b":      "a\n\\&.b",
		"'quoted'":   `\(aqquoted\(aq`,
		`back\slash`: `back\eslash`,
		"--url":      `\-\-url`,
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}
