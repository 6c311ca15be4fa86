package cron_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/cron"
)

func TestWords(t *testing.T) {
	for expression, want := range map[string]string{
		"@hourly":               "every hour",
		"@weekly":               "Sundays at 00:00",
		"@every 90m":            "every 90 minutes",
		"@every 1h":             "every hour",
		"@every 1m30s":          "every 90 seconds",
		"@every 1h0m30.5s":      "every 1 h 0 min 30.5 s",
		"0 3 * * *":             "every day at 03:00",
		"0 6,14,22 * * *":       "06:00, 14:00 and 22:00",
		"30 5 * * 1":            "Mondays at 05:30",
		"30 5 * * mon,THU":      "Mondays and Thursdays at 05:30",
		"0 2 * * 0":             "Sundays at 02:00",
		"15 8 * * 1-5":          "Mondays to Fridays at 08:15",
		"0 0 1 * *":             "on the 1st of each month at 00:00",
		"0 0 22 * *":            "on the 22nd of each month at 00:00",
		"0 0 13 * *":            "on the 13th of each month at 00:00",
		"*/5 * * * *":           "every 5 minutes",
		"* * * * *":             "every minute",
		"7 * * * *":             "every hour at :07",
		"0 */2 * * *":           "every 2 hours at :00",
		"*/10 * * * 1-5":        "Mondays to Fridays, every 10 minutes",
		"*/7 * * * *":           "*/7 * * * *", // not every 7 minutes: it starts anew each hour
		"0 9-17 * * *":          "0 9-17 * * *",
		"0 0 1 1 *":             "0 0 1 1 *",
		"0 0 13 * 5":            "0 0 13 * 5",
		"0 1,2,3,4,5,6,7 * * *": "0 1,2,3,4,5,6,7 * * *",
	} {
		if got := cron.Words(expression); got != want {
			t.Errorf("Words(%q) = %q, want %q", expression, got, want)
		}
	}
}
