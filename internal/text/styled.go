package text

import (
	"slices"
	"strconv"
	"strings"
)

// A Style is how a part of a text looks: at most one of sixteen colours, and attributes. Zero is plain. Bits that have no meaning are
// ignored.
type Style uint16

// Bits of a Style.
const (
	colours  Style = 0xf // the number of the colour, if coloured
	coloured Style = 1 << (iota + 3)
	bold
	dim
	italic
	underline
	inverse
)

// MaxSpans bounds the spans of a text: what is behind them is plain.
const MaxSpans = 64

// A Span is a part of a text that has a style, from the byte at Begin to before that at End.
type Span struct {
	Begin, End int
	Style      Style
}

// colourNames are the names of the colours of styles, by their numbers.
var colourNames = [16]string{
	"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "bright-black", "bright-red", "bright-green", "bright-yellow",
	"bright-blue", "bright-magenta", "bright-cyan", "bright-white",
}

// attributes are those of styles, with what SGR has to begin and to end them. Bold and dim end together.
var attributes = []struct {
	name       string
	bit        Style
	begin, end int
}{{"bold", bold, 1, 22}, {"dim", dim, 2, 22}, {"italic", italic, 3, 23}, {"underline", underline, 4, 24}, {"inverse", inverse, 7, 27}}

// Words names what there is to a style: a colour, and attributes.
func (s Style) Words() []string {
	var words []string
	if s&coloured != 0 {
		words = append(words, colourNames[s&colours])
	}
	for _, a := range attributes {
		if s&a.bit != 0 {
			words = append(words, a.name)
		}
	}
	return words
}

// StyleOf returns the style that [Style.Words] names so. It ignores other words.
func StyleOf(words []string) (s Style) {
	for _, word := range words {
		if n := slices.Index(colourNames[:], word); n >= 0 {
			s = s.colour(n)
		}
		for _, a := range attributes {
			if a.name == word {
				s |= a.bit
			}
		}
	}
	return s
}

// SGR returns the parameters with which a terminal shows the style: "31;1". Those of the plain style are "".
func (s Style) SGR() string {
	var all []string
	if s&coloured != 0 {
		n := 30 + int(s&7)
		if s&8 != 0 {
			n += 60
		}
		all = append(all, strconv.Itoa(n))
	}
	for _, a := range attributes {
		if s&a.bit != 0 {
			all = append(all, strconv.Itoa(a.begin))
		}
	}
	return strings.Join(all, ";")
}

// Styled returns s as [Plain] does, and the parts of that which a terminal would show in a style (ECMA-48 §8.3.117): in order, apart
// from each other, none empty, and at most [MaxSpans]. Of 256 and of all colours the nearest of the sixteen is taken. The colours of
// grounds are left out, as is what else a terminal would do.
func Styled(s string) (plain string, spans []Span) {
	i := strings.IndexByte(s, esc)
	if i < 0 {
		return Plain(s), nil
	}
	type turn struct {
		at int // in rest
		to Style
	}
	var rest strings.Builder
	var turns []turn
	var is Style
	for ; i >= 0; i = strings.IndexByte(s, esc) {
		rest.WriteString(s[:i])
		n := i + sequence(s[i:])
		if to := is.after(s[i:n]); to != is {
			is, turns = to, append(turns, turn{rest.Len(), to})
		}
		s = s[n:]
	}
	rest.WriteString(s)
	is = 0
	var shown strings.Builder
	for at, r := range rest.String() {
		for ; len(turns) > 0 && turns[0].at <= at; turns = turns[1:] {
			is = turns[0].to
		}
		if r = safe(r, exceptSpace); r < 0 {
			continue
		}
		begin := shown.Len()
		shown.WriteRune(r)
		if last := len(spans) - 1; last >= 0 && spans[last].End == begin && spans[last].Style == is {
			spans[last].End = shown.Len()
		} else if is != 0 && len(spans) < MaxSpans {
			spans = append(spans, Span{begin, shown.Len(), is})
		}
	}
	return shown.String(), spans
}

