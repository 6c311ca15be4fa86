package archivetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidewire/tidewire/internal/archive"
)

// whole reads the output of a run from an offset to its end in pieces, and returns where that begins.
func (t runsTest) whole(run string, from int64, most int) (text []byte, begin int64) {
	t.Helper()
	for first := true; ; first = false {
		part, err := t.Output(t.Context(), run, from, most)
		if err != nil {
			t.Fatalf("Output(%s, %d) = %v", run, from, err)
		}
		if len(part.Text) > most || part.Begin < from && part.Begin != part.Size ||
			part.Begin+int64(len(part.Text)) > part.Size || !first && part.Begin != from {
			t.Fatalf("Output(%s, %d, %d) begins at %d with %d bytes of %d", run, from, most, part.Begin, len(part.Text), part.Size)
		}
		if first {
			begin = part.Begin
		}
		text, from = append(text, part.Text...), part.Begin+int64(len(part.Text))
		if len(part.Text) == 0 {
			return text, begin
		}
	}
}

func (t runsTest) output() {
	var want []byte
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		line := []byte(fmt.Sprintf("%d %s\n", i, strings.Repeat("x", random.IntN(1000))))
		t.Print("a", int64(len(want)), line, 10<<20)
		want = append(want, line...)
		if i%50 == 0 {
			if got, _ := t.whole("a", 0, 10_000); !bytes.Equal(got, want) {
				t.Fatalf("while it runs the output has %d bytes that are other ones than the %d printed", len(got), len(want))
			}
		}
	}
	for _, ended := range []bool{false, true} {
		for _, from := range []int64{0, 1, 70_000, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 1} {
			got, begin := t.whole("a", from, 20_000)
			if begin != min(from, int64(len(want))) || !bytes.Equal(got, want[begin:]) {
				t.Errorf("ended: %t: from %d there are %d bytes at %d, want the rest of %d", ended, from, len(got), begin, len(want))
			}
		}
		t.add(runOf("a", "scan", "succeeded", 0), 9)
	}
	if got, err := t.Output(t.Context(), "none", 5, 100); err != nil || got.Size != 0 || len(got.Text) > 0 {
		t.Errorf("the output of an unknown run is %+v, %v, want none", got, err)
	}
}

func (t runsTest) tail() {
	const keep = 100_000
	var want []byte
	for i := range 50_000 {
		line := []byte(fmt.Sprintf("line %d\n", i))
		t.Print("a", int64(len(want)), line, keep)
		want = append(want, line...)
	}
	// Before it is written, the front may be cut between two reads, but for what is to be kept.
	size := int64(len(want))
	if got, begin := t.whole("a", size-keep, 32<<10); begin != size-keep || !bytes.Equal(got, want[begin:]) {
		t.Errorf("while it runs, %d bytes from %d of %d are there, want the last %d", len(got), begin, size, keep)
	}
	t.add(runOf("a", "scan", "succeeded", 0), 9)
	got, begin := t.whole("a", 0, 32<<10)
	if len(got) < keep || len(got) > keep+archive.ChunkSize || begin != size-int64(len(got)) || !bytes.HasSuffix(want, got) {
		t.Errorf("%d bytes are kept, from %d of %d, want the last %d and at most a chunk more", len(got), begin, size, keep)
	}
}

func (t runsTest) outputGoes() {
	for i := range 3 {
		id := fmt.Sprint("r", i)
		t.Print(id, 0, []byte("hello\n"), 1000)
		for _, output := range archive.OutputsOf(id)[1:] {
			t.Print(output, 0, []byte("hello\n"), 1000)
		}
		t.add(runOf(id, "scan", "succeeded", i), 1)
	}
	for id, want := range map[string]string{"r0": "", "r1": "", "r2": "hello\n"} {
		for _, output := range archive.OutputsOf(id) {
			if got, _ := t.whole(output, 0, 100); string(got) != want {
				t.Errorf("the output of %s is %q, want %q", output, got, want)
			}
		}
	}
}

func (t runsTest) discard() {
	const text = "hello\n"
	t.Print("written", 0, []byte(text), 1000)
	t.add(runOf("r0", "scan", "succeeded", 0), 9) // with which all is written that waits
	t.Print("waits", 0, []byte(text), 1000)
	t.Print("r1", 0, []byte(text), 1000)
	wants := map[string]string{"waits": "", "r1": text}
	for i, output := range archive.OutputsOf("written") {
		if wants[output] = ""; i > 0 {
			t.Print(output, 0, []byte(text), 1000)
		}
	}
	t.Discard("written")
	t.Discard("waits")
	t.Discard("none")
	t.add(runOf("r1", "scan", "succeeded", 1), 9)
	for id, want := range wants {
		if got, _ := t.whole(id, 0, 100); string(got) != want {
			t.Errorf("the output of %s is %q, want %q", id, got, want)
		}
	}
}
