package gateway_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What a run has printed is answered whole, by range and as a file, whether it has ended or not.
func TestOutputByRange(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: queue"))
	id := of(s.trigger(202, 1), "id")
	at := "/api/v1/runs/" + id + "/output"
	p := script.Begun()
	p.Print("0123456789")
	s.output(id, 0, "Prefer", "wait=20")
	check := func(want int, text, contentRange string, header ...string) http.Header {
		t.Helper()
		status, h, body := s.do("GET", at, "", header...)
		if status != want || want < 300 && body != text || h.Get("Content-Range") != contentRange {
			t.Errorf("%v = %d %q %q, want %d %q %q", header, status, body, h.Get("Content-Range"), want, text, contentRange)
		}
		return h
	}
	if h := check(200, "0123456789\n", ""); h.Get("ETag") != "" || h.Get("Accept-Ranges") != "bytes" || h.Get("Tidewire-Next") != "11" {
		t.Errorf("the header while it runs is %v, want no version of what grows", h)
	}
	check(206, "234", "bytes 2-4/*", "Range", "bytes=2-4")
	check(206, "9\n", "bytes 9-10/*", "Range", "bytes=-2")
	check(200, "0123456789\n", "", "Range", "bytes=2-4", "If-Range", `"x"`)
	for _, beyond := range []string{"bytes=11-", "bytes=99999999999999999999-", "bytes=9223372036854775807-9223372036854775807"} {
		check(416, "", "bytes */11", "Range", beyond)
	}
	p.Exit(0)
	s.ended(id)
	h := check(200, "0123456789\n", "")
	tag := h.Get("ETag")
	if tag == "" || h.Get("Tidewire-End") != "true" || h.Get("Content-Length") != "11" {
		t.Errorf("the header after the end is %v, want a version", h)
	}
	check(304, "", "", "If-None-Match", tag)
	for wanted, want := range map[string][2]string{
		"bytes=0-0": {"0", "bytes 0-0/11"}, "bytes=0-": {"0123456789\n", "bytes 0-10/11"}, "bytes=5-100": {"56789\n", "bytes 5-10/11"},
		"bytes=-100": {"0123456789\n", "bytes 0-10/11"}, "bytes=-99999999999999999999": {"0123456789\n", "bytes 0-10/11"},
		"bytes=9-99999999999999999999": {"9\n", "bytes 9-10/11"}, "Bytes=2-3": {"23", "bytes 2-3/11"},
	} {
		check(206, want[0], want[1], "Range", wanted)
		check(206, want[0], want[1], "Range", wanted, "If-Range", tag)
	}
	for _, other := range []string{"bytes=1-0", "bytes=1-2,4-5", "lines=1-2", "bytes=x-", "bytes=-", "bytes=+1-2", "bytes=1-+2", "bytes"} {
		check(200, "0123456789\n", "", "Range", other)
	}
	check(200, "0123456789\n", "", "Range", "bytes=0-1", "If-Range", `"other"`)
	check(416, "", "bytes */11", "Range", "bytes=11-12")
	check(416, "", "bytes */11", "Range", "bytes=-0")
	status, h, body := s.do("HEAD", at, "", "Range", "bytes=2-4")
	if status != 200 || body != "" || h.Get("Content-Length") != "11" || h.Get("Content-Range") != "" {
		t.Errorf("HEAD = %d %q %v, want the header of the whole: ranges are those of GET", status, body, h)
	}
	at += "?download=1"
	if h := check(200, "0123456789\n", ""); h.Get("Content-Disposition") != `attachment; filename="scan-`+id+`.txt"` {
		t.Errorf("a download is called %s", h.Get("Content-Disposition"))
	}
	at = strings.TrimSuffix(at, "1")
	s.json(400, "GET", at+"2", "")
}

// The lines of an output have their numbers, their times, and the output of the command that they come from: while the run is in
// progress, and when it is over.
func TestOutputAsLines(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs: {scan: {exec: "+script.Argv()+"}}\n")
	before := time.Now().Add(-time.Second)
	id := of(s.json(202, "POST", runs, "{}"), "id")
	p := script.Begun()
	p.Print("one")
	p.Print("::progress 3 of it")
	p.Print("two")
	check := func(when string) {
		t.Helper()
		for {
			_, _, body := s.do("GET", "/api/v1/runs/"+id+"/output", "", "Accept", "application/x-ndjson", "Prefer", "wait=5")
			if strings.Count(body, "\n") < 2 {
				continue // the second one has not come yet
			}
			for i, text := range strings.Split(strings.TrimSpace(body), "\n") {
				line := decode(t, []byte(text))
				printed, err := time.Parse(time.RFC3339, of(line, "at"))
				if line["n"] != float64(i+1) || line["text"] != []string{"one", "two"}[i] || err != nil || printed.Before(before) || printed.After(time.Now().Add(time.Second)) {
					t.Errorf("%s: line %d is %v", when, i+1, line)
				}
			}
			return
		}
	}
	check("while it runs")
	p.Exit(0)
	s.ended(id)
	check("when it is over")
}

