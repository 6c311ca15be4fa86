package jobs

import (
	"bytes"
	"strings"
	"sync"
)

// maxOutput bounds how much of a run's output is held, in bytes: while it runs, and afterwards until the next run of
// the job has begun.
const maxOutput = 1 << 20

// An Output is the newest output of a run, up to 1 MiB. The run's goroutine writes it, and any number of others read
// it; the run waits for none of them.
type Output struct {
	mu   sync.Mutex // guards the fields below
	buf  []byte     // the bytes before offset size; up to twice maxOutput, so that dropping the front is rare
	size int64      // of all that was written
	over bool
	more chan struct{} // closed when there is more, or no more to come; nil: nobody waits
}

// line adds a line.
func (o *Output) line(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf)+len(text)+1 > 2*maxOutput {
		o.buf = append(o.buf[:0], o.buf[max(0, len(o.buf)-maxOutput):]...)
	}
	o.buf = append(append(o.buf, text...), '\n')
	o.size += int64(len(text)) + 1
	o.wakeLocked()
}

func (o *Output) wakeLocked() {
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// end closes the output, and returns its last whole lines, up to limit bytes, and how many bytes it was in all.
func (o *Output) end(limit int) (tail string, size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.wakeLocked()
	last := o.buf
	if len(last) > limit {
		last = last[len(last)-limit-1:] // its first byte tells whether a line begins behind it
		if i := bytes.IndexByte(last, '\n'); i < len(last)-1 {
			last = last[i+1:]
		} else {
			last = last[1:] // one long line
		}
	}
	o.buf = bytes.Clone(o.buf[max(0, len(o.buf)-maxOutput):]) // and no more memory than that
	return strings.ToValidUTF8(string(last), ""), o.size
}

// From returns what was printed from offset on, and the offset at which that begins, which is higher if the front is
// not held any more. The channel more is closed when there is more; it is nil if there will be no more.
func (o *Output) From(offset int64) (text []byte, begin int64, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	held := o.buf[max(0, len(o.buf)-maxOutput):]
	begin = min(max(offset, o.size-int64(len(held))), o.size)
	text = bytes.Clone(held[len(held)-int(o.size-begin):])
	if !o.over {
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more = o.more
	}
	return text, begin, more
}
