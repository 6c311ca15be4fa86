// Package cron reads time tables in the form of crontab(5).
//
//	daily, err := cron.Parse("0 3 * * *", berlin)
//	next := daily.Next(time.Now())
//
// An expression has five fields: minute, hour, day of the month, month, day of the
// week; or it is one of @hourly, @daily, @weekly, @monthly, @yearly and
// "@every 90m". Where both days are restricted, either of them is enough, as in
// crontab.
//
// # Daylight saving
//
// A time that is skipped when clocks go forward comes as much later as they skip: of
// 02:30 it is 03:30. A time that comes twice when they go back is there twice. What
// must happen exactly once a day belongs outside of these hours, or into UTC.
//
// The zones of the world are compiled in.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines and images without a database of zones

	"github.com/netresearch/go-cron"
)

var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// A Schedule is a time table. It is immutable.
type Schedule struct{ of cron.Schedule }

// Next returns the first time after t, which is never t itself, or zero if there is
// none. Any number of goroutines may call it.
func (s Schedule) Next(t time.Time) time.Time { return s.of.Next(t) }

var fields = []struct{ name, values string }{
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of the month", "1 to 31"},
	{"month", "1 to 12 or jan to dec"},
	{"day of the week", "0 to 6 or sun to sat"},
}

// Parse reads an expression, whose times are those of zone. The error says which
// field is wrong, or that no time ever matches.
func Parse(expression string, zone *time.Location) (Schedule, error) {
	texts := strings.Fields(expression)
	word := strings.HasPrefix(expression, "@")
	switch {
	case strings.Contains(expression, "TZ="):
		return Schedule{}, errors.New("the zone does not stand in the expression")
	case len(texts) != len(fields) && !word:
		return Schedule{}, fmt.Errorf("%q does not have 5 fields but %d", expression, len(texts))
	}
	of, err := parser.Parse(expression)
	switch {
	case err != nil && word:
		return Schedule{}, fmt.Errorf("%q is not one of @hourly, @daily, @weekly, @monthly, @yearly and @every with a duration of at least 1s", expression)
	case err != nil:
		return Schedule{}, fmt.Errorf("%q: %w", expression, wrong(texts))
	}
	if s, ok := of.(*cron.SpecSchedule); ok {
		s.Location = zone
	}
	if of.Next(time.Now()).IsZero() {
		return Schedule{}, fmt.Errorf("%q never happens", expression)
	}
	return Schedule{of}, nil
}

// wrong says which of the five fields is not right by itself.
func wrong(texts []string) error {
	for i, f := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = texts[i]
		if _, err := parser.Parse(strings.Join(alone, " ")); err != nil {
			return fmt.Errorf("the %s %q is not %s", f.name, texts[i], f.values)
		}
	}
	return errors.New("its fields do not go together")
}
