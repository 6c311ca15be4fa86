package config

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// text reads any scalar as it stands in the file: 8080 and true are texts too.
// Want says what would be right if it is something else.
func (r *reader) text(n *yaml.Node, what, want string) (string, bool) {
	switch {
	case r.spoiled[n]:
		return "", false
	case n.Kind != yaml.ScalarNode || isNull(n):
		r.problem(n, fmt.Sprintf("%s is %s", what, describe(n)), want)
		return "", false
	}
	return n.Value, true
}

// line reads a text of one line that is not empty.
func (r *reader) line(n *yaml.Node, what string) string {
	s, ok := r.text(n, what, aText)
	switch {
	case !ok:
	case s == "":
		r.problem(n, what+" is empty", aText)
	case strings.ContainsFunc(s, isControl):
		r.problem(n, what+" contains a line break or another control character", "write it in one line")
	}
	return s
}

// What would be right where something else stands.
const (
	aText        = "write a text"
	aBody        = `write a text, also of JSON, such as '{"text": "done"}'`
	aDuration    = "write a duration with a unit such as 30s"
	aNumber      = "write a number such as 5 or 0.5, without quotes"
	aPercentage  = "write a percentage such as 10%, from 0% to below 100%"
	anExpression = "write an expression such as .main.temp"
	aPattern     = "write a regular expression in Go's syntax (RE2)"
)

// choice reads one of a few words.
func (r *reader) choice(n *yaml.Node, what string, choices []choice) string {
	words := wordsOf(choices)
	s, ok := r.text(n, what, "write "+list(words, "or"))
	if !ok {
		return ""
	}
	if slices.Contains(words, s) {
		return s
	}
	r.problem(n, fmt.Sprintf("%s: unknown word %s", what, quote(s)), suggest(s, "words here", words))
	return ""
}

// duration reads a duration from a millisecond to a year. Or is a word that the caller
// accepts too.
func (r *reader) duration(n *yaml.Node, what string, or ...string) time.Duration {
	want := strings.Join(append([]string{aDuration}, or...), ", or ")
	s, ok := r.text(n, what, want)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	_, number := strconv.ParseFloat(s, 64)
	days, inDays := strings.CutSuffix(s, "d")
	wholeDays, notDays := strconv.ParseUint(days, 10, 9)
	switch {
	case number == nil:
		r.problem(n, fmt.Sprintf("%s: %s has no unit", what, quote(s)), want)
	case inDays && notDays == nil && !r.expanded(n):
		r.problem(n, fmt.Sprintf("%s: %s is not a duration", what, quote(s)), fmt.Sprintf("write %dh; units are ms, s, m and h", wholeDays*24))
	case err != nil:
		r.problem(n, fmt.Sprintf("%s: %s is not a duration", what, quote(s)), want+"; units are ms, s, m and h")
	case d < time.Millisecond:
		r.problem(n, fmt.Sprintf("%s: %s is too short", what, quote(s)), "write a duration of at least 1ms")
	case d > 8760*time.Hour:
		r.problem(n, fmt.Sprintf("%s: %s is too long", what, quote(s)), "write a duration of at most 8760h, a year")
	default:
		return d
	}
	return 0
}

var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// number reads a finite decimal number.
func (r *reader) number(n *yaml.Node, what string) *float64 {
	s, ok := r.text(n, what, aNumber)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || n.Tag == "!!str" || !decimal.MatchString(s) {
		r.problem(n, fmt.Sprintf("%s: %s is not a decimal number", what, quote(s)), aNumber)
		return nil
	}
	return &f
}

// integer reads a whole number from lowest to highest.
func (r *reader) integer(n *yaml.Node, what string, lowest, highest int) (int, bool) {
	f := r.number(n, what)
	if f == nil {
		return 0, false
	}
	if *f != math.Trunc(*f) || *f < float64(lowest) || *f > float64(highest) {
		r.problem(n, fmt.Sprintf("%s is %s", what, n.Value), fmt.Sprintf("write a whole number from %d to %d", lowest, highest))
		return 0, false
	}
	return int(*f), true
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, what string) bool {
	s, ok := r.text(n, what, "write true or false")
	if ok && s != "true" && s != "false" {
		r.problem(n, fmt.Sprintf("%s: %s is neither true nor false", what, quote(s)), "write true or false")
	}
	return s == "true"
}

// dir reads the name of a directory that exists, relative to n's file, and returns
// its absolute name.
func (r *reader) dir(n *yaml.Node, what string) string {
	dir := r.file(n, what)
	if dir == "" {
		return ""
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.problem(n, fmt.Sprintf("%s: there is no directory %s", what, quote(n.Value)), "create it or correct its name; it is relative to this file")
	}
	return dir
}

// percentage reads 0 or a percentage below 100% as a fraction.
func (r *reader) percentage(n *yaml.Node, what string) float64 {
	s, ok := r.text(n, what, aPercentage)
	if !ok || s == "0" {
		return 0
	}
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !decimal.MatchString(number) || f < 0 || f >= 100 {
		r.problem(n, fmt.Sprintf("%s: %s is not a percentage", what, quote(s)), aPercentage)
		return 0
	}
	return f / 100
}
