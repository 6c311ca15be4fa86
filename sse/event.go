package sse

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one event of a stream, as WHATWG HTML §9.2.5 and §9.2.6 define it.
type Event struct {
	// ID is the event's id field. A client that reconnects sends the last one back. Empty means no id field. It must
	// not contain CR, LF or NUL.
	ID string
	// Name is the event's type. Empty means an unnamed event, which browsers dispatch as "message". It must not contain
	// CR, LF or NUL.
	Name string
	// Data is the payload. It is sent as one data line for each of its lines; CRLF, CR and LF end a line, and a reader
	// gets LF for each of them. Nil means no data field at all: clients process ID and Retry, but dispatch nothing.
	// Empty, but not nil, means one empty data line.
	Data []byte
	// Retry is how long the client should wait before it reconnects. It is sent in whole milliseconds; less than one
	// means no retry field.
	Retry time.Duration
}

// FieldError is why an event cannot be encoded: its ID or Name contains CR, LF or NUL.
type FieldError struct {
	Field  string // "id" or "name"
	Value  string
	Offset int // of the byte in Value
}

// Error names the field, its value and the byte.
func (e *FieldError) Error() string {
	an := "a " + e.Field
	if e.Field == "id" {
		an = "an id"
	}
	return fmt.Sprintf(
		"sse: event %s %.64q has %q at byte %d: %s is one line without NUL", e.Field, e.Value, e.Value[e.Offset], e.Offset, an)
}

// AppendTo appends the event in wire form, blank line included, to b and returns the result. It fails with a
// [*FieldError], and returns b unchanged, if ID or Name contains CR, LF or NUL. The fields come in the order id, event,
// retry, data.
func (e Event) AppendTo(b []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return b, err
	}
	if e.ID != "" {
		b = appendField(b, "id", e.ID)
	}
	return e.appendBody(b), nil
}

// check returns an error if e cannot be encoded.
func (e Event) check() error {
	if i := strings.IndexAny(e.ID, "\r\n\x00"); i >= 0 {
		return &FieldError{Field: "id", Value: e.ID, Offset: i}
	}
	if i := strings.IndexAny(e.Name, "\r\n\x00"); i >= 0 {
		return &FieldError{Field: "name", Value: e.Name, Offset: i}
	}
	return nil
}

// appendBody appends everything but the id line.
func (e Event) appendBody(b []byte) []byte {
	if e.Name != "" {
		b = appendField(b, "event", e.Name)
	}
	if ms := e.Retry.Milliseconds(); ms > 0 {
		b = appendField(b, "retry", strconv.FormatInt(ms, 10))
	}
	if e.Data != nil {
		b = appendData(b, e.Data)
	}
	return append(b, '\n')
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}

// appendData appends a data line for each line of data, split at CRLF, CR and LF (§9.2.5: any of them ends a line, so
// one left inside would let a payload forge fields).
func appendData(b, data []byte) []byte {
	if oneLine(data) { // checked only once: for data whose lines end with CR each check scans all of the rest
		return appendDataLine(b, data)
	}
	for {
		i := bytes.IndexAny(data, "\r\n")
		if i < 0 {
			return appendDataLine(b, data)
		}
		b = appendDataLine(b, data[:i])
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

func appendDataLine(b, line []byte) []byte {
	b = append(b, "data:"...)
	if len(line) > 0 {
		b = append(b, ' ')
		b = append(b, line...)
	}
	return append(b, '\n')
}

// oneLine reports whether data has no line end.
func oneLine(data []byte) bool {
	return bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 // IndexAny takes several times as long
}

// size is the length of the wire form, or a little more, or less if Data has many lines.
func (e Event) size() int {
	n := len("\n")
	if e.ID != "" {
		n += len("id: \n") + len(e.ID)
	}
	if e.Name != "" {
		n += len("event: \n") + len(e.Name)
	}
	if e.Retry > 0 {
		n += len("retry: 9223372036854\n")
	}
	if e.Data != nil {
		n += len("data: \n") + len(e.Data)
	}
	return n
}
