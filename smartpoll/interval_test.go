package smartpoll_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestEvery(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		name     string
		interval smartpoll.Interval
		t, want  string
	}{
		{"not pinned", smartpoll.Every(time.Hour), "2026-03-01 10:20:30", "2026-03-01 11:20:30"},
		{"pinned", smartpoll.Every(time.Hour).Offset(0), "2026-03-01 10:20:30", "2026-03-01 11:00:00"},
		{"strictly later", smartpoll.Every(time.Hour).Offset(0), "2026-03-01 10:00:00", "2026-03-01 11:00:00"},
		{"offset", smartpoll.Every(time.Hour).Offset(5 * time.Minute), "2026-03-01 10:04:59", "2026-03-01 10:05:00"},
		{"negative offset", smartpoll.Every(time.Hour).Offset(-5 * time.Minute), "2026-03-01 10:04:59", "2026-03-01 10:55:00"},
		{"offset of more than the interval", smartpoll.Every(time.Hour).Offset(25*time.Hour + time.Minute), "2026-03-01 10:04:59", "2026-03-01 11:01:00"},
		{"offsets add up", smartpoll.Every(time.Hour).Offset(50 * time.Minute).Offset(20 * time.Minute), "2026-03-01 10:04:59", "2026-03-01 10:10:00"},
		{"midnight", smartpoll.Every(day).Offset(0), "2026-03-01 10:04:59", "2026-03-02 00:00:00"},
		{"Monday", smartpoll.Every(7 * day).Offset(8 * time.Hour), "2026-03-03 00:00:00", "2026-03-09 08:00:00"},
		{"huge", smartpoll.Every(math.MaxInt64), "2026-03-01 00:00:00", "2318-06-10 23:47:16.854775807"},
		{"before 1970", smartpoll.Every(time.Hour).Offset(time.Minute), "1960-03-01 00:30:00", "1960-03-01 01:01:00"},
		// These fix the hashes: processes of different versions must agree.
		{"spread", smartpoll.Every(time.Hour).Spread("tank"), "2026-03-01 00:00:00", spreadTank},
		{"jitter", smartpoll.Every(time.Hour).Jitter(0.5, "tank"), "2026-03-01 00:30:00", jitterTank},
	} {
		if got, want := test.interval.Next(at(test.t)), at(test.want); !got.Equal(want) {
			t.Errorf("%s: Next(%s) = %s, want %s", test.name, test.t, got.Format("2006-01-02 15:04:05.999999999"), test.want)
		}
	}
}

const (
	spreadTank = "2026-03-01 00:31:44.865438641"
	jitterTank = "2026-03-01 01:25:05.717720829"
)

// Ids are spread evenly, jitters of one id too.
func TestSpreadAndJitterAreEven(t *testing.T) {
	const n, parts = 10_000, 10
	var spread, jitter [parts]int
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		next := smartpoll.Every(time.Hour).Spread(fmt.Sprint("task ", i)).Next(begin)
		spread[next.Sub(begin)*parts/time.Hour%parts]++
		point := begin.Add(time.Duration(i) * time.Hour)
		jitter[smartpoll.Every(time.Hour).Jitter(0.5, "k").Next(point.Add(-1)).Sub(point)*2*parts/time.Hour]++
	}
	for part := range parts {
		for what, got := range map[string]int{"Spread": spread[part], "Jitter": jitter[part]} {
			if got < n/parts*8/10 || got > n/parts*12/10 {
				t.Errorf("%s: part %d has %d of %d, want about %d", what, part, got, n, n/parts)
			}
		}
	}
}

// Jitter does not bend the interval: in the long run the rate is what it is, and no
// time is skipped.
func TestJitterIsNotCarriedOver(t *testing.T) {
	i := smartpoll.Every(time.Minute).Jitter(0.9, "k")
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := begin.Add(-1)
	for n := range 10_000 {
		at = i.Next(at)
		point := begin.Add(time.Duration(n) * time.Minute)
		if d := at.Sub(point); d < 0 || d >= 54*time.Second {
			t.Fatalf("time %d is %v after its point, want from 0 to less than 54s", n, d)
		}
	}
}

