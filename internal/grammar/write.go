package grammar

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Mapping is a mapping to be written, in this order.
type Mapping []Pair

// A Pair is a key and its value: a text, a bool, an int, a []string or a [Mapping].
type Pair struct {
	Key   string
	Value any
}

// widest is how many columns a line has at most, unless one value has more.
const widest = 100

// Scalar returns s as a plain or quoted scalar that is the text s, also within [ ] and { }.
func Scalar(s string) string {
	switch {
	case isPlain(s):
		return s
	case strings.ContainsFunc(s, func(r rune) bool { return IsControl(r) || r == utf8.RuneError || !unicode.IsPrint(r) && r != ' ' }):
		return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\uFFFD")) // its escapes are some of those of YAML
	case strings.ContainsAny(s, `"\`):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + s + `"`
}

var (
	plain      = regexp.MustCompile(`^(\.?[\pL_°]|/|\./|\.$)[\pL\pN_./@%+*=:°-]*( [\pL\pN_./@%+*=-]+)*$`)
	otherTypes = regexp.MustCompile(`^(?i:null|true|false|yes|no|on|off|y|n|\.inf|\.nan)$`)
	aDuration  = regexp.MustCompile(`^[0-9]+(ms|s|m|h|d)$`)
	urlColon   = regexp.MustCompile(`:(//|[0-9])`)
)

// isPlain reports whether a plain scalar is the text s, wherever it stands.
func isPlain(s string) bool {
	rest := urlColon.ReplaceAllString(s, "")
	return aDuration.MatchString(s) || plain.MatchString(s) && !otherTypes.MatchString(s) && !strings.Contains(rest, ":") && !strings.Contains(s, "--- ")
}

// flow returns a value in one line.
func flow(v any) string {
	switch v := v.(type) {
	case string:
		return Scalar(v)
	case []string:
		all := make([]string, len(v))
		for i, s := range v {
			all[i] = Scalar(s)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case Mapping:
		all := make([]string, len(v))
		for i, p := range v {
			all[i] = Scalar(p.Key) + ": " + flow(p.Value)
		}
		return "{" + strings.Join(all, ", ") + "}"
	case bool, int:
		return fmt.Sprint(v)
	}
	panic(fmt.Sprintf("grammar: a %T cannot be written", v))
}

// block returns a pair in lines that are indented by that many spaces. A section has lines for its entries, and so has an entry
// for its keys if it has many, or mappings in it. Other mappings are in one line, if that is not too wide.
func block(p Pair, indent int, level level) (lines []string) {
	before := strings.Repeat(" ", indent) + Scalar(p.Key) + ":"
	line := before + " " + flow(p.Value)
	m, ok := p.Value.(Mapping)
	isShort := level == ofKey || level == ofEntry && !m.isDeep()
	if !ok || len(m) == 0 || isShort && utf8.RuneCountInString(line) <= widest {
		return []string{line}
	}
	lines = []string{before}
	for _, inner := range m {
		lines = append(lines, block(inner, indent+2, min(level+1, ofKey))...)
	}
	return lines
}

// A level is that of a pair in a configuration.
type level int

const (
	ofSection level = iota
	ofEntry
	ofKey
)

// isDeep reports whether there are mappings in m, or many keys.
func (m Mapping) isDeep() bool {
	for _, p := range m {
		if _, ok := p.Value.(Mapping); ok {
			return true
		}
	}
	return len(m) > 4
}
