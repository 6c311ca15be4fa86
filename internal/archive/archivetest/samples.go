package archivetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// A samplesTest is one test of the suite.
type samplesTest struct {
	*testing.T
	archive.Samples
}

// RunSamples runs the suite of [archive.Samples]. Open returns an archive without samples, which is closed at the end of
// the test that it gets.
func RunSamples(t *testing.T, open func(t *testing.T) archive.Samples) {
	tests := []struct {
		name string
		test func(samplesTest)
	}{
		{"the newest polls are listed", samplesTest.polls},
		{"a poll is kept as it was", samplesTest.poll},
		{"the numbers of a value", samplesTest.numbers},
		{"a gap is a bucket without numbers", samplesTest.gap},
		{"only what is asked for is kept", samplesTest.keep},
		{"fields are bounded", samplesTest.fields},
		{"numbers far apart have a mean", samplesTest.huge},
		{"many use it at once", samplesTest.stress},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(samplesTest{t, open(t)}) })
	}
}

// add adds a poll a number of seconds after base that gave a value; nil: it failed.
func (t samplesTest) add(source string, second int, value any) {
	p := archive.Poll{At: at(second), Took: time.Millisecond, State: "ok"}
	if value == nil {
		p.State, p.Error = "failing", "no route to host"
	}
	t.Add(source, archive.Sample{Poll: p, Value: value})
}

func at(second int) time.Time { return base.Add(time.Duration(second) * time.Second) }

// list returns the newest polls of a source.
func (t samplesTest) list(source string) []archive.Poll {
	t.Helper()
	polls, err := t.Polls(t.Context(), source)
	if err != nil {
		t.Fatalf("Polls(%s) = %v", source, err)
	}
	return polls
}

// read returns all numbers of a field as a text: "10s:1.5" for a bucket, "20s:-" for a gap.
func (t samplesTest) read(source, field string) (string, []string) {
	t.Helper()
	got, err := t.Read(t.Context(), source, field, base.Add(-time.Hour), base.Add(24*time.Hour))
	if err != nil {
		t.Fatalf("Read(%s, %s) = %v", source, field, err)
	}
	var all []string
	for _, b := range got.Buckets {
		text := "-"
		if b.Last == b.Last {
			text = fmt.Sprint(b.Last)
		}
		all = append(all, fmt.Sprintf("%v:%s", b.At.Sub(base), text))
	}
	return strings.Join(all, " "), got.Fields
}

func (t samplesTest) polls() {
	if got := t.list("tank"); len(got) != 0 {
		t.Errorf("Polls of a source without polls = %v", got)
	}
	for n := 1; n <= 130; n++ {
		t.add("tank", n, float64(n))
		got := t.list("tank")
		if want := min(n, archive.MaxPolls); len(got) != want {
			t.Fatalf("%d polls of %d, want %d", len(got), n, want)
		}
		for i, p := range got {
			if !p.At.Equal(at(n - i)) {
				t.Fatalf("poll %d of %d is that of %v, want %v", i, n, p.At, at(n-i))
			}
		}
	}
}

func (t samplesTest) poll() {
	long := strings.Repeat("ä", archive.MaxPollError)
	for i, want := range []archive.Poll{
		{At: at(1).Add(123 * time.Millisecond), Took: 1234567 * time.Microsecond, Status: 200, HasStatus: true, Size: 1 << 20, State: "ok"},
		{At: at(2), Took: 0, State: "failing", Error: "no route"},
		{At: at(3), Took: time.Minute, HasStatus: true, State: "stale", Error: "it is old"},
		{At: at(4), Status: 255, HasStatus: true, State: "stale", Error: long},
		{At: at(5), State: "ok"},
	} {
		t.Add("tank", archive.Sample{Poll: want})
		got := t.list("tank")
		if len(got) != i+1 {
			t.Fatalf("%d polls, want %d", len(got), i+1)
		}
		if len(want.Error) > archive.MaxPollError {
			want.Error = archive.CutError(want.Error)
		}
		if p := got[0]; !p.At.Equal(want.At) || p != (archive.Poll{
			At: p.At, Took: want.Took, Status: want.Status, HasStatus: want.HasStatus, Size: want.Size, State: want.State, Error: want.Error,
		}) {
			t.Errorf("the poll is %+v, want %+v", p, want)
		}
	}
	if got := t.list("tank")[1].Error; len(got) > archive.MaxPollError || !strings.HasSuffix(got, "ä...") {
		t.Errorf("a long error is %q of %d bytes, want it cut", got, len(got))
	}
}

