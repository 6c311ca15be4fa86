package grammar

import (
	"regexp"
	"strconv"
	"time"
)

const (
	// APeriod is the correction of a message for a period.
	APeriod = "write a duration with a unit such as 12h, 30d or 5y"

	day  = 24 * time.Hour
	year = 365 * day
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
	if parts := daysOrYears.FindStringSubmatch(s); parts != nil {
		count, _ := strconv.Atoi(parts[1]) // digits
		if parts[2] == "d" {
			return time.Duration(count) * day
		}
		return time.Duration(min(count, 200)) * year // a time.Duration has 292 years
	}
	if d, err := time.ParseDuration(s); err == nil && d > year {
		return d
	}
	return n.Duration(what, "30d or 5y")
}
