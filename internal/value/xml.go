package value

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An element is an XML element that is being read.
type element struct {
	name   string
	fields map[string]any // attributes as "@name", and elements; nil: none yet
	text   strings.Builder
}

// value returns a text for an element that has neither attributes nor elements, and an object for any other.
func (e *element) value() any {
	text := strings.TrimSpace(e.text.String())
	if e.fields == nil {
		return text
	}
	if text != "" {
		e.fields["#text"] = text
	}
	return e.fields
}

// add adds a field. Elements of one name become a list.
func (e *element) add(name string, v any) {
	if e.fields == nil {
		e.fields = map[string]any{}
	}
	before, repeated := e.fields[name]
	list, isList := before.([]any) // no element alone is a list
	switch {
	case !repeated:
		e.fields[name] = v
	case isList:
		e.fields[name] = append(list, v)
	default:
		e.fields[name] = []any{before, v}
	}
}

// parseXML makes an object of a document, with the root element as its one member. Names are without the prefixes of
// namespaces. A document type declaration is skipped, so an entity that it defines is an error.
func parseXML(b *budget, text []byte) (any, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	document := &element{}
	open := []*element{document}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, &ParseError{What: "not XML (" + xmlReason(err) + ")", Err: err}
		}
		if err := b.take(0); err != nil {
			return nil, err
		}
		inner := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if inner == document && document.fields != nil {
				return nil, &ParseError{What: "more than one root element, want one XML document"}
			}
			if len(open) > MaxDepth {
				return nil, &ParseError{What: fmt.Sprintf("XML nests deeper than %d levels", MaxDepth)}
			}
			open = append(open, opened(token))
		case xml.EndElement: // of inner: the decoder checks that
			open = open[:len(open)-1]
			open[len(open)-1].add(inner.name, inner.value())
		case xml.CharData:
			inner.text.Write(token)
		}
	}
	switch {
	case strings.TrimSpace(document.text.String()) != "":
		return nil, &ParseError{What: "not XML (text outside of the root element)"}
	case document.fields == nil:
		return nil, &ParseError{What: "empty, want XML"}
	}
	return document.fields, nil
}

func opened(start xml.StartElement) *element {
	e := &element{name: start.Name.Local}
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			e.add("@"+a.Name.Local, a.Value)
		}
	}
	return e
}

// xmlReason is what encoding/xml says, with the line first.
func xmlReason(err error) string {
	e, ok := errors.AsType[*xml.SyntaxError](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}
