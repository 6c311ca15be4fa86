package template

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// checkXML checks that each placeholder is in text or in the value of an attribute. Names of tags, comments,
// declarations and CDATA have no escapes. So it replaces each placeholder by a mark that contains an escape, and the
// parser has to return the mark decoded.
func (t *Template) checkXML(begins []int) *Error {
	all := t.fill(func(part) string { return "" })
	mark := "x"
	for strings.Contains(all, mark) { // this ends: a longer mark is not in a shorter text
		mark += "x"
	}
	sign := func(i int, amp string) string { return fmt.Sprintf("%s.%d%s.", mark, i, amp) }
	i := -1
	sample := t.fill(func(part) string { i++; return sign(i, "&amp;") })
	var seen strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(sample))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &Error{
				begins[0],
				"the text is not XML around " + t.parts[0].text,
				"write XML, or another Content-Type",
			}
		}
		switch token := token.(type) {
		case xml.CharData:
			seen.Write(token)
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					seen.WriteString(a.Value)
				}
			}
		}
	}
	for i, p := range t.parts {
		if strings.Count(seen.String(), sign(i, "&")) != 1 {
			return &Error{
				begins[i],
				p.text + " stands where XML has no escapes",
				"write it into the text of an element or the value of an attribute",
			}
		}
	}
	return nil
}

// escapeXML escapes s for text and for the value of an attribute. Characters that are not allowed in XML become U+FFFD.
func escapeXML(s string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(s)) // writing to a buffer cannot fail
	return out.String()
}
