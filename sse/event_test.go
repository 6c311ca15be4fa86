package sse_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

func TestEventAppendTo(t *testing.T) {
	for _, tt := range []struct {
		in   sse.Event
		want string
	}{
		{sse.Event{}, "\n"},
		{sse.Event{Data: []byte{}}, "data:\n\n"},
		{sse.Event{Data: []byte("a")}, "data: a\n\n"},
		{sse.Event{Data: []byte(" a")}, "data:  a\n\n"},
		{sse.Event{Data: []byte("a\nb\rc\r\nd")}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{sse.Event{Data: []byte("a\n")}, "data: a\ndata:\n\n"},
		{sse.Event{Data: []byte("\r\n\r\n")}, "data:\ndata:\ndata:\n\n"},
		{sse.Event{Data: []byte("a\n\nevent: forged")}, "data: a\ndata:\ndata: event: forged\n\n"},
		{sse.Event{Data: []byte("a\x00b\u2028c\u0085d")}, "data: a\x00b\u2028c\u0085d\n\n"},
		{sse.Event{ID: "r-1", Name: "gap", Data: []byte("4"), Retry: 1500 * time.Millisecond}, "id: r-1\nevent: gap\nretry: 1500\ndata: 4\n\n"},
		{sse.Event{ID: "r-1"}, "id: r-1\n\n"},
		{sse.Event{Retry: 2500 * time.Microsecond}, "retry: 2\n\n"},
		{sse.Event{Retry: 999 * time.Microsecond}, "\n"},
		{sse.Event{Retry: -time.Second}, "\n"},
	} {
		got, err := tt.in.AppendTo([]byte("before\n"))
		if want := "before\n" + tt.want; string(got) != want || err != nil {
			t.Errorf("%+v.AppendTo = %q, %v, want %q", tt.in, got, err, want)
		}
	}
}

func TestEventAppendToRefuses(t *testing.T) {
	for _, tt := range []struct {
		in   sse.Event
		want string
	}{
		{sse.Event{ID: "a\nb"}, `sse: event id "a\nb" has '\n' at byte 1`},
		{sse.Event{ID: "a\rb"}, `has '\r' at byte 1`},
		{sse.Event{ID: "\x00"}, `has '\x00' at byte 0`},
		{sse.Event{Name: "a\n"}, `sse: event name "a\n" has '\n' at byte 1`},
		{sse.Event{Name: "a\r"}, `has '\r' at byte 1`},
		{sse.Event{Name: "a\x00"}, `has '\x00' at byte 1`},
	} {
		got, err := tt.in.AppendTo([]byte("b"))
		var field *sse.FieldError
		if string(got) != "b" || !errors.As(err, &field) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v.AppendTo = %q, %v, want b unchanged and a FieldError with %q", tt.in, got, err, tt.want)
		} else if field.Field == "id" && field.Value != tt.in.ID || field.Field == "name" && field.Value != tt.in.Name {
			t.Errorf("%+v.AppendTo = %+v, want the field's value", tt.in, field)
		}
	}
}

// normalize is what a reader gets for e: LF for every line end, whole milliseconds.
func normalize(e sse.Event) sse.Event {
	e.Data = bytes.ReplaceAll(e.Data, []byte("\r\n"), []byte("\n"))
	e.Data = bytes.ReplaceAll(e.Data, []byte("\r"), []byte("\n"))
	e.Retry = max(0, e.Retry.Truncate(time.Millisecond))
	return e
}

// FuzzEvent holds the law decode(encode(e)) = normalize(e), whatever precedes e and however the bytes are cut.
func FuzzEvent(f *testing.F) {
	f.Add("r-1", "", []byte(`{"a":1}`), int64(0), 1)
	f.Add("", "gap", []byte("a\r\nb\rc\n\n"), int64(1500), 2)
	f.Add(" x", " y", []byte(" \x00\xff"), int64(-1), 3)
	f.Add("\uFEFF", "message", []byte("\uFEFF"), int64(1)<<40, 7)
	f.Fuzz(func(t *testing.T, id, name string, data []byte, ms int64, chunk int) {
		if data == nil {
			data = []byte{} // an event without data is not dispatched
		}
		in := sse.Event{ID: id, Name: name, Data: data, Retry: time.Duration(ms%(1<<40)) * time.Millisecond}
		wire, err := in.AppendTo(nil)
		if err != nil {
			if !strings.ContainsAny(id+name, "\r\n\x00") {
				t.Fatalf("%+v.AppendTo: %v, want no error", in, err)
			}
			return
		}
		for _, line := range strings.Split(strings.TrimSuffix(string(wire), "\n\n"), "\n") {
			field, _, _ := strings.Cut(line, ":")
			asked := map[string]bool{"id": id != "", "event": name != "", "retry": ms > 0, "data": true}
			if !asked[field] {
				t.Fatalf("%+v.AppendTo = %q, has the line %q, which was not asked for", in, wire, line)
			}
		}
		d := sse.NewDecoder(&chunks{data: wire, size: chunk}, &sse.ReadOptions{MaxEvent: 2*len(wire) + 1})
		got, err := d.Next()
		if want := normalize(in); err != nil || !equal(got, want) {
			t.Fatalf("decode(encode(%+v)) = %+v, %v, want %+v", in, got, err, want)
		}
	})
}

func equal(a, b sse.Event) bool {
	return a.ID == b.ID && a.Name == b.Name && bytes.Equal(a.Data, b.Data) && a.Retry == b.Retry
}