func (t samplesTest) numbers() {
	t.Keep("tank", time.Hour)
	t.Keep("n", time.Hour)
	t.add("tank", 1, map[string]any{"level": 41.0, "name": "T-101"})
	t.add("tank", 2, map[string]any{"level": 42.5, "pump": true})
	t.add("tank", 3, map[string]any{"pump": false, "name": "T-102"})
	t.add("n", 1, 7.0)
	for field, want := range map[string]string{"level": "1s:41 2s:42.5 3s:-", "pump": "1s:- 2s:1 3s:0", "name": "", "": ""} {
		got, fields := t.read("tank", field)
		if got != want || !slices.Equal(fields, []string{"level", "pump"}) {
			t.Errorf("Read(%q) = %s of %q, want %s of level and pump", field, got, fields, want)
		}
	}
	if got, fields := t.read("n", ""); got != "1s:7" || !slices.Equal(fields, []string{""}) {
		t.Errorf("Read of a number = %s of %q, want it", got, fields)
	}
	part, err := t.Read(t.Context(), "tank", "level", at(2), at(2))
	if err != nil || len(part.Buckets) != 1 || part.Buckets[0].Last != 42.5 {
		t.Errorf("Read of one second = %v, %v, want 42.5", part, err)
	}
}

func (t samplesTest) gap() {
	t.Keep("tank", time.Hour)
	t.add("tank", 1, 1.0)
	t.add("tank", 2, nil)
	t.add("tank", 3, 3.0)
	t.Gap("tank", at(4))
	t.add("tank", 5, 5.0)
	if got, _ := t.read("tank", ""); got != "1s:1 2s:- 3s:3 4s:- 5s:5" {
		t.Errorf("Read = %s, want two gaps", got)
	}
	if got := t.list("tank"); len(got) != 4 {
		t.Errorf("%d polls, want 4: the second gap is none", len(got))
	}
}

func (t samplesTest) keep() {
	t.add("tank", 1, 1.0)
	for range 2 {
		if got, err := t.Read(t.Context(), "tank", "", base, at(60)); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("Read of what is not kept = %v, %v, want %v", got, err, archive.ErrNotFound)
		}
		t.Keep("tank", time.Hour)
		t.add("tank", 2, 2.0)
		if got, _ := t.read("tank", ""); !strings.HasPrefix(got, "2s:2") {
			t.Errorf("Read = %s, want the number since it is kept", got)
		}
		t.Keep("tank", 0)
	}
	t.Leave("tank")
	t.Leave("nothing")
	t.Gap("nothing", at(1))
}

func (t samplesTest) fields() {
	t.Keep("tank", time.Hour)
	for i := range 2000 {
		object := map[string]any{"level": float64(i)}
		for n := range 50 {
			object[fmt.Sprintf("x%d-%d", i/10, n)] = 1.0
		}
		if i > 0 {
			t.add("tank", i, object)
		} else {
			t.add("tank", i, map[string]any{"level": 0.0})
		}
	}
	got, fields := t.read("tank", "level")
	if !strings.Contains(got, ":1999") || len(fields) > archive.MaxFields || !slices.Contains(fields, "level") || !slices.IsSorted(fields) {
		t.Errorf("%d fields, want at most %d, level among them: %q", len(fields), archive.MaxFields, fields)
	}
}

func (t samplesTest) huge() {
	t.Keep("tank", 24*time.Hour)
	for i := range 2000 {
		t.add("tank", 40*i, math.Copysign(math.MaxFloat64, float64(i%2)-0.5))
	}
	t.add("tank", 40*2000, math.Inf(1)) // no number of JSON
	got, err := t.Read(t.Context(), "tank", "", base, base.Add(24*time.Hour))
	if err != nil || len(got.Buckets) == 0 {
		t.Fatalf("Read = %d buckets, %v", len(got.Buckets), err)
	}
	for _, b := range append(got.Buckets, archive.Merge(slices.Clone(got.Buckets), 2, base.Add(24*time.Hour))...) {
		if slices.ContainsFunc([]float64{b.Last, b.Min, b.Max, b.Mean}, func(x float64) bool { return math.IsInf(x, 0) }) {
			t.Fatalf("of finite numbers a bucket is %+v", b)
		}
	}
}

func (t samplesTest) stress() {
	t.Keep("tank", time.Hour)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 3000 {
			t.add("tank", i, map[string]any{"level": float64(i)})
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := t.Read(t.Context(), "tank", "level", base, at(4000))
		if err != nil {
			t.Fatal(err)
		}
		last := math.Inf(-1)
		for _, b := range got.Buckets {
			if b.Last < last {
				t.Fatalf("%v after %v, want them ascending", b.Last, last)
			}
			last = b.Last
		}
		t.list("tank")
	}
}