func TestLinesOfStandardErrorAreErrors(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [sh, -c, 'echo fine; echo wrong >&2']}}\n")
	id := of(s.ended(of(s.json(202, "POST", runs, "{}"), "id")), "id")
	_, _, body := s.do("GET", "/api/v1/runs/"+id+"/output", "", "Accept", "application/x-ndjson")
	for text := range strings.Lines(body) { // in any order
		if line := decode(t, []byte(text)); (line["error"] == true) != (line["text"] == "wrong") {
			t.Errorf("%s: only what was printed to standard error is an error", text)
		}
	}
	if strings.Count(body, "\n") != 2 {
		t.Errorf("the output is %q, want two lines", body)
	}
}

// What a program has coloured is told beside its text, while it runs and when it is over, and the text is as without colours.
func TestColoursAreBesideTheText(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs: {scan: {exec: "+script.Argv()+"}}\n")
	id := of(s.json(202, "POST", runs, "{}"), "id")
	p := script.Begun()
	p.Print("plain")
	p.Write(`a 💧 \x1b[1;31mfailed\x1b[0m: \x1b]8;;http://x\a\x1b[38;5;10m水\n`)
	p.Print("::stage after")
	want := `{"text":"a 💧 failed: 水","styles":[{"begin":4,"end":10,"style":["red","bold"]},{"begin":12,"end":13,"style":["bright-green"]}]}`
	check := func(when string) {
		t.Helper()
		for {
			_, _, body := s.do("GET", "/api/v1/runs/"+id+"/output", "", "Accept", "application/x-ndjson", "Prefer", "wait=5")
			if strings.Count(body, "\n") < 2 {
				continue // the second one has not come yet
			}
			first, second, _ := strings.Cut(body, "\n")
			line := decode(t, []byte(second))
			got := object{"text": line["text"], "styles": line["styles"]}
			if !reflect.DeepEqual(got, decode(t, []byte(want))) || strings.Contains(first, "styles") {
				t.Errorf("%s: the lines are\n%s\nwant no styles in the first, and\n%s", when, body, want)
			}
			return
		}
	}
	check("while it runs")
	p.Exit(0)
	s.ended(id)
	check("when it is over")
	if text, _, _ := s.output(id, 0); text != "plain\na 💧 failed: 水\n" {
		t.Errorf("the text is %q", text)
	}
}

// Of much output the end is kept, for as long as the run is. Ranges are places in all of it.
func TestARangeOfCutOutput(t *testing.T) {
	s := start(t, `
jobs:
  scan: {exec: [sh, -c, 'yes 0123456 | head -c 400000'], keep: {output: 100kB}}
  small: {exec: [sh, -c, 'yes 0123456 | head -c 400000']}
`)
	const size = 400_000
	small := of(s.json(202, "POST", "/api/v1/jobs/small/runs", "{}"), "id")
	id := of(s.json(202, "POST", runs, "{}"), "id")
	s.ended(id)
	s.ended(small)
	at := "/api/v1/runs/" + id + "/output"
	status, h, body := s.do("GET", at, "")
	first := size - len(body)
	if status != 200 || len(body) < 100_000 || len(body) > 100_000+64<<10 || h.Get("Tidewire-Truncated") != "true" || h.Get("Tidewire-Next") != fmt.Sprint(size) {
		t.Errorf("the output = %d, %d bytes, %v, want the last 100 kB and that it was cut", status, len(body), h)
	}
	status, h, body = s.do("GET", at, "", "Range", fmt.Sprintf("bytes=%d-%d", first-10, first+9))
	if want := fmt.Sprintf("bytes %d-%d/%d", first, first+9, size); status != 206 || len(body) != 10 || h.Get("Content-Range") != want || h.Get("Tidewire-Truncated") != "true" {
		t.Errorf("a range whose front was cut = %d, %q, %v, want %s", status, body, h, want)
	}
	problem := s.json(416, "GET", at, "", "Range", "bytes=0-9")
	if want := fmt.Sprintf("those from %d on are kept", first); !contains(of(problem, "detail"), want) {
		t.Errorf("a range that was cut = %v, want that %s", problem, want)
	}
	if _, _, body := s.do("GET", "/api/v1/runs/"+small+"/output", ""); body != strings.Repeat("0123456\n", size/8) {
		t.Errorf("the output of the other run has %d bytes, want all %d", len(body), size)
	}
}
