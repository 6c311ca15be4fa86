package grammar

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// APeriod is the correction of a message for a period.
	APeriod = "write a duration with a unit such as 12h, 30d or 5y"

	day  = 24 * time.Hour
	year = 365 * day

	longestPeriod = 5 * year // of a key
)

// PeriodText is the shape of what [Node.Period] reads.
var PeriodText = Like(APeriod, AboveZero, `^0*[1-9][0-9]*[dy]$`)

var daysOrYears = regexp.MustCompile(`^0*([1-9][0-9]{0,4})([dy])$`)

// Period reads a duration of at least a millisecond, which may be longer than a year, or in days or years of 365 days: 30d, 5y.
func (n *Node) Period(what string) time.Duration {
	s, ok := n.Text(what, APeriod)
	if !ok {
		return 0
	}
	if d, ok := ParsePeriod(s); ok && (d > year || strings.HasSuffix(s, "d") || strings.HasSuffix(s, "y")) {
		return d
	}
	return n.Duration(what, "30d or 5y")
}

// ParsePeriod reads a duration above zero, which may be in days or years of 365 days: 24h, 30d, 5y.
func ParsePeriod(s string) (d time.Duration, ok bool) {
	if parts := daysOrYears.FindStringSubmatch(s); parts != nil {
		count, _ := strconv.Atoi(parts[1]) // digits
		if parts[2] == "d" {
			return time.Duration(count) * day, true
		}
		return time.Duration(min(count, 200)) * year, true // a time.Duration has 292 years
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}

// Period is a key whose value is a duration of up to 5 years, also in days or years.
func Period(name, doc string, to *time.Duration) Key {
	return typed(name, doc, PeriodText, func(v *Node, what string) {
		d := v.Period(what)
		if d > longestPeriod {
			v.Problem(fmt.Sprintf("%s: %s is too long", what, Quote(v.Value())), "write a duration of at most 5y")
			return
		}
		*to = d
	})
}
