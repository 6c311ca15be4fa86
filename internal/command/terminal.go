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

// progressStart begins a report of progress to a terminal, as ConEmu introduced it and
// Windows Terminal, Ghostty, systemd and others have it:
// ESC ] 9 ; 4 ; state ; percent, ended by BEL or ESC \.
const progressStart = "\x1b]9;4;"

const maxReport = 32 // bytes of a report

// reports finds reports of progress in an output, wherever its pieces begin and end, and
// whatever lines it has.
type reports struct {
	emit func(percent float64, known bool)

	buf []byte // what has come of a sequence that may be a report
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

// next takes a byte. Inside of a sequence terminals pass over control characters, but for
// those that end it.
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

// end takes what stands between start and end of a report: a state, and with some of them
// a percentage.
func (r *reports) end(body []byte) {
	state, rest, _ := strings.Cut(string(body), ";")
	r.buf = r.buf[:0]
	switch state {
	case "0", "3": // none, or of unknown extent
		r.emit(0, false)
	case "1", "2", "4": // going on, failed, paused
		if percent, err := strconv.ParseUint(rest, 10, 16); err == nil {
			r.emit(float64(min(percent, 100)), true)
		}
	}
}

// Plain returns s as a terminal would show it if it knew of no colours: without escape
// sequences (ECMA-48 §5.4, §8.3.89) and without control characters but tabs.
func Plain(s string) string {
	control := func(r rune) bool { return r < ' ' && r != '\t' || 0x7f <= r && r < 0xa0 }
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	var plain strings.Builder
	for len(s) > 0 {
		i := strings.IndexByte(s, esc)
		if i < 0 {
			i = len(s)
		}
		plain.WriteString(s[:i])
		s = s[i:]
		s = s[sequence(s):]
	}
	return strings.Map(func(r rune) rune {
		if control(r) {
			return -1
		}
		return r
	}, plain.String())
}

// sequence returns the length of the escape sequence with which s begins; one that does not
// end is all of s.
func sequence(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // control sequence: parameters, then a final byte
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x7e {
				return i
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_': // a string, until BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == bel {
				return i + 1
			}
			if s[i] == esc {
				if i+1 < len(s) && s[i+1] == '\\' {
					return i + 2
				}
				return i
			}
		}
		return len(s)
	}
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f { // intermediates, as of ESC ( B
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		i++
	}
	return i
}
