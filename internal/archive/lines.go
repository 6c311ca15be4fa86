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

// LineSize is the size of a [Line] in bytes.
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

// LineOf reads what [Line.Append] has added. It panics if index is shorter than [LineSize].
func LineOf(index []byte) Line {
	first := binary.BigEndian.Uint64(index)
	at := first&0xffff<<32 | uint64(binary.BigEndian.Uint32(index[8:]))
	return Line{Begin: int64(first >> 16), At: time.UnixMilli(int64(at >> 1)).UTC(), Error: at&1 == 1}
}

const ( // no id of a run ends like these
	indexSuffix = ".lines"
	filesSuffix = ".files"
)

// IndexOf names the output that has the [Line]s of a run. It is printed and read like that of a run, and goes with it.
func IndexOf(run string) string { return run + indexSuffix }

// FilesOf names the output that has the contents of the files of a run, one behind the other. It is printed and read like that of
// a run, and goes with it.
func FilesOf(run string) string { return run + filesSuffix }

// OutputsOf names all outputs of a run.
func OutputsOf(run string) []string { return []string{run, IndexOf(run), FilesOf(run)} }

// RunOf is the run that an output is of, and whether it is the text that the run has printed.
func RunOf(output string) (run string, isText bool) {
	for _, suffix := range []string{indexSuffix, filesSuffix} {
		if run, ok := strings.CutSuffix(output, suffix); ok {
			return run, false
		}
	}
	return output, true
}
