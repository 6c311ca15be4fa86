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

// Options say what a [Reader] takes of the language that it reads.
type Options struct {
	// Include is the key whose value names further files; empty: there is none.
	Include string
	// PerFile are keys that each file may have for itself: those of included files are read by these, and not merged
	// with the first file's.
	PerFile map[string]func(v *Node)
	// Minimum is the least that a file must have, for the message about one that is empty.
	Minimum string
	// Credentials matches a line of a file that is not YAML if credentials may be in it, or in what is indented below
	// it; nil: only the names of credentials that are known everywhere count.
	Credentials *regexp.Regexp
}

// A Reader reads one configuration: a file, and those that it includes. Its nodes report what is wrong at their place
// and the reading goes on, so that one pass finds everything. One goroutine at a time may use a Reader and its nodes.
type Reader struct {
	options  Options
	files    []textFile
	inputs   Files    // what was read besides the text that it was given
	lines    []string // of all files, one behind the other, without line ends: places of nodes and problems are in them
	widths   []int    // characters of each line
	problems []problem
	warnings []problem
	nodes    []*Node // of all files, in their order
}

// A textFile is one that a Reader has read.
type textFile struct {
	name   string
	before int // lines of the Reader's before the first of this file
}

// maxFound bounds the problems that are looked for: to say what is meant instead takes time.
const maxFound = 1000

// tooMany ends the reading of a configuration with maxFound problems.
type tooMany struct{}

// A problem is a [Problem] whose line counts through all files.
type problem struct {
	line, column int
	what, want   string
	unparsed     bool // the nodes of its line are not known
}

// Read reads a file with the text data, and those that it includes. Name stands in messages; paths in the text are
// relative to its directory. It calls parse with the root, whose readers report what is wrong; not if there is no YAML
// to look at. Afterwards the Reader has the problems and warnings.
//
// Reading ends, in the middle of parse, with the thousandth problem.
func Read(name string, data []byte, options Options, parse func(root *Node)) (r *Reader) {
	r = &Reader{options: options}
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

// report adds a problem. What jq or a regular expression quotes may hold line breaks; a problem is one line.
func (r *Reader) report(line, column int, what, want string) {
	what = strings.Map(func(c rune) rune {
		if IsControl(c) {
			return ' '
		}
		return c
	}, what)
	r.problems = append(r.problems, problem{line: line, column: column, what: what, want: want})
	if len(r.problems) >= maxFound {
		panic(tooMany{})
	}
}

// Problems returns what is wrong, in the order of the files and their lines; nil if nothing is. The last one stands for
// the others if there are more than most.
func (r *Reader) Problems(most int) Problems { return r.sorted(r.problems, most) }

// Warnings returns what may well be right, as Problems does.
func (r *Reader) Warnings(most int) Problems { return r.sorted(r.warnings, most) }

// Files returns what was read besides the text that [Read] was given: the files that it includes and refers to.
func (r *Reader) Files() *Files { return &r.inputs }

// ReadFile reads a regular file of at most so many bytes, or says why not. The outcome depends on that file from then
// on: [Reader.Files] has it.
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

// inside returns the place in r.lines that is nearest to one that the YAML library gives for the newest file: at the
// end of the text it counts a line that is not there.
func (r *Reader) inside(line, column int) (int, int) {
	line = r.files[len(r.files)-1].before + max(1, line)
	if line > len(r.lines) {
		line = len(r.lines)
		column = r.widths[line-1] + 1
	}
	return line, max(1, min(column, r.widths[line-1]+1))
}

// IsControl reports whether c is a control character, or ends a line as Unicode has it.
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

// splitLines returns the lines of text as YAML counts them. An empty text has one line, a line break at the end begins
// none.
func splitLines(text string) []string {
	text = lineEnds.Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// where is the place of n as file:line.
func (r *Reader) where(n *Node) string {
	f := r.fileOf(n.line)
	return fmt.Sprintf("%s:%d", f.name, n.line-f.before)
}
