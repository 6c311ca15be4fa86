// Package template fills {name} placeholders of a text, and others that its caller knows, with values, escaped for their
// places.
//
// [Parse] checks the places when a configuration is loaded, and refuses a text whose structure a value could change. So
// this law holds: whatever the values, the rendered text has the structure of its template. A value stays inside the
// string, element, attribute, parameter or segment of its placeholder.
//
// Templates are immutable: any number of goroutines may use one.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Language is the language of a text.
type Language int

const (
	Text   Language = iota // no structure: values are not escaped
	JSON                   // in strings, and as whole values
	XML                    // in text and in values of attributes
	Form                   // application/x-www-form-urlencoded, or the query of an address
	Path                   // the escaped path of an address: a value stays in its segment
	Header                 // the value of a header: one line
	Cookie                 // the value of the header Cookie: values have no special characters
)

// OfHeader returns the language of the value of a header.
func OfHeader(name string) Language {
	if strings.EqualFold(name, "Cookie") {
		return Cookie
	}
	return Header
}

// Of returns the language of a body with a media type such as "application/soap+xml", and false for one without a known
// way to escape values.
func Of(contentType string) (Language, bool) {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return Text, false
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return JSON, true
	case media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
		return XML, true
	case media == "application/x-www-form-urlencoded":
		return Form, true
	case media == "text/plain", media == "text/markdown":
		return Text, true
	}
	return Text, false
}

var placeholder = regexp.MustCompile(`\{([A-Za-z0-9][A-Za-z0-9._-]{0,63})\}`)

// A Placeholder is a placeholder in a text.
type Placeholder struct {
	Name       string
	Begin, End int // its range in the text, in bytes, braces included
}

// Find returns the placeholders in a text of any language: {name}, and each of the texts in computed, whose name is the
// whole text.
func Find(s string, computed ...string) (all []Placeholder) {
	named := placeholder.FindAllStringSubmatchIndex(s, -1)
	for end := 0; ; {
		next := Placeholder{Begin: len(s)}
		for _, text := range computed {
			if i := strings.Index(s[end:], text); i >= 0 && end+i < next.Begin {
				next = Placeholder{text, end + i, end + i + len(text)}
			}
		}
		for ; len(named) > 0 && named[0][0] < next.Begin; named = named[1:] {
			if m := named[0]; m[0] >= end { // not in a computed text
				all = append(all, Placeholder{s[m[2]:m[3]], m[0], m[1]})
			}
		}
		if next.Name == "" {
			return all
		}
		all, end = append(all, next), next.End
	}
}

var condition = regexp.MustCompile(`^\{([A-Za-z0-9][A-Za-z0-9._-]{0,63})\?\}`)

// Condition reports whether s begins with {name?}, and returns the name and the rest. An element of an argv that begins
// so is left out if the value is empty or false.
func Condition(s string) (name, rest string, ok bool) {
	m := condition.FindStringSubmatch(s)
	if m == nil {
		return "", s, false
	}
	return m[1], s[len(m[0]):], true
}

// Conditional returns a text without the {name?} at its beginning, and whether it applies: what name stands for is neither nil nor
// empty nor false. Value returns that, and false for braces that are text: such a text, and one that has no {name?}, applies as
// it is.
func Conditional(s string, value func(name string) (v any, ok bool)) (rest string, applies bool) {
	name, rest, ok := Condition(s)
	if !ok {
		return s, true
	}
	v, ok := value(name)
	if !ok {
		return s, true
	}
	return rest, v != nil && v != "" && v != false
}

// An Error describes why a text is not a valid template.
type Error struct {
	At   int // the place in the text, in bytes
	What string
	Want string
}

func (e *Error) Error() string { return e.What + ", " + e.Want }

// A Template is a text with placeholders.
type Template struct {
	language Language
	parts    []part
	rest     string // after the last placeholder
}

// A part is a placeholder and the text before it.
type part struct {
	before string
	name   string
	text   string // the placeholder as written
	bare   bool   // in JSON: it is a whole value, not in a string
	quoted bool   // in a header: it is in a quoted string
}

// Parse parses s as a template, with the placeholders that [Find] finds. Braces around a name that is not known are text.
func Parse(s string, language Language, known func(name string) bool, computed ...string) (*Template, *Error) {
	t := &Template{language: language}
	at := 0
	var begins []int
	for _, p := range Find(s, computed...) {
		if !slices.Contains(computed, p.Name) && !known(p.Name) {
			continue
		}
		t.parts = append(t.parts, part{before: s[at:p.Begin], name: p.Name, text: s[p.Begin:p.End]})
		begins = append(begins, p.Begin)
		at = p.End
	}
	t.rest = s[at:]
	if len(t.parts) == 0 {
		return t, nil
	}
	switch language {
	case JSON:
		return t, t.checkJSON(begins)
	case XML:
		return t, t.checkXML(begins)
	case Header:
		return t, t.checkHeader(begins)
	case Form, Path:
		for i, p := range t.parts {
			if escape := strings.LastIndexByte(p.before, '%'); escape >= 0 && escape > len(p.before)-3 {
				return t, &Error{begins[i], p.text + " stands in an escape", "write %25 for a percent sign"}
			}
		}
	}
	return t, nil
}

