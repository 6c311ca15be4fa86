package view

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Lasted is a duration in words that are read at a glance: "12 s", "4 min", "5 h 12 min", "9 days".
func Lasted(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second && d > 0:
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 10*time.Hour && int(d.Minutes())%60 != 0:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Took is a duration of work: "41 s", "5 min 21 s".
func Took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		if s := int(d.Seconds()) % 60; s != 0 {
			return fmt.Sprintf("%d min %d s", int(d.Minutes()), s)
		}
	}
	return Lasted(d)
}

// Since is how long ago a time was, a second at least: "12 min".
func (l Look) Since(t time.Time) string { return Lasted(max(l.Now.Sub(t), time.Second)) }

// Until is how long it is to a time, in whole seconds: "4 s".
func (l Look) Until(t time.Time) string {
	return Lasted((t.Sub(l.Now) + time.Second - 1).Truncate(time.Second))
}

// Age is how long ago a value was got.
func (l Look) Age(t *time.Time) string {
	switch {
	case t == nil:
		return "no value yet"
	case l.Now.Sub(*t) < 3*time.Second:
		return "just now"
	}
	return l.Since(*t) + " ago"
}

// Clock is a time of day, with its date unless it is today.
func (l Look) Clock(t time.Time) string {
	t = t.In(l.zone())
	switch days := int(math.Round(midnight(t).Sub(midnight(l.Now.In(l.zone()))).Hours() / 24)); { // days of 23 and 25 hours too
	case days == 0:
		return t.Format("15:04")
	case days == -1:
		return "yesterday " + t.Format("15:04")
	case days == 1:
		return "tomorrow " + t.Format("15:04")
	case days > -7 && days < 7:
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan 15:04")
}

// Seconds is a time of day to the second.
func (l Look) Seconds(t time.Time) string { return t.In(l.zone()).Format("15:04:05") }

func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// Room is the length of the longest whole number of 64 bits, with a sign.
const room = len("-18,446,744,073,709,551,615")

// Number is a number as people read it: exact, with as many decimals as the configuration says, or else compact. Compact, a whole number
// that fits into 64 bits has all its digits, since it may be a serial number or a time; another one is rounded by [rounded]; and what is
// larger than any of these, or very small, gets a power of ten.
func Number(n json.Number, decimals *int, compact bool) string {
	x, err := n.Float64()
	if whole, ok := wholeOf(n, x); ok && (decimals == nil || *decimals == 0 || len(whole) > 15) {
		digits := grouped(whole)
		if !compact || length(digits) <= room {
			return digits
		}
	}
	switch {
	case err != nil && !math.IsInf(x, 0):
		return n.String()
	case compact && (math.Abs(x) >= 1e15 || x != 0 && math.Abs(x) < 1e-4):
		return scientific(n)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	switch {
	case decimals != nil:
		text = strconv.FormatFloat(x, 'f', *decimals, 64)
	case compact:
		text = rounded(x, text)
	}
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-") // a little less than nothing is nothing
	}
	whole, rest, point := strings.Cut(text, ".")
	if text = grouped(whole); point {
		text += "." + rest
	}
	return text
}

// wholeOf returns the digits of a whole number, which x is approximately.
func wholeOf(n json.Number, x float64) (digits string, ok bool) {
	if whole, ok := new(big.Int).SetString(n.String(), 10); ok {
		return whole.String(), true
	}
	if x == math.Trunc(x) && math.Abs(x) < 1e21 {
		return strings.TrimPrefix(strconv.FormatFloat(x, 'f', -1, 64), map[bool]string{true: "-"}[x == 0]), true
	}
	return "", false
}

// rounded returns x, whose shortest digits are text, with five digits that count and never fewer than two behind the point: 61.363 for
// 61.36278649734441, 1234.57 for 1234.5678, 0.012346 for 0.0123456. So money stays as it is. What has fewer digits keeps them.
func rounded(x float64, text string) string {
	whole, rest, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	places := max(2, 5-len(whole))
	if whole == "0" {
		places = 5 + len(rest) - len(strings.TrimLeft(rest, "0"))
	}
	if len(rest) <= places {
		return text
	}
	text = strconv.FormatFloat(x, 'f', places, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func scientific(n json.Number) string {
	x, ok := new(big.Float).SetString(n.String())
	if !ok {
		return n.String()
	}
	mantissa, exponent, _ := strings.Cut(x.Text('e', 2), "e")
	power, _ := strconv.Atoi(exponent)
	up := strings.NewReplacer("0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹", "-", "⁻")
	return mantissa + "×10" + up.Replace(strconv.Itoa(power))
}

func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0 && len(digits) > 4; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Shown is text without what steers terminals and the direction of text, cut to n characters.
func Shown(text string, n int) string {
	count := 0
	var b strings.Builder
	for _, r := range text {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\n' {
			continue
		}
		if count++; count > n {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Plural is a count of things.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
