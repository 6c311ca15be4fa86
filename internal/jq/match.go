package jq

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// Bounds of regular expressions, which may come from outside, like the texts.
const (
	maxRegexp  = 4 << 10 // bytes of one
	maxRegexps = 64      // compiled ones that a program keeps
	lookAhead  = 32      // bytes that are searched for an empty match next to another one
)

// regexps are the compiled regular expressions of a program.
type regexps struct {
	mu    sync.Mutex // guards the field below
	known map[[2]string]*matcher
}

// A matcher is a compiled regular expression.
type matcher struct {
	*regexp.Regexp
	cost  int            // of a byte of the text
	probe *regexp.Regexp // a character and then the expression; nil if the expression has no empty match
}

// matcher compiles a regular expression with the flags of jq.
func (m *meter) matcher(source, flags string) (*matcher, error) {
	if len(source) > maxRegexp {
		return nil, fmt.Errorf("a regular expression has %d bytes, want at most %d", len(source), maxRegexp)
	}
	if strings.Trim(flags, "gim") != "" {
		return nil, fmt.Errorf("unsupported regular expression flag: %q", flags[:min(len(flags), 20)])
	}
	key := [2]string{source, flags}
	m.regexps.mu.Lock()
	defer m.regexps.mu.Unlock()
	if re, ok := m.regexps.known[key]; ok {
		return re, nil
	}
	if !m.spend(500 * (len(source) + 1)) {
		return nil, errBudget
	}
	if strings.Contains(flags, "i") {
		source = "(?i)" + source
	}
	if strings.Contains(flags, "m") {
		source = "(?s)" + source
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %s", source, err)
	}
	if !m.spend(times(500, instructions(tree))) {
		return nil, errBudget
	}
	code, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %s", source, err)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %s", source, err)
	}
	found := &matcher{Regexp: re, cost: 2 + len(code.Inst)}
	if canBeEmpty(tree) {
		found.probe, _ = regexp.Compile(`\A(?s:.)(?:` + source + `)`)
	}
	if len(m.regexps.known) >= maxRegexps || m.regexps.known == nil {
		m.regexps.known = map[[2]string]*matcher{}
	}
	m.regexps.known[key] = found
	return found, nil
}

// instructions estimates how many instructions a regular expression compiles to, with repetitions expanded.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n = times(n, max(re.Min, re.Max, 1))
	}
	return n
}

// canBeEmpty reports whether a regular expression may have an empty match.
func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) == 0
	case syntax.OpNoMatch, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return canBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !canBeEmpty(sub) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, canBeEmpty)
	}
	return true
}

// A found match: its place in the text in bytes, and its match object or captures as in jq.
type found struct {
	from, to int
	object   map[string]any // nil where only the captures were asked for
	captures []any
}

// errNoText returns the error for a value that cannot be matched.
func errNoText(v, source any) error {
	return fmt.Errorf("match(%s) cannot be applied to: %s (%s)", gojq.Preview(source), gojq.TypeOf(v), gojq.Preview(v))
}

// match is _match of jq, in linear time.
func (m *meter) match(v, source, flags any, testing bool) any {
	if testing {
		text, re, _, err := m.prepare(v, source, flags)
		if err != nil {
			return err
		}
		return re.MatchString(text)
	}
	_, all, err := m.matches(v, source, flags, true)
	if err != nil {
		return err
	}
	list := make([]any, len(all))
	for i, f := range all {
		list[i] = f.object
	}
	return list
}

// pieces returns [[[BEFORE, CAPTURES], …], REST]: the text before each match with its captures, and the text after the
// last one.
func (m *meter) pieces(v, source, flags any) any {
	text, all, err := m.matches(v, source, flags, false)
	if err != nil {
		return err
	}
	list := make([]any, len(all))
	next := 0
	for i, f := range all {
		list[i] = []any{text[next:max(next, f.from)], f.captures}
		next = f.to
	}
	return []any{list, text[next:]}
}

// prepare pays for one pass over a text.
func (m *meter) prepare(v, source, flags any) (text string, re *matcher, global bool, err error) {
	text, ok1 := v.(string)
	pattern, ok2 := source.(string)
	options, ok3 := flags.(string)
	if !ok1 || !ok2 || !ok3 && flags != nil {
		return "", nil, false, errNoText(v, source)
	}
	if re, err = m.matcher(pattern, options); err != nil {
		return "", nil, false, err
	}
	if !m.spend(times(len(text)+1, re.cost)) {
		return "", nil, false, errBudget
	}
	return text, re, strings.Contains(options, "g"), nil
}

// matches finds the first match, or all, as match objects if objects is set.
func (m *meter) matches(v, source, flags any, objects bool) (text string, all []found, err error) {
	text, re, global, err := m.prepare(v, source, flags)
	if err != nil {
		return "", nil, err
	}
	groups := re.NumSubexp()
	each := 400 + 500*groups // what the match takes as a value
	if objects {
		each += 200
	}
	most := 1
	if global {
		most = m.left/each + 1
	}
	places := re.FindAllStringSubmatchIndex(text, most)
	if global && len(places) == most || !m.spend(each*len(places)) {
		m.left = -1
		return "", nil, errBudget
	}
	names := re.SubexpNames()
	at, runes := 0, 0 // a place in the text, in bytes and in characters
	add := func(place []int) {
		runes += utf8.RuneCountInString(text[at:place[0]])
		at = place[0]
		captures := capturesOf(text, place, names, at, runes)
		f := found{from: place[0], to: place[1], captures: captures}
		if objects {
			f.object = map[string]any{
				"offset":   runes,
				"length":   utf8.RuneCountInString(text[at:place[1]]),
				"string":   text[at:place[1]],
				"captures": captures,
			}
		}
		all = append(all, f)
	}
	for i, place := range places {
		if !m.spend(times(place[1]-place[0], 2*groups)) {
			return "", nil, errBudget
		}
		add(place)
		// Go omits an empty match next to the previous match, jq does not.
		if !global || re.probe == nil || place[0] == place[1] || i+1 < len(places) && places[i+1][0] == place[1] {
			continue
		}
		if !m.spend(each + lookAhead*re.cost) {
			return "", nil, errBudget
		}
		if empty := re.emptyAt(text, place[1]); empty != nil {
			add(empty)
		}
	}
	return text, all, nil
}

// capturesOf returns the groups of the match at place, with names as [regexp.Regexp.SubexpNames] has them. The match
// begins at the byte at of the text, before which there are so many runes.
func capturesOf(text string, place []int, names []string, at, runes int) []any {
	captures := make([]any, len(names)-1)
	for g := range captures {
		c := map[string]any{"name": nil, "offset": -1, "length": 0, "string": nil}
		if names[g+1] != "" {
			c["name"] = names[g+1]
		}
		if from, to := place[2*g+2], place[2*g+3]; from >= 0 {
			c["offset"] = runes + utf8.RuneCountInString(text[at:from])
			c["length"], c["string"] = utf8.RuneCountInString(text[from:to]), text[from:to]
		}
		captures[g] = c
	}
	return captures
}

// emptyAt finds an empty match at a place in the text other than its beginning.
func (re *matcher) emptyAt(text string, at int) []int {
	_, width := utf8.DecodeLastRuneInString(text[:at])
	begin := at - width
	end := min(len(text), at+lookAhead)
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	place := re.probe.FindStringSubmatchIndex(text[begin:end])
	if place == nil || place[1] != width {
		return nil
	}
	place[0] = width
	for i := range place {
		if place[i] >= 0 {
			place[i] += begin
		}
	}
	return place
}
