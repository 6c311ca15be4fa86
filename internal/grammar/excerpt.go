package grammar

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/secret"
)

// Excerpt returns the line of the file and below it a caret under the column, both indented, without a line break at
// the end. The caret line has the same tabs and widths as the line before the column. Of a long line, Excerpt shows
// only the part around the column.
func (p Problem) Excerpt() string {
	const indent, most, before = "    ", 120, 60
	line, at := []rune(p.Text), p.Column-1
	if len(line) > most {
		from := max(0, min(at-before, len(line)-most))
		to := min(len(line), from+most)
		line, at = slices.Clone(line[from:to]), at-from
		if from > 0 {
			line[0] = '…'
		}
		if from+len(line) < len([]rune(p.Text)) {
			line[len(line)-1] = '…'
		}
	}
	var blank strings.Builder
	for _, c := range line[:at] {
		switch {
		case c == '\t':
			blank.WriteByte('\t')
		case unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.Is(wide, c):
			blank.WriteString("  ")
		default:
			blank.WriteByte(' ')
		}
	}
	return indent + string(line) + "\n" + indent + blank.String() + "^"
}

// wide contains the blocks whose characters take two columns of a terminal (East Asian Wide and Fullwidth, UAX #11, and
// emoji).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xa960, 0xa97c, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// masked returns the lines of all files with asterisks in place of text that must not be shown. A scalar is assumed to
// extend to the beginning of the next node.
func (r *Reader) masked() []string {
	lines := make([][]rune, len(r.lines))
	for i, l := range r.lines {
		lines[i] = []rune(l)
	}
	for i, n := range r.nodes {
		if n.kind != scalarNode || n.isKey || r.isShown(n) {
			continue
		}
		endLine, endColumn := len(lines), len(lines[len(lines)-1])+1
		if i+1 < len(r.nodes) {
			endLine, endColumn = r.nodes[i+1].line, r.nodes[i+1].column
		}
		for line := n.line; line <= endLine; line++ {
			begin, end := 0, len(lines[line-1])
			if line == n.line {
				begin = n.column - 1
			}
			if line == endLine {
				end = endColumn - 1
			}
			mask(lines[line-1][begin:max(begin, end)])
		}
	}
	masked := make([]string, len(lines))
	for i, l := range lines {
		masked[i] = string(l)
	}
	return masked
}

// isShown reports whether an excerpt may show a node of a file: a value of a row only if it may wherever that stands.
func (r *Reader) isShown(n *Node) bool {
	uses := r.uses[n]
	return !n.hidden && (n.shown || uses != nil) && !slices.ContainsFunc(uses, func(use *Node) bool { return !use.shown })
}

// closed matches a reference, which is not a secret itself, and its default, which may be one.
var closed = regexp.MustCompile(`\$\{(?:env|file):[^}]*?(:-[^}]*)?\}`)

// mask replaces text by asterisks, except references and the characters that close a value or begin the next one.
func mask(text []rune) {
	keep := map[int]bool{}
	for _, m := range closed.FindAllStringSubmatchIndex(string(text), -1) {
		begin, end := m[0], m[1]
		if m[2] >= 0 {
			end = m[2]
		}
		begin, end = utf8.RuneCountInString(string(text)[:begin]), utf8.RuneCountInString(string(text)[:end])
		for i := begin; i < end; i++ {
			keep[i] = true
		}
	}
	for len(text) > 0 && strings.ContainsRune(" ,}]-?", text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	for i, c := range text {
		if !keep[i] && !unicode.IsSpace(c) {
			text[i] = '*'
		}
	}
}

// word matches a possible name.
var word = regexp.MustCompile(`[\pL\pN_.-]+`)

// isSuspect reports whether a line of a file that is not valid YAML may contain a credential, in the line or indented
// below it.
func (r *Reader) isSuspect(line string) bool {
	return r.options.Credentials != nil && r.options.Credentials.MatchString(line) ||
		slices.ContainsFunc(word.FindAllString(line, -1), secret.Names)
}

// maskedUnparsed returns a line of a file that is not valid YAML. If one of its keys, or of the keys that it is
// indented below, may be that of a credential, only the structure is shown.
func (r *Reader) maskedUnparsed(line int) string {
	text := r.lines[line-1]
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	hide := r.isSuspect(text)
	for level, i := indent(text), line-1; i > r.fileOf(line).before && !hide; i-- {
		if above := r.lines[i-1]; strings.TrimSpace(above) != "" && indent(above) < level {
			level = indent(above)
			hide = r.isSuspect(above)
		}
	}
	if !hide {
		return text
	}
	value := strings.Index(text, ":") + 1
	return text[:value] + strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return '*'
		}
		return c
	}, text[value:])
}
