// Package badge draws badges: small SVG images with a label and a text, for pages of others.
//
// Nobody knows on which ground a badge stands, so its colours are fixed: white text that has a contrast of 5:1 or more. It
// needs neither a style sheet nor a certain font: widths are calculated with those of Verdana, and browsers fit other fonts
// into them.
package badge

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"

	"github.com/tidewire/tidewire/internal/text"
)

// longest bounds the label and the text of a badge, in characters.
const longest = 60

// A Badge is what a badge shows. Its texts may come from outside: they are shown as one line each, of 60 characters at most.
type Badge struct {
	Label string // what it is about, on the left
	Text  string // how that is
	State string // decides the colour and the glyph, as on the page: ok, alert, failing, stale, unknown; others are grey
}

// SVG returns the badge as an image of 20 px height. The same badge is always the same bytes.
func (b Badge) SVG() []byte {
	label, words := fit(b.Label), fit(b.Text)
	l, w := width(label), width(words)
	fill, glyph := look(b.State)
	left, space := l+12, 0
	if glyph != "" {
		space = 16
	}
	all := left + space + w + 12
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img" aria-label="%s: %s">`, all, escaped(label), escaped(words))
	fmt.Fprintf(&out, `<title>%s: %s</title>`, escaped(label), escaped(words))
	fmt.Fprintf(&out, `<path fill="#3a4350" d="M3 0h%dv20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>`, left-3) // without ids, so it can be pasted into pages
	fmt.Fprintf(&out, `<path fill="%s" d="M%d 0h%da3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H%dz"/>`, fill, left, all-left-3, left)
	if glyph != "" {
		fmt.Fprintf(&out, `<g transform="translate(%d 4) scale(.75)" %s</g>`, left+6, glyph)
	}
	fmt.Fprint(&out, `<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`)
	written(&out, 6, l, label)
	written(&out, left+6+space, w, words)
	fmt.Fprint(&out, `</g></svg>`)
	return out.Bytes()
}

// written writes a text that is that wide.
func written(out *bytes.Buffer, x, width int, line string) {
	if line != "" { // a length of 0 is an error
		fmt.Fprintf(out, `<text x="%d" y="14" textLength="%d">%s</text>`, x, width, escaped(line))
	}
}

func fit(line string) string { return text.Cut(text.Words(line), longest) }

func escaped(line string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(line)) // a Builder does not fail
	return out.String()
}

// look returns the colour of a state, and the rest of the element of its glyph, which is that of the page.
func look(state string) (fill, glyph string) {
	const solid, line = `fill="#fff" fill-rule="evenodd"><path d="`, `fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="`
	const bad, warn, calm = "#a51d16", "#875300", "#4d5966"
	switch state {
	case "ok":
		return "#146c3c", line + `M3.5 8.5 6.5 11.5 12.5 4.5"/>`
	case "alert":
		return bad, solid + `M8 1a1.3 1.3 0 0 1 1.3 1.2A4.6 4.6 0 0 1 12.6 6.6V10l1.6 2.2v.8H1.8v-.8L3.4 10V6.6a4.6 4.6 0 0 1 3.3-4.4A1.3 1.3 0 0 1 8 1zM6.2 14h3.6a1.8 1.8 0 0 1-3.6 0z"/>`
	case "failing", "timed_out", "lost":
		return bad, solid + `M5 1h6l4 4v6l-4 4H5l-4-4V5zM5.2 4.1 4.1 5.2 6.9 8 4.1 10.8l1.1 1.1L8 9.1l2.8 2.8 1.1-1.1L9.1 8l2.8-2.8-1.1-1.1L8 6.9z"/>`
	case "acknowledged":
		return bad, ""
	case "stale":
		return warn, solid + `M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zM7.2 3.8v4.7l3.2 2 .8-1.3-2.4-1.5V3.8z"/>`
	case "unknown", "pending", "warned":
		return warn, ""
	}
	return calm, ""
}

// ascii has the widths of the characters from space to ~ in Verdana, in 1/2048 of its size.
var ascii = [...]int{
	720, 806, 940, 1676, 1302, 2204, 1488, 550, 930, 930, 1302, 1676, 745, 930, 745, 930,
	1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 930, 930, 1676, 1676, 1676, 1117,
	2048, 1400, 1404, 1430, 1578, 1295, 1177, 1588, 1539, 862, 931, 1419, 1140, 1726, 1532, 1612,
	1235, 1612, 1424, 1400, 1262, 1499, 1400, 2025, 1403, 1260, 1403, 930, 930, 930, 1676, 1302,
	1302, 1230, 1276, 1067, 1276, 1220, 720, 1276, 1296, 562, 705, 1212, 562, 1992, 1296, 1243,
	1276, 1276, 874, 1067, 807, 1296, 1212, 1676, 1212, 1212, 1076, 1300, 930, 1300, 1676,
}

// width is about how wide a text is at a size of 11 px, in px.
func width(line string) int {
	units := 0
	for _, r := range line {
		switch {
		case r >= ' ' && r <= '~':
			units += ascii[r-' ']
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul), r >= 0x1f000:
			units += 2048
		default:
			units += 1350
		}
	}
	return (units*11 + 2047) / 2048
}