// checkJSON determines which placeholders are in strings. The others have to be whole values: null must be valid in
// their place.
func (t *Template) checkJSON(begins []int) *Error {
	quoted := false
	for i := range t.parts {
		before := t.parts[i].before
		for k := 0; k < len(before); k++ {
			switch before[k] {
			case '\\':
				if k++; quoted && k == len(before) {
					return &Error{
						begins[i],
						t.parts[i].text + " stands behind a backslash",
						`write \\ for a backslash`,
					}
				}
			case '"':
				quoted = !quoted
			}
		}
		t.parts[i].bare = !quoted
	}
	sample := t.fill(func(p part) string {
		if p.bare {
			return "null"
		}
		return "x"
	})
	var all json.RawMessage
	var wrong *json.SyntaxError
	if err := json.Unmarshal([]byte(sample), &all); errors.As(err, &wrong) {
		at := t.partAt(int(wrong.Offset))
		return &Error{begins[at], "the text is not JSON around " + t.parts[at].text,
			"write JSON in which a placeholder stands in a string or as a value, or another Content-Type"}
	}
	return nil
}

// partAt returns the last placeholder that begins before an offset in the sample of a JSON text; the first one if none
// does.
func (t *Template) partAt(offset int) (at int) {
	begin := 0
	for i, p := range t.parts {
		if begin += len(p.before); begin >= offset {
			break
		}
		at = i
		if begin++; p.bare { // x or null
			begin += len("null") - 1
		}
	}
	return at
}

func (t *Template) fill(value func(part) string) string {
	var out strings.Builder
	for _, p := range t.parts {
		out.WriteString(p.before)
		out.WriteString(value(p))
	}
	out.WriteString(t.rest)
	return out.String()
}

// Render returns the text with values in place of the placeholders. A value is of a type that encoding/json decodes into,
// or [json.RawMessage]; nil is null as a JSON value and empty elsewhere, and lists and objects are JSON everywhere.
//
// A segment that becomes empty, "." or ".." would change the path: that is a [*SegmentError].
func (t *Template) Render(value func(name string) any) (string, error) {
	filled := t.fill(func(p part) string { return t.escape(p, value(p.name)) })
	switch t.language {
	case Header:
		return strings.Map(oneLine, filled), nil
	case Path:
		return filled, t.checkPath(filled)
	}
	return filled, nil
}

// oneLine keeps a header in one line, and removes characters that are not allowed in it (RFC 9110 §5.5).
func oneLine(c rune) rune {
	if unicode.IsControl(c) {
		return ' '
	}
	return c
}

func (t *Template) escape(p part, value any) string {
	s := asText(value)
	switch t.language {
	case JSON:
		if p.bare {
			return bareJSON(value)
		}
		quoted, _ := json.Marshal(s) // texts encode
		return string(quoted[1 : len(quoted)-1])
	case XML:
		return escapeXML(s)
	case Form:
		return url.QueryEscape(s)
	case Path, Cookie:
		return url.PathEscape(s)
	case Header:
		if p.quoted {
			return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		}
	}
	return s
}

// A SegmentError describes why a path cannot be rendered: the value of the placeholder Name would change the path.
type SegmentError struct{ Name, Segment string }

func (e *SegmentError) Error() string {
	if e.Segment == "" {
		return "an empty text would leave out a part of the path"
	}
	return fmt.Sprintf("%q would lead to another path", e.Segment)
}

// checkPath refuses segments that would change the path. Values contain no slash, so segments are where they are in the
// template.
func (t *Template) checkPath(filled string) error {
	names := map[int]string{}
	at := 0
	for _, p := range t.parts {
		at += strings.Count(p.before, "/")
		names[at] = p.name
	}
	for i, segment := range strings.Split(filled, "/") {
		if name, ok := names[i]; ok {
			switch plain, _ := url.PathUnescape(segment); plain {
			case "", ".", "..":
				return &SegmentError{name, plain}
			}
		}
	}
	return nil
}

// asText returns a value in the form for people and programs: a text is unchanged, nil is empty.
func asText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.RawMessage:
		var s *string
		if json.Unmarshal(v, &s) != nil {
			return string(v)
		}
		if s == nil {
			return ""
		}
		return *s
	case []any, map[string]any:
		return bareJSON(v)
	}
	return fmt.Sprint(value)
}

// bareJSON returns a value as JSON.
func bareJSON(value any) string {
	data, err := json.Marshal(value)
	if err != nil { // a number such as NaN
		return "null"
	}
	return string(data)
}
