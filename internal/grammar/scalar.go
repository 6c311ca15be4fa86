package grammar

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text reads any scalar as written in the file: 8080 and true are texts too. Want tells how to correct anything else.
func (n *Node) Text(what, want string) (string, bool) {
	switch {
	case n.spoiled:
		return "", false
	case n.kind != scalarNode || n.IsNull():
		n.Problem(fmt.Sprintf("%s is %s", what, n.Describe()), want)
		return "", false
	case n.computed != nil:
		n.Problem(what+": an expression is not evaluated here",
			`write ${jq: EXPR} into path, query, headers, body or json of a request, or "$${" if it is text`)
		return "", false
	}
	return n.value, true
}

// Line reads a non-empty text of one line.
func (n *Node) Line(what string) string {
	s, ok := n.Text(what, AText)
	switch {
	case !ok:
	case s == "":
		n.Problem(what+" is empty", AText)
	case strings.ContainsFunc(s, IsControl):
		n.Problem(what+" contains a line break or another control character", "write it in one line")
	}
	return s
}

// The argument what of the readers of scalars names the value in messages. They report anything that is invalid at the
// node's place, and then return the zero value.

// Corrections for messages, by the expected type.
const (
	AText        = "write a text"
	ADuration    = "write a duration with a unit such as 30s"
	ANumber      = "write a number such as 5 or 0.5, without quotes"
	APercentage  = "write a percentage such as 10%, from 0% to below 100%"
	AnExpression = "write an expression such as .main.temp"
	APattern     = "write a regular expression in Go's syntax (RE2)"
	ASize        = "write a size such as 500kB, 10MB or 1GB"
	ARate        = "write a number per second, minute, hour or day such as 5/s, 10/m, 60/h or 500/d"
)

// OneOf reads one of a few words.
func (n *Node) OneOf(what string, words []Word) string {
	known := wordsOf(words)
	s, ok := n.Text(what, "write "+List(known, "or"))
	if !ok {
		return ""
	}
	if slices.Contains(known, s) {
		return s
	}
	n.Problem(fmt.Sprintf("%s: unknown word %s", what, Quote(s)), Suggest(s, "words here", known))
	return ""
}

// Duration reads a duration from a millisecond to a year. Or lists words that the caller also accepts.
func (n *Node) Duration(what string, or ...string) time.Duration {
	want := strings.Join(append([]string{ADuration}, or...), ", or ")
	s, ok := n.Text(what, want)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	_, number := strconv.ParseFloat(s, 64)
	days, inDays := strings.CutSuffix(s, "d")
	wholeDays, notDays := strconv.ParseUint(days, 10, 9)
	switch {
	case number == nil:
		n.Problem(fmt.Sprintf("%s: %s has no unit", what, Quote(s)), want)
	case inDays && notDays == nil && !n.HasReferences():
		n.Problem(fmt.Sprintf("%s: %s is not a duration", what, Quote(s)),
			fmt.Sprintf("write %dh; units are ms, s, m and h", wholeDays*24))
	case err != nil:
		n.Problem(fmt.Sprintf("%s: %s is not a duration", what, Quote(s)), want+"; units are ms, s, m and h")
	case d < time.Millisecond:
		n.Problem(fmt.Sprintf("%s: %s is too short", what, Quote(s)), "write a duration of at least 1ms")
	case d > 8760*time.Hour:
		n.Problem(fmt.Sprintf("%s: %s is too long", what, Quote(s)), "write a duration of at most 8760h, a year")
	default:
		return d
	}
	return 0
}

// decimal matches the numbers that are accepted: neither hexadecimal ones nor infinities.
var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// IsDecimal reports whether s is a finite decimal number that a configuration may have.
func IsDecimal(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && decimal.MatchString(s)
}

// Number reads a finite decimal number.
func (n *Node) Number(what string) *float64 {
	s, ok := n.Text(what, ANumber)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || n.tag == "!!str" || !decimal.MatchString(s) {
		n.Problem(fmt.Sprintf("%s: %s is not a decimal number", what, Quote(s)), ANumber)
		return nil
	}
	return &f
}

// Integer reads a whole number from lowest to highest.
func (n *Node) Integer(what string, lowest, highest int) (int, bool) {
	f := n.Number(what)
	if f == nil {
		return 0, false
	}
	if *f != math.Trunc(*f) || *f < float64(lowest) || *f > float64(highest) {
		n.Problem(
			fmt.Sprintf("%s is %s", what, n.value), fmt.Sprintf("write a whole number from %d to %d", lowest, highest))
		return 0, false
	}
	return int(*f), true
}

// Boolean reads true or false.
func (n *Node) Boolean(what string) bool {
	s, ok := n.Text(what, "write true or false")
	if ok && s != "true" && s != "false" {
		n.Problem(fmt.Sprintf("%s: %s is neither true nor false", what, Quote(s)), "write true or false")
	}
	return s == "true"
}

// Percentage reads 0 or a percentage below 100% as a fraction.
func (n *Node) Percentage(what string) float64 {
	s, ok := n.Text(what, APercentage)
	if !ok || s == "0" {
		return 0
	}
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !decimal.MatchString(number) || f < 0 || f >= 100 {
		n.Problem(fmt.Sprintf("%s: %s is not a percentage", what, Quote(s)), APercentage)
		return 0
	}
	return f / 100
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// Rate reads a number per second, minute, hour or day.
func (n *Node) Rate(what string) (count int, per time.Duration) {
	s, ok := n.Text(what, ARate)
	if !ok {
		return 0, 0
	}
	number, unit, _ := strings.Cut(s, "/")
	c, err := strconv.ParseUint(number, 10, 31)
	per = rateUnits[unit]
	if err != nil || c == 0 || per == 0 {
		n.Problem(fmt.Sprintf("%s: %s is not a rate", what, Quote(s)), ARate)
		return 0, 0
	}
	return int(c), per
}

// sizes matches the sizes that are accepted.
var sizes = regexp.MustCompile(sizePattern)

var sizeUnits = map[string]int64{"kB": 1e3, "MB": 1e6, "GB": 1e9}

// Size reads a size in bytes, from lowest to highest.
func (n *Node) Size(what string, lowest, highest int64) int64 {
	s, ok := n.Text(what, ASize)
	if !ok {
		return 0
	}
	parts := sizes.FindStringSubmatch(s)
	if parts == nil {
		n.Problem(fmt.Sprintf("%s: %s is not a size", what, Quote(s)), ASize)
		return 0
	}
	count, err := strconv.ParseInt(parts[1], 10, 64)
	unit := sizeUnits[parts[2]]
	switch {
	case err != nil || count > highest/unit:
		n.Problem(fmt.Sprintf("%s: %s is too much", what, Quote(s)), "write a size of at most "+sizeText(highest))
		return 0
	case count*unit < lowest:
		n.Problem(fmt.Sprintf("%s: %s is too little", what, Quote(s)), "write a size of at least "+sizeText(lowest))
		return 0
	}
	return count * unit
}

// sizeText is a size as it is written.
func sizeText(size int64) string {
	for _, unit := range []string{"GB", "MB"} {
		if size >= sizeUnits[unit] && size%sizeUnits[unit] == 0 {
			return strconv.FormatInt(size/sizeUnits[unit], 10) + unit
		}
	}
	return strconv.FormatInt(size/1e3, 10) + "kB"
}
