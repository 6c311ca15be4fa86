package value

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// utf8 is [UTF8] of the Charset of f, or what the sender says, or what data declares.
func (f Format) utf8(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return data, nil
	case f.Charset != "":
		return UTF8(data, f.Charset)
	case f.said != "":
		return UTF8(data, f.said)
	case f.Name == "xml":
		return UTF8(data, declaredByXML(data))
	case f.Name == "html":
		return UTF8(data, declaredByHTML(data))
	}
	return UTF8(data, "")
}

// UTF8 returns data in UTF-8 and without a byte order mark, of which somebody says that it is in the charset label; an empty
// label is UTF-8. A mark counts before that, as in the Encoding standard of the WHATWG (§6.1). An unknown charset is an error
// unless data is UTF-8 anyway: some servers name charsets that do not exist.
func UTF8(data []byte, label string) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return data[3:], nil
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		data, label = data[2:], "utf-16le"
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		data, label = data[2:], "utf-16be"
	}
	if label = strings.TrimSpace(label); label == "" {
		return data, nil
	}
	encoding, name := charset.Lookup(label)
	switch {
	case name == "utf-8":
		return data, nil
	case encoding == nil || name == "replacement":
		if utf8.Valid(data) {
			return data, nil
		}
		const what = "the answer's charset, %s, is not known: want utf-8 or another name of the WHATWG's Encoding standard"
		return nil, &ParseError{What: fmt.Sprintf(what, quoteBriefly(label))}
	}
	decoded, err := encoding.NewDecoder().Bytes(data)
	if err != nil {
		return nil, fmt.Errorf("the answer is not %s: %w", name, err)
	}
	if len(decoded) > MaxBody {
		return nil, ErrTooLarge
	}
	return decoded, nil
}

// KnowsCharset reports whether bytes in the charset label can be read.
func KnowsCharset(label string) bool {
	encoding, name := charset.Lookup(label)
	return encoding != nil && name != "replacement"
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// declaredByXML returns the charset in the declaration of XML. One that can be read as ASCII is not in UTF-16.
func declaredByXML(data []byte) string {
	found := xmlEncoding.FindSubmatch(data[:min(len(data), 512)])
	if found == nil || bytes.HasPrefix(bytes.ToLower(found[1]), []byte("utf-16")) {
		return ""
	}
	return string(found[1])
}

// declaredByHTML returns the charset in the head of HTML, which is windows-1252 if there is none and the text is not UTF-8.
func declaredByHTML(data []byte) string {
	_, name, certain := charset.DetermineEncoding(data, "")
	if !certain && utf8.Valid(data) {
		return ""
	}
	return name
}
