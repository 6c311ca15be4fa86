package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// shown formats what was measured, and what was not.
func shown(v float64, format func(float64) string) string {
	if math.IsNaN(v) {
		return "–"
	}
	return format(v)
}

// duration formats nanoseconds.
func duration(ns float64) string {
	for _, unit := range []string{"ns", "µs", "ms"} {
		if ns < 999.5 {
			return significant(ns) + " " + unit
		}
		ns /= 1000
	}
	return significant(ns) + " s"
}

func milliseconds(ms float64) string { return duration(ms * 1e6) }
func microseconds(us float64) string { return duration(us * 1e3) }
func percent(v float64) string       { return significant(v) + " %" }
func times(v float64) string         { return count(v) + "×" }
func bytesOf(v float64) string       { return significant(v) + " B" }

// count formats a number with commas, to three significant digits from 1,000 on: "91,500".
func count(v float64) string {
	if v < 999.5 {
		return significant(v)
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	digits := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// significant formats with three significant digits, two below 10, and without trailing zeros.
func significant(v float64) string {
	switch {
	case v >= 99.5:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.95:
		return trim(fmt.Sprintf("%.1f", v))
	case v >= 0.0995:
		return trim(fmt.Sprintf("%.2f", v))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }

// title is the name of a series for a reader.
func title(series string) string {
	switch series {
	case yardstick:
		return "time.AfterFunc + mutex"
	case "robfig":
		return "robfig/cron"
	case "cycle":
		return "hot cycle"
	case "deliver":
		return "delivery"
	}
	return series
}
