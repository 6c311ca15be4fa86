package command

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	esc = 0x1b
	bel = 0x07
	can = 0x18
	sub = 0x1a
)

// progressStart begins a report of progress to a terminal, introduced by ConEmu and used by Windows Terminal, Ghostty,
// systemd and others: ESC ] 9 ; 4 ; state ; percent, ended by BEL or ESC \.
const progressStart = "\x1b]9;4;"

const maxReport = 32 // bytes of a report

// reports finds reports of progress in an output, however that is divided into pieces and lines.
type reports struct {
	emit func(percent float64, known bool)

	buf []byte // the beginning of a sequence that may be a report
}

func (r *reports) write(data []byte) {
	if r.emit == nil {
		return
	}
	for len(data) > 0 {
		if len(r.buf) == 0 {
			i := bytes.IndexByte(data, esc)
			if i < 0 {
				return
			}
			data = data[i:]
		}
		r.next(data[0])
		data = data[1:]
	}
}

// next takes a byte. Within a sequence terminals ignore control characters, except for those that end it.
func (r *reports) next(c byte) {
	n := len(r.buf)
	switch {
	case c < ' ' && n > 1 && c != esc && c != bel && c != can && c != sub:
	case n < len(progressStart):
		if c != progressStart[n] {
			r.buf = r.buf[:0]
			if c == esc {
				r.buf = append(r.buf, c)
			}
			return
		}
		r.buf = append(r.buf, c)
	case c == bel:
		r.end(r.buf[len(progressStart):])
	case r.buf[n-1] == esc:
		if c == '\\' {
			r.end(r.buf[len(progressStart) : n-1])
			return
		}
		r.buf = append(r.buf[:0], esc)
		r.next(c)
	case c == can, c == sub, n == maxReport:
		r.buf = r.buf[:0]
	default:
		r.buf = append(r.buf, c)
	}
}

// end takes the text between start and end of a report: a state, and for some states a percentage.
func (r *reports) end(body []byte) {
	state, rest, _ := strings.Cut(string(body), ";")
	r.buf = r.buf[:0]
	switch state {
	case "0", "3": // no progress, or indeterminate
		r.emit(0, false)
	case "1", "2", "4": // normal, error, paused
		if percent, err := strconv.ParseUint(rest, 10, 16); err == nil {
			r.emit(float64(min(percent, 100)), true)
		}
	}
}
