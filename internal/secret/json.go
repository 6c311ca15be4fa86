package secret

import (
	"encoding/json"
	"strings"
)

// JSON returns valid JSON with [Mask] in place of each secret in its texts, in any spelling, names of members included.
// A number that is or contains a secret becomes the text [Mask], and so does a true, false or null that is one. The
// rest is returned unchanged. A secret elsewhere, such as one that extends from one text into another, hides all of
// data.
func (r *Redactor) JSON(data []byte) []byte {
	redacted := r.values(data, true)
	if r.Text(string(redacted)) == string(redacted) && json.Valid(redacted) {
		return redacted
	}
	return []byte(`"` + Mask + `"`)
}

// Strings is like [Redactor.JSON], but leaves numbers unchanged: digits of a measured value that happen to be a secret
// must not disappear.
func (r *Redactor) Strings(data []byte) []byte { return r.values(data, false) }

func (r *Redactor) values(data []byte, numbers bool) []byte {
	s := string(data)
	if r == nil || len(r.secrets) == 0 || r.Text(s) == s {
		return data
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		n := token(s[i:])
		out.WriteString(r.token(s[i:i+n], numbers))
		i += n
	}
	return []byte(out.String())
}

// token returns the length of the text, number or word at the beginning of s, 1 if there is none.
func token(s string) int {
	if s[0] == '"' {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(s)
	}
	if 'a' <= s[0] && s[0] <= 'z' {
		return max(1, len(s)-len(strings.TrimLeft(s, "truefalsn")))
	}
	return max(1, len(s)-len(strings.TrimLeft(s, "+-.0123456789eE")))
}

func (r *Redactor) token(s string, numbers bool) string {
	var plain string
	switch {
	case s[0] == '"' && json.Unmarshal([]byte(s), &plain) == nil:
		if shown := r.Text(plain); shown != plain {
			quoted, _ := json.Marshal(shown) // cannot fail for a text
			return string(quoted)
		}
	case numbers && strings.IndexByte("-0123456789tfn", s[0]) >= 0 && r.Text(s) != s:
		return `"` + Mask + `"`
	}
	return s
}
