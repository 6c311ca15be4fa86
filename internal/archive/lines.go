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

const indexSuffix = ".lines" // no id of a run ends like this

// IndexOf names the output that has the [Line]s of a run. It is printed and read like that of a run, and goes with it.
func IndexOf(run string) string { return run + indexSuffix }

// RunOf is the run that an output is of: its own, or the index of it.
func RunOf(output string) (run string, isIndex bool) { return strings.CutSuffix(output, indexSuffix) }
