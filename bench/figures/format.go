// Package figures is what the results pages are made of: measured values as a reader wants to see them, bars that they
// must meet, pictures of them, and the machine that they were measured on. A value that was not measured is NaN.
package figures

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Shown formats what was measured, and what was not.
func Shown(v float64, format func(float64) string) string {
	if math.IsNaN(v) {
		return "–"
	}
	return format(v)
}

// Duration formats nanoseconds.
func Duration(ns float64) string {
	if ns == 0 {
		return "0"
	}
	for _, unit := range []string{"ns", "µs", "ms"} {
		if ns < 999.5 {
			return significant(ns) + " " + unit
		}
		ns /= 1000
	}
	return significant(ns) + " s"
}

func Seconds(s float64) string       { return Duration(s * 1e9) }
func Milliseconds(ms float64) string { return Duration(ms * 1e6) }
func Microseconds(us float64) string { return Duration(us * 1e3) }
func Percent(v float64) string       { return significant(v) + " %" }
func Times(v float64) string         { return Count(v) + "×" }
func Bytes(v float64) string         { return Count(v) + " B" }
func Kilobytes(v float64) string     { return significant(v) + " KB" }
func Megabytes(v float64) string     { return significant(v) + " MB" }

// Count formats a number with commas, to three significant digits from 1,000 on: "91,500".
func Count(v float64) string {
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
	case v < 0:
		return "−" + significant(-v)
	case v == 0:
		return "0"
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