// after returns the style after an escape sequence.
func (s Style) after(sequence string) Style {
	list, ok := strings.CutPrefix(sequence, "\x1b[")
	if !ok {
		return s
	}
	if list, ok = strings.CutSuffix(list, "m"); !ok || strings.Trim(list, "0123456789;:") != "" {
		return s
	}
	var codes []string // a parameter each, which may have parts
	if codes = strings.Split(list, ";"); list == "" {
		codes = []string{"0"}
	}
	for len(codes) > 0 {
		parts := strings.Split(codes[0], ":")
		codes = codes[1:]
		code := number(parts[0])
		switch {
		case code == 38, code == 48, code == 58: // a colour, of the text, its ground or its line, which follows
			var n int
			if len(parts) > 1 {
				n, _ = colourOf(parts[1:], true)
			} else {
				var taken int
				n, taken = colourOf(codes, false)
				codes = codes[taken:]
			}
			if code == 38 && n >= 0 {
				s = s.colour(n)
			}
		case code == 0:
			s = 0
		case code == 4 && len(parts) > 1 && number(parts[1]) == 0:
			s &^= underline
		case code == 21: // twice
			s |= underline
		case code >= 30 && code <= 37:
			s = s.colour(code - 30)
		case code == 39:
			s &^= coloured | colours
		case code >= 90 && code <= 97:
			s = s.colour(code - 90 + 8)
		default:
			for _, a := range attributes {
				switch code {
				case a.begin:
					s |= a.bit
				case a.end:
					s &^= a.bit
				}
			}
		}
	}
	return s
}

// colour returns the style in another colour.
func (s Style) colour(n int) Style { return s&^colours | coloured | Style(n) }

// number reads a number of a sequence; an empty one is 0, and one that is too large -1.
func number(digits string) int {
	if digits == "" {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// colourOf returns the colour nearest to one of 256 ("5", its number) or of all ("2", red, green, blue), -1 if it is neither, and how
// many codes it takes. Among the parts of one parameter a colour may have a space before its values (ISO 8613-6 §13.1.8).
func colourOf(codes []string, parts bool) (n, taken int) {
	switch kind := codes; {
	case len(kind) >= 2 && kind[0] == "5":
		return nearestOf(number(kind[1])), 2
	case len(kind) >= 4 && kind[0] == "2":
		values := kind[1:4]
		if parts && len(kind) >= 5 {
			values = kind[2:5]
		}
		var rgb [3]int
		for i, v := range values {
			rgb[i] = number(v)
			if rgb[i] < 0 || rgb[i] > 255 {
				return -1, 4
			}
		}
		return nearest(rgb), 4
	}
	return -1, len(codes) // it is not known where it ends
}

// palette has the colours as xterm shows them.
var palette = [16][3]int{
	{0, 0, 0}, {205, 0, 0}, {0, 205, 0}, {205, 205, 0}, {0, 0, 238}, {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
	{127, 127, 127}, {255, 0, 0}, {0, 255, 0}, {255, 255, 0}, {92, 92, 255}, {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
}

// nearestOf returns the number of the colour nearest to one of 256, -1 if there is none.
func nearestOf(n int) int {
	switch {
	case n < 0 || n > 255:
		return -1
	case n < 16:
		return n
	case n < 232: // a cube of 6 by 6 by 6
		n -= 16
		level := [6]int{0, 95, 135, 175, 215, 255}
		return nearest([3]int{level[n/36], level[n/6%6], level[n%6]})
	}
	grey := 8 + 10*(n-232)
	return nearest([3]int{grey, grey, grey})
}

func nearest(rgb [3]int) (best int) {
	least := 1 << 30
	for n, p := range palette {
		sum := 0
		for i := range rgb {
			sum += (rgb[i] - p[i]) * (rgb[i] - p[i])
		}
		if sum < least {
			best, least = n, sum
		}
	}
	return best
}
