package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A printedRun has printed numbered lines, of which some of the front are not kept.
type printedRun struct {
	otherRuns
	outputs map[string][]byte
	begins  map[string]int64 // what is before it is not kept
}

func (p *printedRun) Lookup(_ context.Context, id string) (jobs.Record, error) {
	return jobs.Record{Run: wire.Run{ID: id, Job: "a", Status: progress.StatusSucceeded, OutputBytes: int64(len(p.outputs[id]))}}, nil
}

func (p *printedRun) Output(_ context.Context, output string, from int64, most int) (archive.Output, <-chan struct{}, error) {
	all, begin := p.outputs[output], p.begins[output]
	size := int64(len(all))
	from = min(max(from, begin), size)
	return archive.Output{Text: all[from:min(size, from+int64(most))], Begin: from, Size: size}, nil, nil
}

// Lines have their numbers and times whatever is kept of the front of an output and of its index, and wherever an answer begins.
func TestLinesOfAnOutput(t *testing.T) {
	const count = 30_000
	p := &printedRun{outputs: map[string][]byte{}, begins: map[string]int64{}}
	index, styles, red := archive.IndexOf("R"), archive.StylesOf("R"), uint16(text.StyleOf([]string{"red"}))
	begin := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	var offsets []int64
	for i := range count {
		at := int64(len(p.outputs["R"]))
		offsets = append(offsets, at)
		p.outputs[index] = archive.Line{Begin: at, At: begin.Add(time.Duration(i) * time.Second), Error: i%3 == 0}.Append(p.outputs[index])
		if i%4 != 0 { // "line" and the number
			p.outputs[styles] = archive.Style{Begin: at, Size: 4, Look: red}.Append(p.outputs[styles])
			p.outputs[styles] = archive.Style{Begin: at + 5, Size: len(fmt.Sprint(i + 1)), Look: red}.Append(p.outputs[styles])
		}
		p.outputs["R"] = fmt.Appendf(p.outputs["R"], "line %d\n", i+1)
	}
	s, h := newServices(t)
	s.runs = p
	for _, c := range []struct {
		name         string
		cut, cutMark int64 // so many bytes of the output and of the index are not kept
		from         int64
		first        int // line of the answer, from 1
		known        int // from this line on the number is known
	}{
		{"all", 0, 0, 0, 1, 1},
		{"from a line on", 0, 0, offsets[100], 101, 101},
		{"from within a line on", 0, 0, offsets[100] + 1, 102, 102},
		{"from near the end", 0, 0, offsets[count-3], count - 2, count - 2},
		{"from the end", 0, 0, int64(len(p.outputs["R"])), count + 1, count + 1},
		{"what is kept", offsets[5000] + 2, 4096, 0, 5002, 5002},
		{"what is kept from the start of a line on", offsets[5000], 4096, 0, 5001, 5001},
		{"a part of the index", 0, 12 * 1000, offsets[500], 501, 1001},
		{"from the beginning, a part of the index", 0, 12 * 1000, 0, 1, 1},
		{"no index", 0, 12 * count, offsets[500], 501, count + 1},
	} {
		p.begins = map[string]int64{"R": c.cut, index: c.cutMark, styles: 12 * 21}
		resp, _ := do(t, h, "GET", fmt.Sprintf("/api/v1/runs/R/output?from=%d", c.from), "", "Accept", "application/x-ndjson")
		body, _ := io.ReadAll(resp.Body)
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "application/x-ndjson" || resp.Header.Get("Tidewire-End") != "true" ||
			resp.Header.Get("Tidewire-Next") != fmt.Sprint(len(p.outputs["R"])) {
			t.Errorf("%s: %d %v", c.name, resp.StatusCode, resp.Header)
		}
		n := c.first
		for object := range strings.Lines(string(body)) {
			var line wire.Line
			if err := json.Unmarshal([]byte(object), &line); err != nil {
				t.Fatalf("%s: %q: %v", c.name, object, err)
			}
			if want := fmt.Sprint("line ", n); line.Text != want || n >= c.known != (line.N > 0) || line.N > 0 && line.N != int64(n) {
				t.Fatalf("%s: line %d is %q, want %q, number %d from %d on", c.name, line.N, line.Text, want, n, c.known)
			}
			if marked := int64(n) > c.cutMark/12; marked != (line.At != nil) || marked && (!line.At.Equal(begin.Add(time.Duration(n-1)*time.Second)) || line.Error != (n%3 == 1)) {
				t.Fatalf("%s: line %d is of %v, an error: %t", c.name, n, line.At, line.Error)
			}
			var want []wire.Style
			if i := n - 1; i%4 != 0 && i > 14 { // of 21 records the last is the first one of line 15
				want = []wire.Style{{Begin: 0, End: 4, Style: []string{"red"}}, {Begin: 5, End: len(line.Text), Style: []string{"red"}}}
			} else if i == 14 {
				want = []wire.Style{{Begin: 5, End: 7, Style: []string{"red"}}}
			}
			if c.cutMark < 12*count && !reflect.DeepEqual(line.Styles, want) {
				t.Fatalf("%s: %q has the styles %v, want %v", c.name, line.Text, line.Styles, want)
			}
			n++
		}
		if n != count+1 {
			t.Errorf("%s: the lines end before %d, want %d", c.name, n, count+1)
		}
	}
}