// Laws of a pinned interval: Next is later than t, by less than two intervals, and
// the same for all times up to it; the zone does not matter.
func FuzzEvery(f *testing.F) {
	f.Add(int64(time.Hour), int64(0), 0.0, "", int64(0), int64(0), int64(1))
	f.Add(int64(1), int64(math.MinInt64), 0.99, "k", int64(1772323200), int64(999_999_999), int64(0))
	f.Add(int64(math.MaxInt64), int64(-1), 0.5, "k", int64(-62135596800), int64(5), int64(math.MaxInt64))
	f.Add(int64(7*24*time.Hour), int64(math.MaxInt64), 1-0x1p-53, "tank", int64(253402300799), int64(0), int64(12345))
	f.Fuzz(func(t *testing.T, every, offset int64, jitter float64, id string, sec, nsec, between int64) {
		if every <= 0 || !(jitter >= 0 && jitter < 1) || sec < -1<<36 || sec > 1<<38 || nsec < 0 || nsec >= 1e9 {
			return
		}
		at := time.Unix(sec, nsec)
		for _, i := range []smartpoll.Interval{
			smartpoll.Every(time.Duration(every)).Offset(time.Duration(offset)),
			smartpoll.Every(time.Duration(every)).Spread(id),
			smartpoll.Every(time.Duration(every)).Jitter(jitter, id).Offset(time.Duration(offset)),
			smartpoll.Every(time.Duration(every)).Spread(id).Offset(time.Duration(offset)).Jitter(jitter, id),
		} {
			next := i.Next(at)
			if !next.After(at) || next.Add(-time.Duration(every)).Add(-time.Duration(every)).After(at) {
				t.Fatalf("%+v: Next(%v) = %v, want it later by less than two intervals", i, at, next)
			}
			if span := uint64(next.Sub(at)); span > 1 {
				mid := at.Add(time.Duration(uint64(between) % span))
				if got := i.Next(mid); !got.Equal(next) {
					t.Fatalf("%+v: Next(%v) = %v, and Next(%v) = %v between, want the same", i, at, next, mid, got)
				}
			}
			if got := i.Next(at.UTC()); !got.Equal(next) {
				t.Fatalf("%+v: Next(%v) = %v in UTC, want %v", i, at, got, next)
			}
			if again := i.Next(next); !again.After(next) {
				t.Fatalf("%+v: Next(%v) = %v, want it later", i, next, again)
			}
		}
		if got := smartpoll.Every(time.Duration(every)).Next(at); !got.Equal(at.Add(time.Duration(every))) {
			t.Fatalf("Next(%v) of an interval that is not pinned = %v", at, got)
		}
	})
}

// Now, and then every d: with Run, with Add, and once in each Run, also where the schedule replaces what hangs.
func TestAnIntervalThatBeginsAtOnce(t *testing.T) {
	for what, every := range map[string]smartpoll.Interval{
		"plain":  smartpoll.Every(time.Hour).AtOnce(),
		"pinned": smartpoll.Every(time.Hour).AtOnce().Offset(10 * time.Minute),
	} {
		synctest.Test(t, func(t *testing.T) {
			s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.On(every), smartpoll.Overlap(smartpoll.Replace)),
				smartpoll.WithTask("later", nothing, smartpoll.On(every)), onRun(func(i *internal) { i.Schedule("later", 30*time.Minute) }))
			runs := func(key any, want uint64) {
				t.Helper()
				synctest.Wait()
				if info, _ := s.Info(key); info.Runs != want {
					t.Errorf("%s: %v has run %d times, want %d", what, key, info.Runs, want)
				}
			}
			for n := range uint64(2) {
				r := run(s)
				runs("k", 3*n+1)
				runs("later", 2*n)
				time.Sleep(2*time.Hour + time.Minute)
				runs("k", 3*n+3)
				runs("later", 2*n+2)
				if n == 1 {
					s.Do(t.Context(), func(_ context.Context, i *internal) error {
						mustAdd(t, i, "scheduled", nothing, smartpoll.On(every))
						i.Schedule("scheduled", time.Minute)
						return nil
					})
					runs("scheduled", 0)
					time.Sleep(2 * time.Minute)
					runs("scheduled", 1)
					mustAdd(t, s, "added", nothing, smartpoll.On(every))
					runs("added", 1)
				}
				r.stop()
			}
		})
	}
}
