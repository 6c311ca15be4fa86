package command

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const (
	maxLine = 64 << 10 // bytes of a line
)

// CutMark is at the end of a line that was longer than 64 KiB.
const CutMark = " [cut]"

// An output splits the chunks of both outputs into lines.
type output struct {
	max       int
	stdout    []byte
	truncated bool
	tail      tail
	out, err  lines

	outReports, errReports reports
}

func newOutput(c *Command) *output {
	o := &output{max: orDefault(c.MaxOutput, defaultMaxOutput)}
	o.tail = tail{max: o.max, printed: c.Printed}
	o.outReports.emit, o.errReports.emit = c.Progress, c.Progress
	o.out = lines{emit: c.Stdout, tail: &o.tail}
	o.err = lines{emit: c.Stderr, tail: &o.tail, stderr: true}
	return o
}

func (o *output) write(k chunk) {
	if k.stderr {
		o.errReports.write(k.data)
		o.err.write(k.data)
		return
	}
	o.outReports.write(k.data)
	n := min(len(k.data), o.max-len(o.stdout))
	o.stdout = append(o.stdout, k.data[:n]...)
	o.truncated = o.truncated || n < len(k.data)
	o.out.write(k.data)
}

// end passes on the last line if it has no line end.
func (o *output) end() {
	o.out.end()
	o.err.end()
}

// lines splits one output into lines. LF, CRLF and CR end a line, but a CR at the start of one does not: progress bars
// begin with CR as often as they end with it.
type lines struct {
	emit   func(string)
	tail   *tail
	stderr bool

	buf  []byte // the line being read, at most maxLine bytes
	cut  bool   // the line was longer
	cr   bool   // the last byte was a CR that ended a line: an LF belongs to it
	held string // while over: a line ended by CR, which the next one overwrites
	over bool
}

func (l *lines) write(data []byte) {
	for len(data) > 0 {
		i := bytes.IndexAny(data, "\r\n")
		text := data
		if i >= 0 {
			text = data[:i]
		}
		if len(text) > 0 {
			l.cr = false
			n := min(len(text), maxLine-len(l.buf))
			l.buf = append(l.buf, text[:n]...)
			l.cut = l.cut || n < len(text)
		}
		if i < 0 {
			return
		}
		end := data[i]
		data = data[i+1:]
		switch {
		case end == '\n' && l.cr:
			l.cr, l.over = false, false
			l.tail.add(l.held, l.stderr)
		case end == '\n':
			l.over = false
			l.tail.add(l.line(), l.stderr)
		case len(l.buf) > 0:
			l.held, l.over, l.cr = l.line(), true, true
		default:
			l.cr = false
		}
	}
}

// line returns the line that was read.
func (l *lines) line() string {
	text := l.buf
	if l.cut { // it may end in the middle of a character
		for i := 1; i <= utf8.UTFMax && i <= len(text); i++ {
			if utf8.RuneStart(text[len(text)-i]) {
				if !utf8.FullRune(text[len(text)-i:]) {
					text = text[:len(text)-i]
				}
				break
			}
		}
	}
	s := strings.ToValidUTF8(string(text), "\uFFFD")
	if l.cut {
		s += CutMark
	}
	l.buf, l.cut = l.buf[:0], false
	if l.emit != nil {
		l.emit(s)
	}
	return s
}

func (l *lines) end() {
	switch {
	case len(l.buf) > 0:
		l.tail.add(l.line(), l.stderr)
	case l.over:
		l.tail.add(l.held, l.stderr)
	}
}

// A tail keeps the last whole lines, at most max bytes.
type tail struct {
	max     int
	printed func(line string, stderr bool) // nil: ignored
	buf     []byte                         // up to 2*max, so that dropping the front is rare
}

func (t *tail) add(line string, stderr bool) {
	if t.printed != nil {
		t.printed(line, stderr)
	}
	if len(line) >= t.max { // the line end needs one byte
		line = strings.ToValidUTF8(line[:t.max-1], "")
	}
	t.buf = append(append(t.buf, line...), '\n')
	if len(t.buf) > 2*t.max {
		t.buf = append(t.buf[:0], t.bytes()...)
	}
}

// bytes returns the last whole lines that fit; valid until the next add.
func (t *tail) bytes() []byte {
	if len(t.buf) <= t.max {
		return t.buf
	}
	// The byte before the part that fits tells whether that begins a line.
	from := len(t.buf) - t.max
	return t.buf[from+bytes.IndexByte(t.buf[from-1:], '\n'):]
}
