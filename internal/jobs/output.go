package jobs

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/tidewire/tidewire/internal/archive"
)

// recentOutput bounds how much of the newest output of a run in progress is at hand without the archive, in bytes.
const recentOutput = 64 << 10

// An output is what a run in progress prints. The archive has all that is kept of it; whoever follows the run gets the
// newest part from here, and is told when there is more. The run's goroutine writes it, and any number of others read
// it; the run waits for none of them.
type output struct {
	archive archive.Runs
	run     string
	keep    int64 // bytes

	mu     sync.Mutex // guards the fields below; before that of the archive
	recent []byte     // the bytes before offset size; up to twice recentOutput, so that dropping the front is rare
	size   int64      // of all that was written
	over   bool
	more   chan struct{} // closed when there is more, or no more to come; nil: nobody waits
}

// line adds a line.
func (o *output) line(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.recent)+len(text)+1 > 2*recentOutput {
		o.recent = append(o.recent[:0], o.recent[max(0, len(o.recent)-recentOutput):]...)
	}
	before := len(o.recent)
	o.recent = append(append(o.recent, text...), '\n')
	o.archive.Print(o.run, o.size, o.recent[before:], o.keep)
	o.size += int64(len(text)) + 1
	o.wakeLocked()
}

func (o *output) wakeLocked() {
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// tail returns the last whole lines, up to limit bytes, and how many bytes there were in all.
func (o *output) tail(limit int) (tail string, size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return lastLines(o.recent, limit), o.size
}

// lastLines returns the last whole lines of a text, up to limit bytes.
func lastLines(text []byte, limit int) string {
	if len(text) > limit {
		text = text[len(text)-limit-1:] // its first byte tells whether a line begins behind it
		if i := bytes.IndexByte(text, '\n'); i < len(text)-1 {
			text = text[i+1:]
		} else {
			text = text[1:] // one long line
		}
	}
	return strings.ToValidUTF8(string(text), "")
}

// end tells those who follow the run that no more will come.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.recent = true, nil // the archive has it
	o.wakeLocked()
}

// read is [Service.Output] of a run in progress.
func (o *output) read(ctx context.Context, from int64, most int) (archive.Output, <-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var more <-chan struct{}
	if !o.over {
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more = o.more
	}
	if first := o.size - int64(len(o.recent)); from < first {
		o.mu.Unlock() // what comes meanwhile is told by more
		part, err := o.archive.Output(ctx, o.run, from, most)
		o.mu.Lock()
		return part, more, err
	}
	part := archive.Output{Begin: min(from, o.size), Size: o.size}
	text := o.recent[len(o.recent)-int(o.size-part.Begin):]
	part.Text = bytes.Clone(text[:min(len(text), most)])
	return part, more, nil
}

// IsHere reports whether this process has a run, which is in progress or has just ended.
func (s *Service) IsHere(id string) bool { return s.past.own(id) != nil }

// Output returns what a run has printed from an offset on, at most most bytes, and as far as it is kept: the part begins
// later if the front was cut. The channel more is closed when there is more; it is nil if this process will not have
// more. The error is the archive's.
func (s *Service) Output(ctx context.Context, id string, from int64, most int) (
	part archive.Output, more <-chan struct{}, err error,
) {
	if r := s.past.own(id); r != nil {
		return r.output.read(ctx, from, most)
	}
	part, err = s.deps.Archive.Output(ctx, id, from, most)
	return part, nil, err
}
