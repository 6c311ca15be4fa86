package archive_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/wire"
)

// epoch is when the histories of these tests begin.
var epoch = time.Date(2026, 11, 21, 18, 40, 0, 0, time.UTC)

type object = map[string]any

// A history is what [archive.MemorySamples] keeps of one source.
type history struct {
	*archive.MemorySamples
	span time.Duration
}

func newHistory(span time.Duration) *history {
	h := &history{archive.NewMemorySamples(), span}
	h.Keep("tank", span)
	return h
}

func (h *history) Add(at time.Time, value any) {
	h.MemorySamples.Add("tank", archive.Sample{Poll: archive.Poll{At: at, State: "ok"}, Value: value})
}

// Read returns the numbers of a field in columns, in at most that many points.
func (h *history) Read(field string, since, now time.Time, points int) (got wire.History) {
	if begin := now.Add(-h.span); since.Before(begin) {
		since = begin
	}
	all, err := h.MemorySamples.Read(context.Background(), "tank", field, since, now.Add(time.Hour))
	if err != nil {
		panic(err)
	}
	got.Field, got.Fields, got.T = field, all.Fields, []int64{}
	for _, b := range archive.Merge(all.Buckets, points, now) {
		got.T = append(got.T, b.At.UnixMilli())
		got.V, got.Min, got.Max = append(got.V, b.Last), append(got.Min, b.Min), append(got.Max, b.Max)
	}
	return got
}

func TestAHistoryHasEveryPollWhileThereIsRoom(t *testing.T) {
	h := newHistory(24 * time.Hour)
	for i, value := range []any{1, 2.5, nil, json.Number("3"), "text", true, 1e300} {
		h.Add(epoch.Add(time.Duration(i)*time.Minute), value)
	}
	got := h.Read("", time.Time{}, epoch.Add(time.Hour), 300)
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	ms := epoch.UnixMilli()
	want := fmt.Sprintf(`{"name":"","field":"","fields":[""],"t":[%d,%d,%d,%d,%d,%d,%d],`, ms, ms+60e3, ms+120e3, ms+180e3, ms+240e3, ms+300e3, ms+360e3) +
		`"v":[1,2.5,null,3,null,1,1e+300],"min":[1,2.5,null,3,null,1,1e+300],"max":[1,2.5,null,3,null,1,1e+300]}`
	if string(text) != want {
		t.Errorf("history = %s\nwant %s", text, want)
	}
}

func TestAHistoryHasAllNumbersOfAnObject(t *testing.T) {
	h := newHistory(time.Hour)
	minute := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	h.Add(minute(0), object{"level": 41.0, "name": "T-101"})
	h.Add(minute(1), object{"level": 42.0, "pump": false, "deep": object{"x": 1.0}})
	h.Add(minute(2), object{"pump": true, "name": 7.0})
	got := h.Read("pump", time.Time{}, minute(3), 300)
	if want := []string{"level", "name", "pump"}; !slices.Equal(got.Fields, want) {
		t.Errorf("fields = %q, want %q", got.Fields, want)
	}
	for field, want := range map[string]string{
		"level": "[41,42,null]", "pump": "[null,0,1]", "name": "[null,null,7]", "deep": "[]", "": "[]",
	} {
		if v, _ := json.Marshal(h.Read(field, time.Time{}, minute(3), 300).V); string(v) != want {
			t.Errorf("v of %q = %s, want %s", field, v, want)
		}
	}

	// What has not been a number for the whole span is forgotten.
	for i := range 1000 {
		h.Add(minute(3+i), object{"pump": true})
	}
	if got := h.Read("pump", time.Time{}, minute(1003), 300).Fields; !slices.Equal(got, []string{"pump"}) {
		t.Errorf("fields = %q, want pump alone", got)
	}
}

