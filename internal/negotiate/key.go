package negotiate

import (
	"errors"
	"net/http"
	"strings"
)

// MaxKey bounds an Idempotency-Key, in bytes.
const MaxKey = 255

// errKey describes a valid key.
var errKey = errors.New(`the Idempotency-Key must be one text of 1 to 255 visible ASCII characters, ` +
	`with or without quotes around it, such as "8e03978e-40d5"`)

// IdempotencyKey returns the Idempotency-Key of a request, "" if it has none. It is a string of RFC 9651 §3.3.3
// (draft-ietf-httpapi-idempotency-key-header-07 §2.1), or the same text unquoted, without spaces, quotes and
// backslashes: "a" and a are the same key. The error is for the client.
func IdempotencyKey(h http.Header) (string, error) {
	lines := h.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key, ok := keyText(trim(lines[0]))
	if !ok || len(lines) > 1 || key == "" || len(key) > MaxKey {
		return "", errKey
	}
	return key, nil
}

func keyText(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			return b.String(), i == len(s)-1
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			c = s[i]
		case c < ' ' || c > '~':
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false // the closing quote is missing
}
