package archive

import (
	"encoding/binary"
	"strings"
	"time"
)

// A Line says of a line of output where it is, when it was printed, and whether to standard error. The lines of a run, in order, are
// an output of their own, the one of [IndexOf]: [LineSize] bytes each, so the place of a line there is its number.
type Line struct {
	Begin int64     // the offset of its first byte
	At    time.Time // to the millisecond
	Error bool
}

// LineSize is the size of a [Line], and of a [Style], in bytes. Both begin with their Begin.
const LineSize = 12

// Append adds the line to an index.
func (l Line) Append(index []byte) []byte {
	at := uint64(max(0, l.At.UnixMilli())) << 1 // 48 bits, which are enough for 4000 years
	if l.Error {
		at |= 1
	}
	index = binary.BigEndian.AppendUint64(index, uint64(l.Begin)<<16|at>>32&0xffff)
	return binary.BigEndian.AppendUint32(index, uint32(at))
}

// BeginOf reads the Begin of a [Line] or a [Style].
func BeginOf(record []byte) int64 { return int64(binary.BigEndian.Uint64(record) >> 16) }

// LineOf reads what [Line.Append] has added. It panics if index is shorter than [LineSize].
func LineOf(index []byte) Line {
	first := binary.BigEndian.Uint64(index)
	at := first&0xffff<<32 | uint64(binary.BigEndian.Uint32(index[8:]))
	return Line{Begin: BeginOf(index), At: time.UnixMilli(int64(at >> 1)).UTC(), Error: at&1 == 1}
}

// A Style says of a part of a line how it looked. The styles of a run, in order, are an output of their own, the one of [StylesOf]:
// [LineSize] bytes each. Lines in which nothing stood out have none.
type Style struct {
	Begin int64  // the offset of its first byte
	Size  int    // bytes, up to 32 bits of them
	Look  uint16 // what it looked like: whoever prints says
}

// Append adds the style to others.
func (s Style) Append(styles []byte) []byte {
	styles = binary.BigEndian.AppendUint64(styles, uint64(s.Begin)<<16|uint64(s.Size)>>16&0xffff)
	return binary.BigEndian.AppendUint32(styles, uint32(s.Size)<<16|uint32(s.Look))
}

// StyleOf reads what [Style.Append] has added. It panics if styles is shorter than [LineSize].
func StyleOf(styles []byte) Style {
	last := binary.BigEndian.Uint32(styles[8:])
	size := binary.BigEndian.Uint64(styles)&0xffff<<16 | uint64(last>>16)
	return Style{Begin: BeginOf(styles), Size: int(size), Look: uint16(last)}
}

const ( // no id of a run ends like these
	indexSuffix  = ".lines"
	stylesSuffix = ".styles"
	filesSuffix  = ".files"
)

// IndexOf names the output that has the [Line]s of a run. It is printed and read like that of a run, and goes with it.
func IndexOf(run string) string { return run + indexSuffix }

// StylesOf names the output that has the [Style]s of a run. It is printed and read like that of a run, and goes with it.
func StylesOf(run string) string { return run + stylesSuffix }

// FilesOf names the output that has the contents of the files of a run, one behind the other. It is printed and read like that of
// a run, and goes with it.
func FilesOf(run string) string { return run + filesSuffix }

// OutputsOf names all outputs of a run.
func OutputsOf(run string) []string { return []string{run, IndexOf(run), StylesOf(run), FilesOf(run)} }

// RunOf is the run that an output is of, and whether it is the text that the run has printed.
func RunOf(output string) (run string, isText bool) {
	for _, suffix := range []string{indexSuffix, stylesSuffix, filesSuffix} {
		if run, ok := strings.CutSuffix(output, suffix); ok {
			return run, false
		}
	}
	return output, true
}
