package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// chunks is a reader that gives size bytes at a time.
type chunks struct {
	data []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(len(c.data), 1+max(c.size, -c.size, 0)%64)])
	c.data = c.data[n:]
	return n, nil
}

// decodeCases are named after the web platform tests (eventsource/format-*) whose rule they check, or after the fault
// that real clients had. want is a line for each event: its fields, and at the end what the stream left behind.
var decodeCases = []struct {
	name, in, want string
}{
	{"format-newlines", "data:a\r\ndata:b\ndata:c\r\rdata:d\n\ndata:e\r\n\r\n", `data="a\nb\nc" data="d" data="e"`},
	{"format-leading-space", "data: a\n\ndata:  b\n\ndata:\tc\n\ndata: \n\ndata:\n\n", `data="a" data=" b" data="\tc" data="" data=""`},
	{"format-comments", "data:a\n:data:b\n:\x00\n: " + strings.Repeat("long ", 4000) + "\rdata:c\n:\n\n", `data="a\nc"`},
	{"format-bom", "\uFEFFdata:a\n\n\uFEFFdata:b\n\ndata:c\n\n", `data="a" data="c"`},
	{"format-bom-2", "\uFEFF\uFEFFdata:a\n\ndata:b\n\n", `data="b"`},
	{"format-utf-8", "data:ok…\n\n", `data="ok…"`},
	{"format-null-character", "data:\x00\n\n\n\n", `data="\x00"`},
	{"format-field-data", "data:\n\ndata\ndata\n\ndata:test\n\n", `data="" data="\n" data="test"`},
	{"event-data", "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n", `data="msg\nmsg" data="" data="end"`},
	{"format-field-parsing", "data:\x00\ndata:  2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n", `data="\x00\n 2\n1\n3\n\n4"`},
	{"format-field-unknown", "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n", `data="test\n\ntest"`},
	{"format-field-event", "event:test\ndata:x\n\ndata:x\n\n", `event="test" data="x" data="x"`},
	{"format-field-event-empty", "event:test\nevent:\ndata:x\n\nevent\ndata:y\n\n", `data="x" data="y"`},
	{"format-field-id", "id: 1\ndata:a\n\n", `id="1" data="a" last="1"`},
	{"format-field-id-2", "id: …\ndata:a\n\ndata:b\n\n", `id="…" data="a" id="…" data="b" last="…"`},
	{"format-field-id-3", "id: 1\ndata:a\n\nid:\ndata:b\n\nid: 2\ndata:c\n\nid\ndata:d\n\n", `id="1" data="a" data="b" id="2" data="c" data="d"`},
	{"format-field-id-null", "id: 1\ndata:a\n\nid: 2\x00x\ndata:b\n\nid:\x00\ndata:c\n\n", `id="1" data="a" id="1" data="b" id="1" data="c" last="1"`},
	{"format-field-retry", "retry:3000\ndata:a\n\n", `retry=3s data="a" left=3s`},
	{"format-field-retry-bogus", "retry:3000\nretry:1000x\nretry:-1\nretry: 1 \nretry:१\ndata:x\n\n", `retry=3s data="x" left=3s`},
	{"format-field-retry-empty", "retry:2000\nretry\nretry:\ndata:a\n\n", `retry=2s data="a" left=2s`},
	{"format-data-before-final-empty-line", "id: 1\ndata:a\n\nretry:1000\nid: 2\ndata:b\n", `id="1" data="a" last="1" left=1s`},

	{"lone CR completes a block at once", "data:a\r\r", `data="a"`},
	{"CRLF only", "data:a\r\n\r\ndata:b\r\n\r\n", `data="a" data="b"`},
	{"CRLF is one line end", "data:a\r\ndata:b\r\n\r\n", `data="a\nb"`},
	{"LF CR is two", "data:a\n\rdata:b\n\n", `data="a" data="b"`},
	{"U+0085, U+2028, U+2029, VT and FF end no line", "data:a\u0085b\u2028c\u2029d\ve\ff\n\n", `data="a\u0085b\u2028c\u2029d\ve\ff"`},
	{"colons in the value", "data:a:b: c\n\n", `data="a:b: c"`},
	{"several data lines are joined", "data:1\ndata:2\ndata:3\n\n", `data="1\n2\n3"`},
	{"an id makes no event of a comment", "id: 1\ndata:a\n\n: beat\n\n:\n\n\n\n", `id="1" data="a" last="1"`},
	{"a block with only an id counts", "id: 7\n\ndata:a\n\n", `id="7" data="a" last="7"`},
	{"a block with only an id counts without a later event", "id: 7\n\n", `last="7"`},
	{"a block with only retry counts", "retry: 5000\n\n", `left=5s`},
	{"a block with only a name is no event", "event: x\n\ndata:a\n\n", `data="a"`},
	{"empty data is an event", "event: reset\ndata:\n\n", `event="reset" data=""`},
	{"an incomplete event at the end is none", "data:a\n\ndata:b", `data="a"`},
	{"a retry beyond all bounds", "retry:99999999999999999999\n\n", `left=2562047h47m16.854s`},
	{"no BOM but its beginning", "\xef\xbbdata:a\n\ndata:b\n\n", `data="b"`},
	{"nothing", "", ``},
}

