package view

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// A LogLine is a line of output.
type LogLine struct {
	N     int64      // its number; 0: it is not known
	At    *time.Time // nil: it is not known
	When  string     // the time of day
	Parts []LogPart
	Error bool
}

// A LogPart is a part of a line of output that looks alike.
type LogPart struct {
	Text  string
	Style string // words, which are classes; empty: plain
}

// LogLine returns a line of output as it is drawn.
func (l Look) LogLine(line wire.Line) LogLine {
	shown := LogLine{N: line.N, At: line.At, Error: line.Error}
	for _, part := range line.Parts() {
		shown.Parts = append(shown.Parts, LogPart{part.Text, strings.Join(part.Style, " ")})
	}
	if line.At != nil {
		shown.When = l.Seconds(*line.At)
	}
	return shown
}
