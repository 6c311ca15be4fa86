package value

import (
	"bytes"
	"fmt"
	"mime"
	"net/url"
	"strings"
)

// MaxFields bounds the fields of a form.
const MaxFields = 1000

// IsForm reports whether data of a media type, as Content-Type has it, has the fields of a form. What curl -d sends is called a
// form whatever it is: JSON and what has no field is none.
func IsForm(media string, data []byte) bool {
	name, _, err := mime.ParseMediaType(media)
	if err != nil || name != "application/x-www-form-urlencoded" || !bytes.Contains(data, []byte("=")) {
		return false
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	return !bytes.HasPrefix(start, []byte("{")) && !bytes.HasPrefix(start, []byte("[")) && !bytes.HasPrefix(start, []byte(`"`))
}

// ParseForm returns the fields of a form: texts, and lists of texts where a field is there more than once. The error is a
// [*ParseError].
func ParseForm(data []byte) (map[string]any, error) {
	if n := bytes.Count(data, []byte("&")); n >= MaxFields {
		return nil, &ParseError{What: fmt.Sprintf("a form of %d fields, want at most %d", n+1, MaxFields)}
	}
	query, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, &ParseError{What: "not a form (" + err.Error() + ")", Err: err}
	}
	fields := make(map[string]any, len(query))
	for name, texts := range query {
		name = strings.ToValidUTF8(name, "\uFFFD")
		list := make([]any, len(texts))
		for i, text := range texts {
			list[i] = strings.ToValidUTF8(text, "\uFFFD")
		}
		if fields[name] = list; len(list) == 1 {
			fields[name] = list[0]
		}
	}
	return fields, nil
}
