package terminal

import (
	"io"
	"os"
	"strings"
)

// A Screen is a terminal on which lines are redrawn in place. Only one goroutine may use it at a time.
type Screen struct {
	file   *os.File
	colour bool
}

// Open returns w as a Screen, nil if it is not one: a file, a pipe, or a terminal without any abilities according to
// TERM. A writer around a file has Unwrap() io.Writer. Colours are used unless NO_COLOR is set.
func Open(w io.Writer) *Screen {
	if around, ok := w.(interface{ Unwrap() io.Writer }); ok {
		w = around.Unwrap()
	}
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return nil
	}
	if _, _, ok := size(f); !ok {
		return nil
	}
	return &Screen{file: f, colour: os.Getenv("NO_COLOR") == ""}
}

// Size returns the current number of columns and rows.
func (s *Screen) Size() (columns, rows int) {
	columns, rows, _ = size(s.file)
	if columns <= 0 { // a serial line has no size
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}

// Colour is the appearance of text.
type Colour string

// The colours in use; terminals show them according to their settings.
const (
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Bold   Colour = "1"
	Faint  Colour = "2"
)

// Paint returns text in a colour, if colours are used. The result takes as many columns as text, but cannot be measured
// or cut.
func (s *Screen) Paint(c Colour, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Redraw replaces the line that was drawn last. The line must fit into the columns.
func (s *Screen) Redraw(line string) { s.write("\r" + line + "\x1b[K") }

// Clear removes the line that was drawn last.
func (s *Screen) Clear() { s.Redraw("") }

// Enter switches to the alternate screen; Leave restores the previous contents.
func (s *Screen) Enter() { s.write("\x1b[?1049h\x1b[?25l") }

// Leave returns from the alternate screen.
func (s *Screen) Leave() { s.write("\x1b[?25h\x1b[?1049l") }

// Fill fills the alternate screen with lines. Each line must fit as for Redraw, and there must be no more lines than
// rows.
func (s *Screen) Fill(lines []string) {
	s.write("\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J")
}

// write writes text in one piece, so that it never shows in parts. It ignores errors: the terminal may have been
// closed.
func (s *Screen) write(text string) { _, _ = s.file.WriteString(text) }
