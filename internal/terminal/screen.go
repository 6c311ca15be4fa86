package terminal

import (
	"io"
	"os"
	"strings"
)

// A Screen is a terminal on which lines are drawn again in place. It is for one goroutine.
type Screen struct {
	file   *os.File
	colour bool
}

// Open returns the Screen that w is, nil if it is none: a file, a pipe, or a terminal that
// says by TERM that it can do nothing. A writer around a file has Unwrap() io.Writer. Colours
// are used unless NO_COLOR is set.
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

// Size is how many columns and rows there are now.
func (s *Screen) Size() (columns, rows int) {
	columns, rows, _ = size(s.file)
	if columns <= 0 { // a serial line knows no size
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}

// Colour is how text looks.
type Colour string

// The colours that are used, which a terminal shows as its user likes them.
const (
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Bold   Colour = "1"
	Faint  Colour = "2"
)

// Paint returns text in a colour, if there are colours. What is painted takes the same
// columns, but cannot be measured or cut any more.
func (s *Screen) Paint(c Colour, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Redraw puts a line in the place of the one that was drawn last. The line is one of at
// most as many columns as there are.
func (s *Screen) Redraw(line string) { s.write("\r" + line + "\x1b[K") }

// Clear takes away the line that was drawn last.
func (s *Screen) Clear() { s.Redraw("") }

// Enter turns to a screen of its own, and leaves what was there for Leave.
func (s *Screen) Enter() { s.write("\x1b[?1049h\x1b[?25l") }

// Leave returns from the screen that Enter turned to.
func (s *Screen) Leave() { s.write("\x1b[?25h\x1b[?1049l") }

// Fill shows lines on the screen that Enter turned to, and nothing else. The lines are as
// for Redraw, at most as many as there are rows.
func (s *Screen) Fill(lines []string) {
	s.write("\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J")
}

// write writes all at once, so that no half of it is seen. Who has closed the terminal
// need not be told.
func (s *Screen) write(text string) { _, _ = s.file.WriteString(text) }
