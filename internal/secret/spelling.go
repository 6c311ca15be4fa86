package secret

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	depth   = 3  // escapes within escapes: of JSON in JSON in an address, for example
	longest = 24 // bytes of an escape, about: \\ud83d\\ude00
)

// lead marks the bytes that begin an escape.
var lead = [256]bool{'\\': true, '%': true, '&': true, '+': true}

// A unit is one way to read the beginning of a text: as one character, or as one byte of it.
type unit struct {
	text [utf8.UTFMax]byte
	size int // bytes in text
	end  int // where the text continues
}

func (u unit) begins(s string) bool {
	return len(s) >= u.size && s[:u.size] == string(u.text[:u.size])
}

func byteUnit(b byte, end int) unit { return unit{[utf8.UTFMax]byte{b}, 1, end} }

func runeUnit(r rune, end int) unit {
	u := unit{end: end}
	u.size = utf8.EncodeRune(u.text[:], r)
	return u
}

// read appends all the ways to read the text at i to m.ways, from base on; the caller truncates m.ways to base again.
func (m *matcher) read(i int) (base int) {
	base = len(m.ways)
	m.units(i, depth, base)
	return base
}

// add adds a way to those from base on, unless it is there already.
func (m *matcher) add(base int, u unit) {
	if !slices.Contains(m.ways[base:], u) {
		m.ways = append(m.ways, u)
	}
}

// units adds the ways to read the text at i, with escapes of at most the given depth.
func (m *matcher) units(i, depth, base int) {
	c := m.s[i]
	m.budget--
	if !lead[c] || depth == 0 || m.budget < 0 {
		m.add(base, byteUnit(c, i+1))
		return
	}
	m.units(i, depth-1, base)
	for k, n := base, len(m.ways); k < n; k++ {
		switch u := m.ways[k]; {
		case u.size != 1:
		case u.text[0] == '+':
			m.add(base, byteUnit(' ', u.end))
		case u.end == len(m.s):
		case u.text[0] == '\\':
			m.backslash(u.end, depth-1, base)
		case u.text[0] == '%':
			if v, ok := m.hex(u.end, 2); ok {
				m.add(base, byteUnit(byte(v), u.end+2))
			}
		case u.text[0] == '&':
			m.entity(u.end, base)
		}
	}
}

// backslash adds the ways to read the text at i after a backslash: in JSON (RFC 8259 §7), Go, Python, C or a shell.
func (m *matcher) backslash(i, depth, base int) {
	switch c := m.s[i]; c {
	case 'u':
		if v, ok := m.hex(i+1, 4); ok {
			m.utf16(rune(v), i+5, depth, base)
		}
	case 'U':
		if v, ok := m.hex(i+1, 8); ok && utf8.ValidRune(rune(v)) {
			m.add(base, runeUnit(rune(v), i+9))
		}
	case 'x':
		if v, ok := m.hex(i+1, 2); ok { // a byte in Go, a character in Python
			m.add(base, byteUnit(byte(v), i+3))
			m.add(base, runeUnit(rune(v), i+3))
		}
	case '0', '1', '2', '3':
		if i+2 < len(m.s) && isOctal(m.s[i+1]) && isOctal(m.s[i+2]) {
			m.add(base, byteUnit((c-'0')<<6|(m.s[i+1]-'0')<<3|(m.s[i+2]-'0'), i+3))
		}
	default:
		if k := strings.IndexByte("abfnrtv", c); k >= 0 {
			m.add(base, byteUnit("\a\b\f\n\r\t\v"[k], i+1))
			return
		}
		m.scratch(i, depth, base, func(u unit) (unit, bool) { return u, u.size == 1 && !isAlphanumeric(u.text[0]) })
	}
}

// utf16 adds the character whose code unit, or first of two code units, is v.
func (m *matcher) utf16(v rune, i, depth, base int) {
	if !utf16.IsSurrogate(v) {
		m.add(base, runeUnit(v, i))
		return
	}
	if i == len(m.s) {
		return
	}
	m.scratch(i, depth, base, func(u unit) (unit, bool) {
		if u.size != 1 || u.text[0] != '\\' || u.end == len(m.s) || m.s[u.end] != 'u' {
			return u, false
		}
		low, ok := m.hex(u.end+1, 4)
		r := utf16.DecodeRune(v, rune(low))
		return runeUnit(r, u.end+5), ok && r != utf8.RuneError
	})
}

// scratch reads the text at i and adds the results of becomes.
func (m *matcher) scratch(i, depth, base int, becomes func(unit) (unit, bool)) {
	from := len(m.ways)
	m.units(i, depth, from)
	to := from
	for _, u := range m.ways[from:] {
		if u, ok := becomes(u); ok && !slices.Contains(m.ways[base:to], u) {
			m.ways[to] = u // that entry has been read already
			to++
		}
	}
	m.ways = m.ways[:to]
}

// entity adds the HTML character whose reference continues at i, after an ampersand.
func (m *matcher) entity(i, base int) {
	const most = 32 // bytes of a name
	n := strings.IndexByte(m.s[i:min(len(m.s), i+most)], ';')
	if n < 1 {
		return
	}
	if number, ok := strings.CutPrefix(m.s[i:i+n], "#"); ok {
		radix := 10
		if digits := strings.TrimLeft(number, "xX"); len(digits) == len(number)-1 {
			number, radix = digits, 16
		}
		if r, err := strconv.ParseUint(number, radix, 21); err == nil && utf8.ValidRune(rune(r)) {
			m.add(base, runeUnit(rune(r), i+n+1))
		}
		return
	}
	is := html.UnescapeString("&" + m.s[i:i+n+1])
	if r, size := utf8.DecodeRuneInString(is); size == len(is) && r != utf8.RuneError {
		m.add(base, runeUnit(r, i+n+1))
	}
}

// hex reads n hexadecimal digits at i.
func (m *matcher) hex(i, n int) (v uint32, ok bool) {
	if i+n > len(m.s) {
		return 0, false
	}
	for _, c := range []byte(m.s[i : i+n]) {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint32(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | uint32(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= utf8.RuneSelf
}