func decode(r io.Reader, opts *sse.ReadOptions) (string, error) {
	var out []string
	add := func(format string, a any, ok bool) {
		if ok {
			out = append(out, fmt.Sprintf(format, a))
		}
	}
	d := sse.NewDecoder(r, opts)
	for {
		ev, err := d.Next()
		if err != nil {
			add("last=%q", d.LastEventID(), d.LastEventID() != "")
			add("left=%v", d.Retry(), d.Retry() != 0)
			if err == io.EOF {
				err = nil
			}
			return strings.Join(out, " "), err
		}
		add("id=%q", ev.ID, ev.ID != "")
		add("event=%q", ev.Name, ev.Name != "")
		add("retry=%v", ev.Retry, ev.Retry != 0)
		add("data=%q", ev.Data, true)
	}
}

func TestDecoder(t *testing.T) {
	for _, tt := range decodeCases {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole":             strings.NewReader(tt.in),
				"byte by byte":      iotest.OneByteReader(strings.NewReader(tt.in)),
				"end with the data": iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				if got, err := decode(r, nil); got != tt.want || err != nil {
					t.Errorf("decode(%.80q) %s = %s, %v, want %s", tt.in, name, got, err, tt.want)
				}
			}
			for i := range min(len(tt.in), 200) {
				r := io.MultiReader(strings.NewReader(tt.in[:i]), strings.NewReader(tt.in[i:]))
				if got, err := decode(r, nil); got != tt.want || err != nil {
					t.Errorf("decode(%.80q) cut at %d = %s, %v, want %s", tt.in, i, got, err, tt.want)
				}
			}
		})
	}
}

// An event is given out as soon as its blank line is there, before any byte after it.
func TestDecoderDoesNotReadAhead(t *testing.T) {
	for _, in := range []string{"data:a\n\n", "data:a\r\r", "data:a\r\n\r"} {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, in) }() // and leaves the pipe open
		if ev, err := sse.NewDecoder(r, nil).Next(); string(ev.Data) != "a" || err != nil {
			t.Errorf("Next() of %q = %q, %v, want a", in, ev.Data, err)
		}
		_ = r.Close()
	}
}

