package cron_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/cron"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNext(t *testing.T) {
	for _, test := range []struct {
		expression, zone, after string
		want                    []string
	}{
		{"0 3 * * *", "UTC", "2026-11-21T12:00:00Z", []string{"22 Nov 03:00 UTC", "23 Nov 03:00 UTC"}},
		{"0 3 * * *", "Asia/Tokyo", "2026-11-21T12:00:00Z", []string{"22 Nov 03:00 JST"}},
		{"*/20 9-10 * * MON-FRI", "UTC", "2026-11-20T10:10:00Z", []string{"20 Nov 10:20 UTC", "20 Nov 10:40 UTC", "23 Nov 09:00 UTC"}},
		{"0 0 13 * fri", "UTC", "2026-11-10T00:00:00Z", []string{"13 Nov 00:00 UTC", "20 Nov 00:00 UTC"}}, // either, as in crontab
		{"0 0 1 * *", "UTC", "2026-11-10T00:00:00Z", []string{"01 Dec 00:00 UTC"}},
		{"@daily", "Europe/Berlin", "2026-11-21T12:00:00Z", []string{"22 Nov 00:00 CET"}},
		{"@every 90m", "UTC", "2026-11-21T12:00:00Z", []string{"21 Nov 13:30 UTC", "21 Nov 15:00 UTC"}},
		{"0 3 * * *", "UTC", "2026-11-22T03:00:00Z", []string{"23 Nov 03:00 UTC"}}, // after, not at
		// Skipped, and twice.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"29 Mar 03:30 CEST", "30 Mar 02:30 CEST"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"25 Oct 02:30 CEST", "26 Oct 02:30 CET"}},
		{"*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"29 Mar 03:00 CEST", "29 Mar 03:30 CEST", "30 Mar 02:00 CEST"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", []string{"29 Mar 01:30 CET", "29 Mar 03:00 CEST", "29 Mar 03:30 CEST", "29 Mar 04:00 CEST"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", []string{"25 Oct 02:30 CEST", "25 Oct 02:00 CET", "25 Oct 02:30 CET", "25 Oct 03:00 CET"}},
		{"*/30 2 * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", []string{"25 Oct 02:30 CEST", "26 Oct 02:00 CET"}},
		// No midnight, a gap of two hours, one of half an hour, one of a day; the day of a skipped month's end.
		{"@daily", "Africa/Cairo", "2026-04-23T12:00:00Z", []string{"24 Apr 01:00 EEST", "25 Apr 00:00 EEST"}},
		{"0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", []string{"08 Mar 01:00 CDT", "09 Mar 00:00 CDT"}},
		{"0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", []string{"06 Sep 01:00 -03", "07 Sep 00:00 -03"}},
		{"30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", []string{"29 Mar 03:30 +02", "30 Mar 01:30 +02"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"04 Oct 02:45 +11", "05 Oct 02:15 +11"}},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", []string{"29 Dec 12:00 -10", "31 Dec 12:00 +14", "01 Jan 12:00 +14"}},
		{"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", []string{"31 Dec 12:00 +14", "30 Dec 12:00 +14"}},
		{"0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", []string{"29 Feb 00:00 UTC"}},
	} {
		z := zone(t, test.zone)
		s, err := cron.Parse(test.expression, z)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.expression, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, test.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range test.want {
			at = s.Next(at)
			got = append(got, at.In(z).Format("02 Jan 15:04 MST"))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q in %s after %s: %q, want %q", test.expression, test.zone, test.after, got, test.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for expression, want := range map[string]string{
		"":                  `"" has 0 fields, want 5`,
		"0 3 * *":           `"0 3 * *" has 4 fields, want 5`,
		"0 0 3 * * *":       `"0 0 3 * * *" has 6 fields, want 5`,
		"60 3 * * *":        `"60 3 * * *": the minute "60" is not 0 to 59`,
		"0 24 * * *":        `"0 24 * * *": the hour "24" is not 0 to 23`,
		"0 x * * *":         `"0 x * * *": the hour "x" is not 0 to 23`,
		"0 3 32 * *":        `"0 3 32 * *": the day of the month "32" is not 1 to 31`,
		"0 3 * janu *":      `"0 3 * janu *": the month "janu" is not 1 to 12 or jan to dec`,
		"0 3 * * mo":        `"0 3 * * mo": the day of the week "mo" is not 0 to 6 or sun to sat`,
		"0 3 30 2 *":        `"0 3 30 2 *" never occurs`,
		"@dayly":            `"@dayly" is not one of @hourly, @daily, @weekly, @monthly, @yearly and @every with a duration of at least 1s`,
		"@every 5":          `"@every 5" is not one of @hourly, @daily, @weekly, @monthly, @yearly and @every with a duration of at least 1s`,
		"TZ=UTC 0 3 * * *":  "the zone does not belong in the expression",
		"CRON_TZ=UTC @dail": "the zone does not belong in the expression",
	} {
		if _, err := cron.Parse(expression, time.UTC); err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, want %s", expression, err, want)
		}
	}
}

// FuzzParse: what is read has a next time, which is later; what is not has one line
// that says why.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0 3 * * *", "*/5 8-18 1,15 jan-mar mon", "22-2/2 * * * *", "@daily", "@every 1s", "? ? ? ? ?", "H H * * *", "0 0 L * *", "0 0 * * FRI#3", "5/0 * * * *", "1-0 * * * *", "0 0 29 2 *"} {
		f.Add(s)
	}
	from := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := cron.Parse(expression, time.UTC)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "strconv") {
				t.Errorf("Parse(%q): %v", expression, err)
			}
			return
		}
		if next := s.Next(from); !next.After(from) {
			t.Errorf("%q: the next time after %v is %v", expression, from, next)
		}
	})
}
