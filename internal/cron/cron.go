// Package cron parses timetables in the form of crontab(5).
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
// A time that clocks skip when they go forward is moved by the length of the skip: 02:30 becomes 03:30 that day. A time
// that clocks repeat when they go back counts only the first time, unless the expression allows every hour: such a
// timetable does not mean a particular hour, and continues through the repeated one.
//
// The time zones of the world are compiled in.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines and images without a time zone database

	"github.com/netresearch/go-cron"
)

var parser = cron.MustNewParser(
	cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

const (
	everyHour   = 1<<24 - 1
	searchYears = 9 // 29 February may be 8 years away
)

// A Schedule is a timetable. It is immutable, and any number of goroutines may use it.
type Schedule struct {
	of     cron.Schedule  // in UTC: package go-cron loses days on which clocks change
	zone   *time.Location // nil: a duration, which does not depend on clocks
	hourly bool           // every hour is allowed
}

// Next returns the first time after t, never t itself, or zero if there is none.
func (s Schedule) Next(t time.Time) time.Time {
	if s.zone == nil {
		return s.of.Next(t)
	}
	p := periodAt(t.In(s.zone))
	if !p.start.IsZero() {
		p = periodAt(p.start.Add(-1)) // times that clocks skipped at its end may still be to come
	}
	var first time.Time
	for first.IsZero() || p.start.Before(first) {
		if next := s.within(p, t); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
		if p.end.IsZero() || p.end.Sub(t) > searchYears*366*24*time.Hour {
			break
		}
		p = periodAt(p.end)
	}
	if first.IsZero() {
		return first
	}
	return first.In(t.Location())
}

// within returns the first time after t whose clock reading belongs to p, or zero. Readings that are skipped at the end
// of p belong to p; those that p repeats do not.
func (s Schedule) within(p period, t time.Time) time.Time {
	after := reading(t, p.offset)
	if !p.start.IsZero() {
		own := reading(p.start, p.offset)
		if !s.hourly {
			own = reading(p.start, max(p.before, p.offset))
		}
		if own = own.Add(-1); own.After(after) {
			after = own
		}
	}
	next := s.of.Next(after)
	if next.IsZero() || !p.end.IsZero() && !next.Before(reading(p.end, max(p.offset, p.after))) {
		return time.Time{}
	}
	return next.Add(-p.offset)
}

// A period is the time between two changes of the clocks of a zone.
type period struct {
	start, end            time.Time     // zero: there is none
	before, offset, after time.Duration // from UTC; before and after without a start or end are offset
}

func periodAt(t time.Time) period {
	var p period
	p.start, p.end = t.ZoneBounds()
	p.offset = offset(t)
	p.before, p.after = p.offset, p.offset
	if !p.start.IsZero() {
		p.before = offset(p.start.Add(-1))
	}
	if !p.end.IsZero() {
		p.after = offset(p.end)
	}
	return p
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// reading returns the time that a clock with the given offset shows at t, as a time in UTC.
func reading(t time.Time, offset time.Duration) time.Time { return t.UTC().Add(offset) }

var fields = []struct{ name, values string }{
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of the month", "1 to 31"},
	{"month", "1 to 12 or jan to dec"},
	{"day of the week", "0 to 6 or sun to sat"},
}

// Parse parses an expression, whose times are in zone. The error names the wrong field, or tells that no time ever
// matches.
func Parse(expression string, zone *time.Location) (Schedule, error) {
	texts := strings.Fields(expression)
	word := strings.HasPrefix(expression, "@")
	switch {
	case strings.Contains(expression, "TZ="):
		return Schedule{}, errors.New("the zone does not belong in the expression")
	case len(texts) != len(fields) && !word:
		return Schedule{}, fmt.Errorf("%q has %d fields, want %d", expression, len(texts), len(fields))
	}
	of, err := parser.Parse(expression)
	switch {
	case err != nil && word:
		return Schedule{}, fmt.Errorf(
			"%q is not one of @hourly, @daily, @weekly, @monthly, @yearly and @every with a duration of at least 1s",
			expression,
		)
	case err != nil:
		return Schedule{}, fmt.Errorf("%q: %w", expression, wrong(texts))
	}
	s := Schedule{of: of}
	if spec, ok := of.(*cron.SpecSchedule); ok {
		spec.Location, spec.MaxSearchYears = time.UTC, searchYears
		s.zone, s.hourly = zone, spec.Hour&everyHour == everyHour
	}
	if s.Next(time.Now()).IsZero() {
		return Schedule{}, fmt.Errorf("%q never occurs", expression)
	}
	return s, nil
}

// wrong returns an error that names the first of the five fields that is wrong by itself.
func wrong(texts []string) error {
	for i, f := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = texts[i]
		if _, err := parser.Parse(strings.Join(alone, " ")); err != nil {
			return fmt.Errorf("the %s %q is not %s", f.name, texts[i], f.values)
		}
	}
	return errors.New("its fields contradict each other")
}
