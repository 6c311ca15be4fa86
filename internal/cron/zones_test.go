package cron_test

import (
	"archive/zip"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/cron"
)

// zones are the names of all zones that Go knows.
func zones(t *testing.T) (names []string) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	for _, f := range all.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	return names
}

// tables are time tables, each with what it says in plain Go.
var tables = []struct {
	expression string
	hourly     bool
	matches    func(time.Time) bool
}{
	{"0 0 * * *", false, func(t time.Time) bool { return t.Hour() == 0 && t.Minute() == 0 }},
	{"30 1 * * *", false, func(t time.Time) bool { return t.Hour() == 1 && t.Minute() == 30 }},
	{"*/20 2 * * *", false, func(t time.Time) bool { return t.Hour() == 2 && t.Minute()%20 == 0 }},
	{"59 0-3,23 * * *", false, func(t time.Time) bool { return (t.Hour() <= 3 || t.Hour() == 23) && t.Minute() == 59 }},
	{"15 2 * * 0", false, func(t time.Time) bool { return t.Weekday() == time.Sunday && t.Hour() == 2 && t.Minute() == 15 }},
	{"10,40 * * * *", true, func(t time.Time) bool { return t.Minute()%30 == 10 }},
}

// What Next says around every change of every clock in the years ahead, and around the ones of the past that were the
// strangest, is what a plain walk over the minutes says.
func TestEveryChangeOfEveryClock(t *testing.T) {
	seen := make(map[string]bool) // many zones are others by another name
	changes := 0
	check := func(name string, from, to time.Time) {
		z := zone(t, name)
		for at := from.In(z); ; {
			_, at = at.ZoneBounds()
			if at.IsZero() || at.After(to) {
				return
			}
			p, q := at.Add(-1), at
			if key := fmt.Sprint(at.UTC(), p.Format("-0700"), q.Format("-0700")); !seen[key] {
				seen[key] = true
				changes++
				checkAround(t, name, z, at)
			}
		}
	}
	for _, name := range zones(t) {
		check(name, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	if changes < 20 {
		t.Errorf("%d changes of clocks were looked at, want more: are these all zones?", changes)
	}
	for name, year := range map[string]int{"Pacific/Apia": 2011, "Pacific/Kwajalein": 1993, "Asia/Pyongyang": 2015, "America/Caracas": 2016,
		"Asia/Gaza": 2011, "Africa/Casablanca": 2012, "Antarctica/Troll": 2005, "Europe/Moscow": 2011} {
		check(name, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(year+2, 1, 1, 0, 0, 0, 0, time.UTC))
	}
}

func checkAround(t *testing.T, name string, z *time.Location, change time.Time) {
	t.Helper()
	change = change.UTC().Truncate(time.Minute)
	from, to := change.Add(-30*time.Hour), change.Add(30*time.Hour)
	for _, table := range tables {
		s, err := cron.Parse(table.expression, z)
		if err != nil {
			t.Fatal(err)
		}
		want := plain(z, from, to, table.hourly, table.matches)
		var got []time.Time
		for at := s.Next(from.Add(-1)); at.Before(to); at = s.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%q in %s around %v:\n got %v\nwant %v", table.expression, name, change, show(got, z), show(want, z))
		}
	}
}

// plain walks over the minutes from a day before from. A reading of the clock that matches counts when it is shown, for the
// first time only unless hourly; one that is not shown counts as much after the last one before it as it reads later.
func plain(z *time.Location, from, to time.Time, hourly bool, matches func(time.Time) bool) (times []time.Time) {
	shown := make(map[time.Time]bool)
	var last time.Time // the reading of the minute before
	for at := from.Add(-27 * time.Hour); at.Before(to); at = at.Add(time.Minute) {
		l := at.In(z)
		reads := time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
		if !last.IsZero() {
			for i, skipped := 1, last.Add(time.Minute); skipped.Before(reads); i, skipped = i+1, skipped.Add(time.Minute) {
				if matches(skipped) {
					times = append(times, at.Add(time.Duration(i-1)*time.Minute))
				}
			}
		}
		if matches(reads) && (hourly || !shown[reads]) {
			times = append(times, at)
		}
		shown[reads], last = true, reads
	}
	slices.SortFunc(times, time.Time.Compare)
	times = slices.CompactFunc(times, time.Time.Equal)
	return slices.DeleteFunc(times, func(at time.Time) bool { return at.Before(from) || !at.Before(to) })
}

func show(times []time.Time, z *time.Location) (texts []string) {
	for _, t := range times {
		texts = append(texts, t.In(z).Format("02 15:04 -0700"))
	}
	return texts
}
