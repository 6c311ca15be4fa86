package http

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// utf8Of returns body in UTF-8, decoded by the charset of its Content-Type. An unknown charset
// is an error unless the body is UTF-8 anyway: some servers name charsets that do not exist.
func utf8Of(contentType string, body []byte) ([]byte, error) {
	_, params, _ := mime.ParseMediaType(contentType)
	label := strings.TrimSpace(params["charset"])
	if label == "" {
		return body, nil
	}
	encoding, name := charset.Lookup(label)
	switch {
	case name == "utf-8":
		return body, nil
	case encoding == nil || name == "replacement":
		if utf8.Valid(body) {
			return body, nil
		}
		return nil, fmt.Errorf(
			"the answer's charset, %q, is not known: want utf-8 or another name of the WHATWG's Encoding standard",
			kind.Brief(label, nil))
	}
	decoded, err := encoding.NewDecoder().Bytes(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is not %s: %w", name, err)
	}
	if len(decoded) > value.MaxBody {
		return nil, value.ErrTooLarge
	}
	return decoded, nil
}
