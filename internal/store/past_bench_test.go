package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
)

// BenchmarkSample is what a poll costs that is kept with its number: 1,000 sources that are polled in turn, in batches as those
// of 50 ms are, with all that follows until it is in hours. The processor's time is that of all goroutines.
func BenchmarkSample(b *testing.B) {
	d := benchDir(b)
	s := d.Samples()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("source-", i)
		s.Keep(names[i], 365*24*time.Hour)
	}
	at := time.Now().Add(-time.Hour)
	value := map[string]any{"level": 0.1}
	began, i := processorTime(), 0
	b.ReportAllocs()
	for b.Loop() {
		value["level"] = float64(i) / 10
		s.Add(names[i%1000], archive.Sample{Poll: archive.Poll{
			At: at.Add(time.Duration(i) * time.Millisecond), Took: 1500 * time.Microsecond, Status: 200, HasStatus: true, Size: 120, State: "ok",
		}, Value: value})
		if i++; i%50 == 0 {
			if err := d.Batch(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(processorTime()-began)/float64(b.N), "cpu-ns/op")
	var size int64
	for _, name := range []string{"tidewire.db", "tidewire.db-wal"} {
		if info, err := os.Stat(filepath.Join(d.Path(), name)); err == nil {
			size += info.Size()
		}
	}
	b.ReportMetric(float64(size)/float64(b.N), "disk-B/op")
}

// BenchmarkYear draws 365 days of one number in 2,000 points.
func BenchmarkYear(b *testing.B) {
	for _, days := range []int{1, 365, 5 * 365} {
		b.Run(fmt.Sprint(days, "days"), func(b *testing.B) {
			d := benchDir(b)
			s := d.Samples()
			s.Keep("tank", 5*365*24*time.Hour)
			end := time.Now()
			begin := end.Add(-time.Duration(days) * 24 * time.Hour)
			n := 0
			for at := begin; at.Before(end); at = at.Add(10 * time.Minute) {
				s.Add("tank", archive.Sample{Poll: archive.Poll{At: at, State: "ok"}, Value: map[string]any{"level": float64(n % 997), "flow": 0.5}})
				if n++; n%600 == 0 {
					if err := d.Batch(); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := d.Settle(); err != nil {
				b.Fatal(err)
			}
			began := processorTime()
			b.ReportAllocs()
			for b.Loop() {
				got, err := s.Read(context.Background(), "tank", "level", begin, end)
				if err != nil || len(archive.Merge(got.Buckets, 2000, end)) < 20 {
					b.Fatalf("%d buckets, %v", len(got.Buckets), err)
				}
			}
			b.ReportMetric(float64(processorTime()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkAvailability is a year of a source with 10,000 changes of its state.
func BenchmarkAvailability(b *testing.B) {
	d := benchDir(b)
	s := d.Spans()
	now := time.Now()
	for i := range 10_000 {
		s.Enter("tank", now.Add(-time.Duration(10_000-i)*50*time.Minute), []string{"ok", "stale"}[i%2], "no route to host")
	}
	if err := d.Settle(); err != nil {
		b.Fatal(err)
	}
	began := processorTime()
	b.ReportAllocs()
	for b.Loop() {
		past, err := s.Past(context.Background(), "tank", now.Add(-365*24*time.Hour), now)
		if err != nil || len(past.Spans) < 9000 {
			b.Fatal(len(past.Spans), err)
		}
		for range 4 {
			archive.Shares(past.Spans, now.Add(-365*24*time.Hour), now)
		}
	}
	b.ReportMetric(float64(processorTime()-began)/float64(b.N), "cpu-ns/op")
}

func benchDir(b *testing.B) *store.Dir {
	d := openLogging(b, b.TempDir(), slog.DiscardHandler)
	return d
}

// BenchmarkDisk is the space that sources with one number take which are polled each second, for as long as minutes are kept: from
// then on only hours become more.
func BenchmarkDisk(b *testing.B) {
	for b.Loop() {
		d := benchDir(b)
		s := d.Samples()
		const sources, hours = 10, 72
		for i := range sources {
			s.Keep(fmt.Sprint(i), 365*24*time.Hour)
		}
		begin := time.Now().Add(-hours * time.Hour)
		for second := range hours * 3600 {
			for i := range sources {
				p := archive.Poll{
					At: begin.Add(time.Duration(second)*time.Second + time.Duration(i*97)*time.Millisecond), Took: 1500 * time.Microsecond,
					Status: 200, HasStatus: true, Size: 120, State: "ok",
				}
				s.Add(fmt.Sprint(i), archive.Sample{Poll: p, Value: map[string]any{"level": float64((second*7+i)%1000) / 10}})
			}
			if second%5 == 0 {
				if err := d.Batch(); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := d.Settle(); err != nil {
			b.Fatal(err)
		}
		var size float64
		if err := d.Read().QueryRow("SELECT sum(pgsize) FROM dbstat WHERE name IN ('sample', 'sample_at')").Scan(&size); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(size/sources, "B/source")
		for level, name := range []string{"polls", "minutes", "hours"} {
			var n, bytes float64
			if err := d.Read().QueryRow(`SELECT count(*), sum(length(data)) FROM sample WHERE (key>>34)&3=?`, level).Scan(&n, &bytes); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(n/sources, name+"-rows/source")
			b.ReportMetric(bytes/sources, name+"-B/source")
		}
	}
}
