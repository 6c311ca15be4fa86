package alert_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/cron"
)

// quiet is a quiet time.
func quiet(t testing.TB, at, zone string, length time.Duration, of ...string) *config.Quiet {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	table, err := cron.Parse(at, place)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Quiet{At: &config.At{Cron: at, Zone: place, Next: table.Next}, For: length, Of: of, Reason: at}
}

// at is a time in UTC.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQuietUntil(t *testing.T) {
	sunday := quiet(t, "0 2 * * 0", "UTC", 2*time.Hour, "all")
	berlin := quiet(t, "0 2 * * 0", "Europe/Berlin", 2*time.Hour, "all")
	repeated := quiet(t, "30 2 * * *", "Europe/Berlin", time.Hour, "all")
	yearly := quiet(t, "0 0 1 1 *", "UTC", 31*24*time.Hour, "all")
	minutes := quiet(t, "* * * * *", "UTC", 31*24*time.Hour, "all")
	for _, tt := range []struct {
		name       string
		all        []*config.Quiet
		now, until string // until "": it is not quiet
	}{
		{"none", nil, "2026-11-29 02:00:00", ""},
		{"before", []*config.Quiet{sunday}, "2026-11-29 01:59:59", ""},
		{"at its beginning", []*config.Quiet{sunday}, "2026-11-29 02:00:00", "2026-11-29 04:00:00"},
		{"within", []*config.Quiet{sunday}, "2026-11-29 03:59:59", "2026-11-29 04:00:00"},
		{"at its end", []*config.Quiet{sunday}, "2026-11-29 04:00:00", ""},
		{"another day", []*config.Quiet{sunday}, "2026-11-30 02:00:00", ""},

		{"in a zone", []*config.Quiet{berlin}, "2026-11-29 01:00:00", "2026-11-29 03:00:00"},
		{"in summer", []*config.Quiet{berlin}, "2026-08-30 00:00:00", "2026-08-30 02:00:00"},
		{"clocks skip its beginning", []*config.Quiet{berlin}, "2026-03-29 01:00:00", "2026-03-29 03:00:00"}, // 03:00 to 05:00 there
		{"clocks skip its beginning, before", []*config.Quiet{berlin}, "2026-03-29 00:59:59", ""},
		{"clocks go back while it lasts", []*config.Quiet{berlin}, "2026-10-25 01:30:00", "2026-10-25 02:00:00"}, // as long as on other days
		{"clocks repeat its beginning", []*config.Quiet{repeated}, "2026-10-25 00:30:00", "2026-10-25 01:30:00"},
		{"clocks have repeated its beginning", []*config.Quiet{repeated}, "2026-10-25 01:30:00", ""},

		{"weeks after its beginning", []*config.Quiet{yearly}, "2026-01-31 23:59:59", "2026-02-01 00:00:00"},
		{"weeks after its end", []*config.Quiet{yearly}, "2026-02-01 00:00:00", ""},

		{"one within another", []*config.Quiet{sunday, quiet(t, "0 3 * * *", "UTC", 10*time.Minute, "all")},
			"2026-11-29 03:05:00", "2026-11-29 04:00:00"},
		{"one that lasts longer", []*config.Quiet{sunday, quiet(t, "30 3 * * *", "UTC", time.Hour, "all")},
			"2026-11-29 03:30:00", "2026-11-29 04:30:00"},
		{"one that begins as another ends", []*config.Quiet{sunday, quiet(t, "0 4 * * *", "UTC", time.Hour, "all")},
			"2026-11-29 04:00:00", "2026-11-29 05:00:00"},
		{"more often than it is over", []*config.Quiet{minutes}, "2026-11-29 02:00:30", "2026-12-30 02:00:00"},
	} {
		want := time.Time{}
		if tt.until != "" {
			want = at(t, tt.until)
		}
		if got, _ := alert.QuietUntil(tt.all, alert.Subject{Key: "source/a"}, at(t, tt.now)); !got.Equal(want) {
			t.Errorf("%s: at %s it is quiet until %v, want %v", tt.name, tt.now, got, want)
		}
	}
}

