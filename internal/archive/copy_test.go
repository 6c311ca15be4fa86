package archive_test

import (
	"math"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// A process that begins later has the past of one that it copies, and what it has seen itself, as one that was there from
// the beginning has it.
func TestCopiesCompleteThePast(t *testing.T) {
	ctx := t.Context()
	begin := time.UnixMilli(1_800_000_000_000)
	const polls, late = 3000, 2000
	whole, older, newer := archive.NewMemorySamples(), archive.NewMemorySamples(), archive.NewMemorySamples()
	for _, m := range []*archive.MemorySamples{whole, older, newer} {
		m.Keep("a", 24*time.Hour)
	}
	for i := range polls {
		s := archive.Sample{Poll: archive.Poll{At: begin.Add(time.Duration(i) * 10 * time.Second)}, Followed: true}
		if i%100 != 7 {
			s.Value = map[string]any{"x": float64(i), "y": float64(-i % 13)}
		}
		whole.Add("a", s)
		if i < late+5 { // the copy is made when the other one has begun
			older.Add("a", s)
		}
		if i >= late {
			newer.Add("a", s)
		}
	}
	var c archive.Copy
	older.CopyTo("a", &c)
	c, err := archive.DecodeCopy(c.Encode())
	if err != nil {
		t.Fatal(err)
	}
	newer.Complete("a", c)
	for _, field := range []string{"x", "y"} {
		want, _ := whole.Read(ctx, "a", field, begin, begin.Add(24*time.Hour))
		got, err := newer.Read(ctx, "a", field, begin, begin.Add(24*time.Hour))
		if err != nil || len(got.Fields) != 2 {
			t.Fatalf("the fields are %v, %v", got.Fields, err)
		}
		low, high := span(got.Buckets)
		wantLow, wantHigh := span(want.Buckets)
		if low != wantLow || high != wantHigh {
			t.Errorf("%s is from %v to %v, want %v to %v", field, low, high, wantLow, wantHigh)
		}
		first, last := got.Buckets[0].At, got.Buckets[len(got.Buckets)-1].At
		if first.Sub(begin) > 5*time.Minute || !last.Equal(want.Buckets[len(want.Buckets)-1].At) || len(got.Buckets) < 200 {
			t.Errorf("%d buckets from %v to %v, want some from %v on", len(got.Buckets), first, last, begin)
		}
		for i := range got.Buckets[1:] {
			if d := got.Buckets[i+1].At.Sub(got.Buckets[i].At); d <= 0 || d > 6*time.Minute {
				t.Errorf("bucket %d comes %v after the one before", i+1, d)
			}
		}
	}
	if polls, _ := newer.Polls(ctx, "a"); len(polls) != 0 {
		t.Errorf("%d polls of another process are listed", len(polls))
	}
	newer.Complete("unknown", c) // does nothing
}

func span(all []archive.Bucket) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, b := range all {
		if b.Last == b.Last {
			low, high = min(low, b.Min), max(high, b.Max)
		}
	}
	return low, high
}

func TestCopiesCompleteSpans(t *testing.T) {
	at := func(s int) time.Time { return time.UnixMilli(1_800_000_000_000).Add(time.Duration(s) * time.Second) }
	older, newer, none := archive.NewMemorySpans(), archive.NewMemorySpans(), archive.NewMemorySpans()
	older.Enter("a", at(0), "ok", "")
	older.Enter("a", at(10), "stale", "why")
	older.Enter("a", at(20), "ok", "")
	newer.Enter("a", at(30), "ok", "") // it is so since 20
	older.Enter("a", at(40), "stale", "again")
	newer.Enter("a", at(40), "stale", "again")
	var c archive.Copy
	older.CopyTo("a", &c)
	c, err := archive.DecodeCopy(c.Encode())
	if err != nil {
		t.Fatal(err)
	}
	newer.Complete("a", c)
	none.Complete("a", c)
	want, _ := older.Past(t.Context(), "a", at(0), at(50))
	for _, m := range []*archive.MemorySpans{newer, none} {
		got, _ := m.Past(t.Context(), "a", at(0), at(50))
		if len(got.Spans) != 4 {
			t.Fatalf("the spans are %v, want %v", got.Spans, want.Spans)
		}
		for i, s := range got.Spans {
			w := want.Spans[i]
			if !s.From.Equal(w.From) || !s.To.Equal(w.To) || s.Lasts != w.Lasts || s.State != w.State || s.Error != w.Error {
				t.Errorf("span %d is %v, want %v", i, s, w)
			}
		}
	}
	for i := range 600 {
		older.Enter("b", at(i), []string{"ok", "stale"}[i%2], "")
	}
	newer.Enter("b", at(598), "ok", "")
	c = archive.Copy{}
	older.CopyTo("b", &c)
	newer.Complete("b", c)
	if got, _ := newer.Past(t.Context(), "b", at(0), at(1000)); len(got.Spans) > 250 || got.Since.IsZero() {
		t.Errorf("%d spans since %v, want at most 250, and that there were others", len(got.Spans), got.Since)
	}
	if _, err := archive.DecodeCopy([]byte("no copy")); err == nil {
		t.Error("what is no copy is decoded")
	}
}
