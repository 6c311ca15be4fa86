package grammar

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/file"
)

// Options describe the language that a [Reader] reads.
type Options struct {
	// Include is the key whose value names further files; empty means no such key.
	Include string
	// PerFile are keys that each file may have for itself: in included files these readers read them, and they are not
	// merged with the first file's.
	PerFile map[string]func(v *Node)
	// Minimum is the minimum that a file must contain, for the message about an empty one.
	Minimum string
	// Credentials matches a line of a file that is not valid YAML if credentials may be in it or indented below it. Nil
	// means that only common names of credentials count.
	Credentials *regexp.Regexp
}

// A Reader reads one configuration: a file, and those that it includes. Its nodes report problems at their place and
// reading continues, so that one pass finds everything. One goroutine at a time may use a Reader and its nodes.
type Reader struct {
	options  Options
	files    []textFile
	inputs   Files    // what was read besides the given text
	lines    []string // of all files in sequence, without line ends; places of nodes and problems refer to them
	widths   []int    // characters of each line
	problems []problem
	warnings []problem
	nodes    []*Node // of all files, in their order

	rowFiles  map[string]*rowList // by name; nil: it is not valid
	uses      map[*Node][]*Node   // of a value of a row: the values that are made with it
	told      map[problem]bool    // what is reported once for all rows
	madeNodes int                 // how many nodes are made for rows
	madeBytes int                 // how much of the values of rows is put into them
}

// A textFile is a file that a Reader has read.
type textFile struct {
	name   string
	before int // lines of the Reader before the first one of this file
}

// maxFound bounds the problems that are searched for, because finding suggestions takes time.
const maxFound = 1000

// tooMany ends the reading of a configuration with maxFound problems.
type tooMany struct{}

// A problem is a [Problem] whose line is counted through all files.
type problem struct {
	line, column int
	what, want   string
	unparsed     bool // the nodes of its line are not known

	of   *Node  // with a value of a row: that in which this stands
	rows int    // how many rows it has
	bare string // what, without the place of that
}

// Read reads a file with the text data, and those that it includes. Messages show name; paths in the text are relative
// to its directory. Read calls parse with the root, whose readers report problems, unless there is no valid YAML.
// Afterwards the Reader has the problems and warnings.
//
// Reading ends, in the middle of parse, with the thousandth problem.
func Read(name string, data []byte, options Options, parse func(root *Node)) (r *Reader) {
	r = &Reader{options: options, rowFiles: map[string]*rowList{}, uses: map[*Node][]*Node{}, told: map[problem]bool{}}
	defer func() {
		if e := recover(); e != nil && e != (tooMany{}) {
			panic(e)
		}
	}()
	if root := r.parse(name, data); root != nil {
		r.include(root, name)
		parse(root)
	}
	return r
}

// report adds a problem. Text quoted from jq or a regular expression may contain line breaks; a problem is one line.
func (r *Reader) report(line, column int, what, want string) {
	r.add(problem{line: line, column: column, what: what, want: want})
}

func (r *Reader) add(p problem) {
	oneLine := func(c rune) rune {
		if IsControl(c) {
			return ' '
		}
		return c
	}
	p.what, p.want = strings.Map(oneLine, p.what), strings.Map(oneLine, p.want)
	r.problems = append(r.problems, p)
	if len(r.problems) >= maxFound {
		panic(tooMany{})
	}
}

// reportOfPart reports a problem of a node that is made for a row: at the row if it has a value of it, and otherwise where it
// is written, once for all rows.
func (r *Reader) reportOfPart(m *made, p problem) {
	if m.cells == nil {
		key := p
		key.what = strings.ReplaceAll(p.what, m.part.name, m.part.entry)
		if !r.told[key] {
			r.told[key] = true
			r.add(p)
		}
		return
	}
	cell := m.cells[0]
	p.of, p.rows, p.bare = m.of, len(m.part.row.list.rows), p.what
	p.what = fmt.Sprintf("%s (in %s, as written at %s)", p.what, Quote(m.part.name), m.of.At(cell))
	p.line, p.column = cell.line, cell.column
	r.add(p)
}

// together returns problems with one in place of those that all rows have with the same text, where that is written.
func together(problems []problem) []problem {
	type place struct {
		of   *Node
		want string
	}
	count := map[place]int{}
	for _, p := range problems {
		count[place{p.of, p.want}]++
	}
	var all []problem
	for _, p := range problems {
		at := place{p.of, p.want}
		const done = -1
		switch n := count[at]; {
		case n == done:
			continue
		case p.of != nil && n > 1 && n == p.rows:
			p.line, p.column, p.what = p.of.line, p.of.column, p.bare+", and so with every other row"
			count[at] = done
		}
		all = append(all, p)
	}
	return all
}

// Problems returns the problems in the order of the files and their lines; nil if there are none. If there are more
// than most, the last one stands for the rest.
func (r *Reader) Problems(most int) Problems { return r.sorted(r.problems, most) }

// Warnings returns the warnings in the same way.
func (r *Reader) Warnings(most int) Problems { return r.sorted(r.warnings, most) }

// ReadFile reads a regular file of at most the given number of bytes, or returns why it cannot. The result then depends
// on that file: the [Files] that [Open] returns have it.
func (n *Node) ReadFile(path string, most int64) (data []byte, why string) {
	return n.reader.readFile(path, most)
}

func (r *Reader) readFile(path string, most int64) (data []byte, why string) {
	defer func() { r.inputs.addRead(path, data, why) }()
	data, err := file.Read(path, most)
	if err != nil {
		return nil, reason(err)
	}
	return data, ""
}

func (r *Reader) sorted(problems []problem, most int) Problems {
	if problems == nil {
		return nil
	}
	problems = together(problems)
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	masked := r.masked()
	var all Problems
	for i, p := range problems {
		if left := len(problems) - i; i == most && left > 1 {
			number := strconv.Itoa(left)
			if len(problems) == maxFound {
				number += " or more"
			}
			p.what, p.want = "there are "+number+" further problems", "correct those above first"
		} else if i > most {
			break
		}
		f := r.fileOf(p.line)
		text := masked[p.line-1]
		if p.unparsed {
			text = r.maskedUnparsed(p.line)
		}
		all = append(all, Problem{
			File: f.name, Line: p.line - f.before, Column: p.column, What: p.what, Want: p.want, Text: text,
		})
	}
	return all
}

// fileOf returns the file in which a line is.
func (r *Reader) fileOf(line int) textFile {
	i := len(r.files) - 1
	for r.files[i].before >= line {
		i--
	}
	return r.files[i]
}

// inside returns the place in r.lines closest to one from the YAML library for the newest file: at the end of the text
// the library counts a line too many.
func (r *Reader) inside(line, column int) (int, int) {
	line = r.files[len(r.files)-1].before + max(1, line)
	if line > len(r.lines) {
		line = len(r.lines)
		column = r.widths[line-1] + 1
	}
	return line, max(1, min(column, r.widths[line-1]+1))
}

// IsControl reports whether c is a control character or a line separator of Unicode.
func IsControl(c rune) bool {
	return c < ' ' || 0x7f <= c && c < 0xa0 || c == '\u2028' || c == '\u2029'
}

// Quote quotes s for a message, shortened to be readable.
func Quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// splitLines returns the lines of text as YAML counts them. An empty text has one line; a line break at the end does
// not begin another one.
func splitLines(text string) []string {
	text = lineEnds.Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// where returns the place of n as file:line.
func (r *Reader) where(n *Node) string {
	f := r.fileOf(n.line)
	return fmt.Sprintf("%s:%d", f.name, n.line-f.before)
}