// An upstream that invents names costs no more than the fields that are remembered.
func TestAHistoryHasABoundedNumberOfFields(t *testing.T) {
	h := newHistory(time.Hour)
	for i := range 5000 {
		h.Add(epoch.Add(time.Duration(i)*time.Second), object{fmt.Sprint("n", i): 1.0, fmt.Sprint("m", i): 2.0})
	}
	if got := len(h.Read("", time.Time{}, epoch.Add(5000*time.Second), 300).Fields); got == 0 || got > 32 {
		t.Errorf("%d fields, want 1 to 32", got)
	}
}

// A poll is what a history was told.
type poll struct {
	at    int64
	value float64 // NaN: a gap
}

// However the polls came and whatever is asked for, each point has the newest number, the
// least and the greatest of exactly the polls since the point before.
func TestAHistoryEnclosesWhatItMerges(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		span := time.Duration(1+r.IntN(48*60)) * time.Minute
		h := newHistory(span)
		interval := span / time.Duration(1+r.IntN(5000))
		var polls []poll
		now := epoch
		for range r.IntN(6000) {
			now = now.Add(1 + time.Duration(r.Float64()*2*float64(interval)))
			p := poll{now.UnixMilli(), math.Round(r.NormFloat64()*1000) / 10}
			if r.IntN(5) == 0 {
				p.value = math.NaN()
				h.Add(now, nil)
			} else {
				h.Add(now, object{"x": p.value, "seed": seed})
			}
			polls = append(polls, p)
		}
		for range 8 {
			since := now.Add(-time.Duration(r.Float64() * 1.2 * float64(span)))
			if r.IntN(4) == 0 {
				since = time.Time{}
			}
			checkHistory(t, fmt.Sprintf("seed %d", seed), h, polls, since, now, span, 2+r.IntN(1000))
		}
		if t.Failed() {
			return
		}
	}
}

func checkHistory(t *testing.T, what string, h *history, polls []poll, since, now time.Time, span time.Duration, points int) {
	t.Helper()
	got := h.Read("x", since, now, points)
	if len(got.T) > points || len(got.T) != len(got.V) || len(got.T) != len(got.Min) || len(got.T) != len(got.Max) {
		t.Errorf("%s: %d, %d, %d and %d points, want equally many and at most %d", what, len(got.T), len(got.V), len(got.Min), len(got.Max), points)
		return
	}
	if first := slices.IndexFunc(polls, func(p poll) bool { return p.value == p.value }); first < 0 {
		return // no field is known
	}
	begin := max(since.UnixMilli(), now.Add(-span).UnixMilli())
	if len(got.T) == 0 {
		if last := polls[len(polls)-1]; last.at >= begin {
			t.Errorf("%s: no point, want the one of the poll at %d, which is not before %d", what, last.at, begin)
		}
		return
	}
	// The first bucket may have begun before; all others are exact.
	width := 2*span.Milliseconds()/archive.Buckets + 2
	if got.T[0] < begin || got.T[len(got.T)-1] != polls[len(polls)-1].at {
		t.Errorf("%s: points from %d to %d, want from %d to the newest poll at %d", what, got.T[0], got.T[len(got.T)-1], begin, polls[len(polls)-1].at)
	}
	for i, at := range got.T {
		after, least := begin-1, begin-width
		if i > 0 {
			after, least = got.T[i-1], got.T[i-1]
		}
		last, low, high, widestLow, widestHigh := math.NaN(), math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		from, _ := slices.BinarySearchFunc(polls, least+1, pollAt)
		for _, p := range polls[from:] {
			if p.at > at {
				break
			}
			if p.value != p.value {
				continue
			}
			last = p.value
			widestLow, widestHigh = min(widestLow, p.value), max(widestHigh, p.value)
			if p.at > after {
				low, high = min(low, p.value), max(high, p.value)
			}
		}
		if got.V[i] != got.V[i] {
			if !math.IsInf(low, 1) {
				t.Errorf("%s: point %d is null, want %v", what, i, last)
			}
			continue
		}
		if got.V[i] != last || got.Min[i] > low || got.Min[i] < widestLow || got.Max[i] < high || got.Max[i] > widestHigh {
			t.Errorf("%s: point %d of %d is %v (%v to %v), want %v (%v to %v)", what, i, len(got.T), got.V[i], got.Min[i], got.Max[i], last, low, high)
			return
		}
	}
}

