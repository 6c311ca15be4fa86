package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sort"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// linesType is the media type of output as lines, a [wire.Line] each.
const linesType = "application/x-ndjson"

// writeLines writes the lines that begin in a part of what a run has printed. If it is not kept any more, the client gets fewer
// of them.
func (a *API) writeLines(w http.ResponseWriter, r *http.Request, run wire.Run, begin, end int64) {
	connection := http.NewResponseController(w)
	var out []byte
	a.eachLine(r, run, begin, end, func(lines []wire.Line) bool {
		out = out[:0]
		for _, line := range lines {
			object, _ := json.Marshal(line) // texts and numbers encode
			out = append(append(out, object...), '\n')
		}
		_ = connection.SetWriteDeadline(time.Now().Add(pieceWithin)) // otherwise that of the server holds
		_, err := w.Write(out)
		return err == nil // otherwise the client is gone
	})
}

// eachLine reads the lines that begin in a part of what a run has printed, and calls yield with some at a time until it returns false,
// or the rest is not kept any more. The slice is valid until the next call.
func (a *API) eachLine(r *http.Request, run wire.Run, begin, end int64, yield func([]wire.Line) bool) {
	reader := func(output string) *recordReader {
		return &recordReader{read: func(from int64, most int) archive.Output {
			part, _, _ := a.deps.Runs.Output(r.Context(), output, from, most) // without them there is just the text
			return part
		}}
	}
	marks := reader(archive.IndexOf(run.ID))
	next := marks.find(begin) // the number of the next line whose mark is known, counted from 0
	mark, known := marks.mark(next)
	styles := styleReader{recordReader: reader(archive.StylesOf(run.ID))}
	if marks.last > 0 { // otherwise there are none
		styles.next = styles.find(begin)
	}
	isPartial := begin > 0 && (!known || mark.Begin != begin) && !a.isLineEnd(r, run, begin-1)
	var line []byte // that is being read
	var lines []wire.Line
	n := int64(-1) // the number of the line before; -1: it is not known
	if begin == 0 {
		n = 0
	}
	for at, from := begin, begin; from < end; { // at is the offset of line
		part, _, err := a.outputOf(r, run, from, int(min(end-from, outputPiece)))
		if err != nil || part.Begin != from || len(part.Text) == 0 {
			return
		}
		from += int64(len(part.Text))
		lines = lines[:0]
		for rest := part.Text; len(rest) > 0; {
			piece, after, isWhole := bytes.Cut(rest, []byte("\n"))
			line, rest = append(line, piece...), after
			if !isWhole {
				break
			}
			for known && mark.Begin < at {
				next++
				mark, known = marks.mark(next)
			}
			shown := wire.Line{Text: string(line)}
			switch {
			case known && mark.Begin == at:
				n = next + 1
				shown.At, shown.Error = new(mark.At), mark.Error
			case n >= 0:
				n++
			}
			shown.N = max(0, n)
			if shown.Styles = styles.of(line, at); !isPartial {
				lines = append(lines, shown)
			}
			at, line, isPartial = at+int64(len(line))+1, line[:0], false
		}
		if len(lines) > 0 && !yield(lines) {
			return
		}
	}
}

// isLineEnd reports whether the byte at an offset of an output is kept, and ends a line.
func (a *API) isLineEnd(r *http.Request, run wire.Run, at int64) bool {
	part, _, err := a.outputOf(r, run, at, 1)
	return err == nil && part.Begin == at && string(part.Text) == "\n"
}

// A recordReader reads the index of an output, or its styles, a few records at a time.
type recordReader struct {
	read        func(from int64, most int) archive.Output
	first, last int64 // the records that are kept are those from first to before last
	at          int64 // the first in some
	some        []byte
}

// recordsAtOnce is how many are read at once: as many as a client that follows a run gets with a few answers.
const recordsAtOnce = 512

// find returns the number of the first record that begins at an offset or after it.
func (m *recordReader) find(offset int64) int64 {
	whole := m.read(0, 0)
	m.first, m.last = (whole.Begin+archive.LineSize-1)/archive.LineSize, whole.Size/archive.LineSize
	low := max(m.first, m.last-recordsAtOnce)
	if record := m.record(low); record == nil || archive.BeginOf(record) > offset { // it is not near the end
		low = m.first
	}
	return low + int64(sort.Search(int(max(0, m.last-low)), func(i int) bool {
		record := m.record(low + int64(i))
		return record != nil && archive.BeginOf(record) >= offset
	}))
}

// record returns a record, counted from 0, nil if there is none or it is not kept.
func (m *recordReader) record(n int64) []byte {
	if n < m.first || n >= m.last {
		return nil
	}
	if n < m.at || n >= m.at+int64(len(m.some)/archive.LineSize) {
		part := m.read(n*archive.LineSize, int(min(m.last-n, recordsAtOnce))*archive.LineSize)
		if part.Begin != n*archive.LineSize || len(part.Text) < archive.LineSize {
			return nil // it was dropped meanwhile
		}
		m.at, m.some = n, part.Text
	}
	return m.some[(n-m.at)*archive.LineSize:]
}

// mark returns the record of a line. It reports false if there is none.
func (m *recordReader) mark(n int64) (archive.Line, bool) {
	record := m.record(n)
	if record == nil {
		return archive.Line{}, false
	}
	return archive.LineOf(record), true
}

// A styleReader reads the styles of one line after the other.
type styleReader struct {
	*recordReader
	next int64 // record
}

// of returns the styles of the line at an offset.
func (s *styleReader) of(line []byte, at int64) (styles []wire.Style) {
	counted, characters := 0, 0 // bytes of line
	for record := s.record(s.next); record != nil; record = s.record(s.next) {
		style := archive.StyleOf(record)
		begin := style.Begin - at
		if begin >= int64(len(line)) {
			break
		}
		s.next++
		end := begin + int64(style.Size)
		if begin < int64(counted) || end > int64(len(line)) {
			continue // it is of a line before, of which there is no text any more
		}
		shown := wire.Style{Style: text.Style(style.Look).Words()}
		shown.Begin = characters + utf8.RuneCount(line[counted:begin])
		shown.End = shown.Begin + utf8.RuneCount(line[begin:end])
		counted, characters = int(end), shown.End
		styles = append(styles, shown)
	}
	return styles
}

// placeLines says which part of an output is answered as lines.
func placeLines(h http.Header, end int64, cut, isEnd bool) {
	placeOutput(h, 0, end, cut, isEnd)
	h.Del("Content-Length")
	h.Set("Accept-Ranges", "none")
	h.Set("Content-Type", linesType)
}
