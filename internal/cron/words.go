package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// words are what the expressions of one word say.
var words = map[string]string{
	"@hourly": "every hour", "@daily": "every day at 00:00", "@midnight": "every day at 00:00", "@weekly": "Sundays at 00:00",
	"@start":   "when Tidewire starts",
	"@monthly": "on the 1st of each month at 00:00", "@yearly": "on 1 January at 00:00", "@annually": "on 1 January at 00:00",
}

// mostTimes bounds the times of a day that are listed.
const mostTimes = 6

// Words returns what an expression that [Parse] accepts says, or @start, which has no times, as people say it: "every day at 03:00", "Mondays at 05:30",
// "every 5 minutes". It returns the expression itself where that is clearer than any words would be.
func Words(expression string) string {
	if said, ok := words[expression]; ok {
		return said
	}
	if text, ok := strings.CutPrefix(expression, "@every "); ok {
		if d, err := time.ParseDuration(strings.TrimSpace(text)); err == nil {
			return "every " + length(d)
		}
		return expression
	}
	f := strings.Fields(expression)
	if len(f) != len(fields) || f[3] != "*" {
		return expression
	}
	at, daily := timesOf(f[0], f[1])
	days := ""
	switch dom, dow := f[2], f[4]; {
	case at == "":
		return expression
	case dom == "*" && dow == "*":
		if !daily || strings.Contains(at, ",") || strings.Contains(at, " and ") {
			return at
		}
		return "every day at " + at
	case dom == "*":
		days = weekdays(dow)
	case dow == "*":
		if n, err := strconv.Atoi(dom); err == nil {
			days = "on the " + ordinal(n) + " of each month"
		}
	}
	switch {
	case days == "":
		return expression
	case daily:
		return days + " at " + at
	}
	return days + ", " + at
}

// length is a duration in words: "5 minutes", "1 h 30 min".
func length(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / unit.of); d%unit.of == 0 && n < 100 {
			return every(n, unit.name)
		}
	}
	return strings.NewReplacer("h", " h ", "m", " min ", "s", " s").Replace(d.String())
}

// every is a number of units, such as "5 minutes" or "hour".
func every(n int, unit string) string {
	if n == 1 {
		return unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// timesOf says at what times of a day a minute and an hour are. It is daily if that is a list of times, and not a pace such as
// "every 5 minutes"; and empty if there are no words for it.
func timesOf(minute, hour string) (text string, daily bool) {
	if hour == "*" {
		if step, ok := strings.CutPrefix(minute, "*/"); ok {
			if n, err := strconv.Atoi(step); err == nil && n > 0 && 60%n == 0 {
				return "every " + every(n, "minute"), false
			}
			return "", false
		}
		if minute == "*" {
			return "every minute", false
		}
		if m, err := strconv.Atoi(minute); err == nil {
			return fmt.Sprintf("every hour at :%02d", m), false
		}
		return "", false
	}
	m, err := strconv.Atoi(minute)
	if err != nil {
		return "", false
	}
	if step, ok := strings.CutPrefix(hour, "*/"); ok {
		n, err := strconv.Atoi(step)
		if err != nil || n <= 0 || 24%n != 0 {
			return "", false
		}
		return fmt.Sprintf("every %s at :%02d", every(n, "hour"), m), false
	}
	var list []string
	for one := range strings.SplitSeq(hour, ",") {
		h, err := strconv.Atoi(one)
		if err != nil {
			return "", false
		}
		list = append(list, fmt.Sprintf("%02d:%02d", h, m))
	}
	if len(list) > mostTimes {
		return "", false
	}
	return joined(list), true
}

var (
	dayNames  = []string{"Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"}
	shortDays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// weekdays names the days of a week, empty if there are no words for them.
func weekdays(field string) string {
	switch strings.ToLower(field) {
	case "1-5", "mon-fri":
		return "Mondays to Fridays"
	case "0,6", "6,0", "sat,sun", "sun,sat":
		return "Saturdays and Sundays"
	}
	var list []string
	for one := range strings.SplitSeq(strings.ToLower(field), ",") {
		n, err := strconv.Atoi(one)
		for i, short := range shortDays {
			if one == short {
				n, err = i, nil
			}
		}
		if err != nil || n < 0 || n >= len(dayNames) {
			return ""
		}
		list = append(list, dayNames[n])
	}
	return joined(list)
}

// joined joins a list as people do: "a, b and c".
func joined(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// ordinal is a day of a month.
func ordinal(n int) string {
	suffix := "th"
	if n < 11 || n > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}