func pollAt(p poll, at int64) int { return cmp.Compare(p.at, at) }

func TestAHistoryReachesBackOverItsSpan(t *testing.T) {
	for span, interval := range map[time.Duration]time.Duration{
		time.Minute:         20 * time.Millisecond,
		2 * time.Hour:       time.Second,
		3 * time.Hour:       61 * time.Second,
		5 * time.Hour:       20 * time.Minute,
		24 * time.Hour:      30 * time.Second,
		31 * 24 * time.Hour: 17 * time.Minute,
	} {
		h := newHistory(span)
		now := epoch
		for range 3 * span / interval {
			now = now.Add(interval)
			h.Add(now, 1.0)
		}
		got := h.Read("", time.Time{}, now, archive.Buckets)
		missing := time.UnixMilli(got.T[0]).Sub(now.Add(-span))
		if limit := 2*span/archive.Buckets + interval; missing < 0 || missing > limit {
			t.Errorf("%v polled every %v: the oldest point is %v later than the span begins, want 0 to %v", span, interval, missing, limit)
		}
		if n, least := len(got.T), min(int(span/interval)-1, archive.Buckets*3/4); n < least {
			t.Errorf("%v polled every %v: %d points, want at least %d", span, interval, n, least)
		}
	}
}

// The clock of a machine may be set back; what it has not reached again is forgotten.
func TestAHistoryGoesOnWhenTheClockIsSetBack(t *testing.T) {
	h := newHistory(time.Hour)
	for i := range 10 {
		h.Add(epoch.Add(time.Duration(i)*time.Minute), float64(i))
	}
	h.Add(epoch.Add(5*time.Minute+time.Second), 100.0)
	h.Add(epoch.Add(6*time.Minute), 101.0)
	got, _ := json.Marshal(h.Read("", time.Time{}, epoch.Add(6*time.Minute), 300).V)
	if want := "[0,1,2,3,4,5,100,101]"; string(got) != want {
		t.Errorf("v = %s, want %s", got, want)
	}
}

// When its memory is in use, a history needs no more of it.
func TestAHistoryIsBounded(t *testing.T) {
	const n = 20
	fill := func(h *history, values []any, polls int) {
		for i := range polls {
			h.Add(epoch.Add(time.Duration(i)*30*time.Second), values[i%2])
		}
	}
	values := []any{object{"level": 1.5, "name": "T-101"}, object{"level": 2.5, "name": "T-101"}}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	all := make([]*history, n)
	for i := range all {
		all[i] = newHistory(24 * time.Hour)
		fill(all[i], values, 3000)
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for a day of a number", each)
	if each > 20_000 {
		t.Errorf("a day of a number takes %d bytes, want at most 20,000", each)
	}
	at := epoch.Add(3000 * 30 * time.Second)
	if allocs := testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Second)
		all[0].Add(at, values[0])
	}); allocs != 0 {
		t.Errorf("a poll makes %v allocations, want none", allocs)
	}
	runtime.KeepAlive(all)
}

func TestAHistoryIsReadWhileItIsWritten(t *testing.T) {
	h := newHistory(time.Minute)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got := h.Read("x", time.Time{}, epoch.Add(time.Hour), 50)
				if !slices.IsSorted(got.T) || len(got.T) != len(got.Max) {
					t.Errorf("times %v with %d values, want them ascending and as many", got.T, len(got.Max))
					return
				}
			}
		})
	}
	for i := range 5000 {
		h.Add(epoch.Add(time.Duration(i)*100*time.Millisecond), object{"x": float64(i), fmt.Sprint("y", i/1000): 1.0})
	}
	close(done)
	wg.Wait()
}