// A quiet time is of some alerts.
func TestQuietOf(t *testing.T) {
	now := at(t, "2026-11-29 02:30:00")
	all := []*config.Quiet{
		quiet(t, "0 2 * * *", "UTC", time.Hour, "source/a", "job/b"),
		quiet(t, "15 2 * * *", "UTC", time.Hour, "upstream/plant", "source/both"),
		quiet(t, "20 2 * * *", "UTC", 30*time.Minute, "source/both"),
		quiet(t, "25 2 * * *", "UTC", time.Hour, "section/Site/Hall"),
	}
	for _, tt := range []struct {
		of            alert.Subject
		until, reason string
	}{
		{alert.Subject{Key: "source/a"}, "03:00", "0 2 * * *"},
		{alert.Subject{Key: "job/b", Upstream: "plant"}, "03:15", "15 2 * * *"},
		{alert.Subject{Key: "job/b", Upstream: "other"}, "03:00", "0 2 * * *"},
		{alert.Subject{Key: "source/both"}, "03:15", "15 2 * * *"},
		{alert.Subject{Key: "job/a"}, "", ""},
		{alert.Subject{Key: "source/plant"}, "", ""},
		{alert.Subject{Key: "source/none"}, "", ""},
		{alert.Subject{Key: "source/none", Section: "Site/Hall"}, "03:25", "25 2 * * *"},
		{alert.Subject{Key: "source/both", Section: "Site/Hall/East"}, "03:25", "25 2 * * *"},
		{alert.Subject{Key: "source/none", Section: "Site/Hall 2"}, "", ""},
		{alert.Subject{Key: "source/none", Section: "Site"}, "", ""},
	} {
		until, reason := alert.QuietUntil(all, tt.of, now)
		got := ""
		if !until.IsZero() {
			got = until.Format("15:04")
		}
		if got != tt.until || reason != tt.reason {
			t.Errorf("%+v is quiet until %q for %q, want %q and %q", tt.of, got, reason, tt.until, tt.reason)
		}
	}
}

func TestNextQuiet(t *testing.T) {
	all := []*config.Quiet{
		quiet(t, "0 2 * * 0", "UTC", 2*time.Hour, "source/a"), quiet(t, "0 3 * * *", "UTC", 30*time.Minute, "source/b"),
	}
	now := at(t, "2026-11-28 12:00:00")
	for _, want := range []string{
		"2026-11-29 02:00:00", "2026-11-29 03:00:00", "2026-11-29 03:30:00", "2026-11-29 04:00:00", "2026-11-30 03:00:00",
	} {
		if now = alert.NextQuiet(all, now); !now.Equal(at(t, want)) {
			t.Fatalf("the next change is at %v, want %s", now, want)
		}
	}
	if got := alert.NextQuiet(nil, now); !got.IsZero() {
		t.Errorf("without quiet times the next change is at %v, want none", got)
	}
}

// What is between two changes stays the same; a change that nextQuiet does not tell would be missed.
func TestNothingChangesBetweenQuietTimes(t *testing.T) {
	all := []*config.Quiet{
		quiet(t, "7 */5 * * *", "Europe/Berlin", 3*time.Hour, "all"), quiet(t, "30 1,2 * * *", "America/New_York", 40*time.Minute, "all"),
		quiet(t, "*/50 * * * *", "UTC", 11*time.Minute, "all"),
	}
	of := alert.Subject{Key: "source/a"}
	for _, day := range []string{"2026-03-08 00:00:00", "2026-03-29 00:00:00", "2026-10-25 00:00:00", "2026-11-01 00:00:00"} {
		begin := at(t, day)
		next := alert.NextQuiet(all, begin)
		before, _ := alert.QuietUntil(all, of, begin)
		for now := begin; now.Before(begin.Add(24 * time.Hour)); now = now.Add(time.Minute) {
			if !now.Before(next) {
				next = alert.NextQuiet(all, now)
				before, _ = alert.QuietUntil(all, of, now)
			}
			if got, _ := alert.QuietUntil(all, of, now); !got.Equal(before) {
				t.Fatalf("at %v it is quiet until %v, but was until %v, and the next change is at %v", now, got, before, next)
			}
		}
	}
}

func BenchmarkQuietUntil(b *testing.B) {
	all := []*config.Quiet{
		quiet(b, "0 2 * * 0", "Europe/Berlin", 2*time.Hour, "all"), quiet(b, "*/5 * * * *", "Europe/Berlin", time.Minute, "all"),
	}
	now := at(b, "2026-11-29 01:30:00")
	for b.Loop() {
		alert.QuietUntil(all, alert.Subject{Key: "source/a"}, now)
	}
}