func TestDecoderLimits(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name, in string
		want     string
		line     string
	}{
		{"a line at the limit", "data:" + long[:95] + "\n\n", fmt.Sprintf("data=%q", long[:95]), ""},
		{"a line over it", "data:a\n\ndata:" + long[:96] + "\n\n", `data="a"`, "line 3:"},
		{"a line without end", "\n:" + long, ``, "line 2:"},
		{"an event of many lines", "data:a\n\n" + strings.Repeat("data:12345\n", 11), `data="a"`, "line 13:"},
		{"many events", strings.Repeat("data:12345\n\n", 3), `data="12345" data="12345" data="12345"`, ""},
		{"many comments", strings.Repeat(":"+long[:50]+"\n", 30) + "data:a\n\n", `data="a"`, ""},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, err := decode(r, &sse.ReadOptions{MaxEvent: 100})
			if got != tt.want || errors.Is(err, sse.ErrTooLong) != (tt.line != "") || err != nil && !strings.Contains(err.Error(), tt.line) {
				t.Errorf("%s: decode = %s, %v, want %s and ErrTooLong at %q", tt.name, got, err, tt.want, tt.line)
			}
		}
	}
	in := "data:" + strings.Repeat("x", 1<<20) + "\n\n"
	if _, err := decode(strings.NewReader(in), nil); !errors.Is(err, sse.ErrTooLong) {
		t.Errorf("decode(1 MiB and 5 bytes) = %v, want ErrTooLong by default", err)
	} else if want := "sse: event too long: line 1: want at most 1048576 bytes"; err.Error() != want {
		t.Errorf("decode(1 MiB and 5 bytes) = %q, want %q", err, want)
	}
	if _, err := decode(strings.NewReader(in[:len(in)-7]+"\n\n"), nil); err != nil {
		t.Errorf("decode(1 MiB) = %v, want no error", err)
	}
}

func TestDecoderPassesErrorsOn(t *testing.T) {
	boom := errors.New("boom")
	d := sse.NewDecoder(io.MultiReader(strings.NewReader("data:a\n\ndata:b\n"), iotest.ErrReader(boom)), nil)
	if ev, err := d.Next(); string(ev.Data) != "a" || err != nil {
		t.Errorf("Next() = %q, %v, want a", ev.Data, err)
	}
	for range 2 {
		if _, err := d.Next(); !errors.Is(err, boom) {
			t.Errorf("Next() = %v, want %v", err, boom)
		}
	}
	var got []string
	for ev, err := range sse.Read(io.MultiReader(strings.NewReader("data:a\n\n"), iotest.ErrReader(boom)), nil) {
		got = append(got, fmt.Sprint(string(ev.Data), err))
	}
	if want := "[a<nil> boom]"; fmt.Sprint(got) != want {
		t.Errorf("Read = %v, want %v", got, want)
	}
	if _, err := sse.NewDecoder(idle{}, nil).Next(); err != io.ErrNoProgress {
		t.Errorf("Next() of a reader that gives nothing = %v, want %v", err, io.ErrNoProgress)
	}
}

// idle is a reader that never gives anything.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// One big event in small chunks: copying or scanning what is there anew for each chunk would take minutes.
func TestDecoderIsLinear(t *testing.T) {
	const size = 4 << 20
	for name, in := range map[string][]byte{
		"one line":   append(bytes.Repeat([]byte("x"), size), "\n\n"...),
		"many lines": append(bytes.Repeat([]byte("data:x\r\n"), size/8), '\n'),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		d := sse.NewDecoder(&chunks{data: append([]byte("data:"), in...), size: 31}, &sse.ReadOptions{MaxEvent: 2 * size})
		if _, err := d.Next(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16*size {
			t.Errorf("%s: allocated %d bytes, want at most 16 a byte of input", name, got)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v, want linear time", name, took)
		}
	}
}

// FuzzDecoder holds that any chunking gives the same events, and that nothing panics.
func FuzzDecoder(f *testing.F) {
	for i, tt := range decodeCases {
		f.Add([]byte(tt.in), i)
	}
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		opts := &sse.ReadOptions{MaxEvent: 256}
		want, wantErr := decode(bytes.NewReader(in), opts)
		got, err := decode(&chunks{data: in, size: chunk}, opts)
		if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("decode(%q) in chunks = %s, %v, whole = %s, %v", in, got, err, want, wantErr)
		}
	})
}
