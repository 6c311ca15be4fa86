package archive_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

func TestLinesAreReadAsTheyWereWritten(t *testing.T) {
	var index []byte
	lines := []archive.Line{
		{At: time.UnixMilli(0).UTC()},
		{Begin: 1, At: time.Date(2026, 11, 29, 3, 12, 44, 871e6, time.UTC), Error: true},
		{Begin: 1<<47 - 1, At: time.Date(6000, 1, 1, 0, 0, 0, 1e6, time.UTC)},
	}
	for _, line := range lines {
		index = line.Append(index)
	}
	for i, want := range lines {
		if got := archive.LineOf(index[i*archive.LineSize:]); got != want {
			t.Errorf("line %d = %v, want %v", i, got, want)
		}
	}
	var looks []byte
	styles := []archive.Style{{}, {Begin: 1, Size: 70_000, Look: 1<<16 - 1}, {Begin: 1<<47 - 1, Size: 1<<32 - 1, Look: 5}}
	for _, style := range styles {
		looks = style.Append(looks)
	}
	for i, want := range styles {
		record := looks[i*archive.LineSize:]
		if got := archive.StyleOf(record); got != want || archive.BeginOf(record) != want.Begin {
			t.Errorf("style %d = %v from %d, want %v", i, got, archive.BeginOf(record), want)
		}
	}
	for _, output := range archive.OutputsOf("R") {
		if run, isText := archive.RunOf(output); run != "R" || isText != (output == "R") {
			t.Errorf("the output %s is of %q, and the text of it: %t", output, run, isText)
		}
	}
}
