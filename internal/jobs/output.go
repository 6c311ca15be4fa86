package jobs

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/text"
)

// recentOutput bounds how much of the newest output of a run in progress is at hand without the archive, in bytes.
const recentOutput = 64 << 10

// An output is what a run in progress prints. The archive has all that is kept of it; whoever follows the run gets the
// newest part from here, and is told when there is more. The run's goroutine writes it, and any number of others read
// it; the run waits for none of them.
type output struct {
	archive archive.Runs
	clock   *clock.Clock
	keep    int64 // bytes

	mu     sync.Mutex // guards the fields below; before that of the archive
	text   part
	index  part // of its lines
	styles part // of what stands out in them
	over   bool
	more   chan struct{} // closed when there is more, or no more to come; nil: nobody waits
}

// A part is the text of an output, the index of its lines, or the styles in them.
type part struct {
	name   string // in the archive
	recent []byte // the bytes before offset size; up to twice recentOutput, so that dropping the front is rare
	size   int64  // of all that was written
}

// line adds a line, of which spans stand out.
func (o *output) line(line string, spans []text.Span, isError bool) {
	at := o.clock.People(o.clock.Now())
	o.mu.Lock()
	defer o.mu.Unlock()
	var mark [archive.LineSize]byte
	o.addLocked(&o.index, string(archive.Line{Begin: o.text.size, At: *at, Error: isError}.Append(mark[:0])))
	if len(spans) > 0 {
		looks := make([]byte, 0, len(spans)*archive.LineSize)
		for _, s := range spans {
			looks = archive.Style{Begin: o.text.size + int64(s.Begin), Size: s.End - s.Begin, Look: uint16(s.Style)}.Append(looks)
		}
		o.addLocked(&o.styles, string(looks))
	}
	o.addLocked(&o.text, line, "\n")
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// addLocked adds to a part.
func (o *output) addLocked(p *part, texts ...string) {
	if len(p.recent)+len(texts[0])+1 > 2*recentOutput {
		p.recent = append(p.recent[:0], p.recent[max(0, len(p.recent)-recentOutput):]...)
	}
	before := len(p.recent)
	for _, text := range texts {
		p.recent = append(p.recent, text...)
	}
	o.archive.Print(p.name, p.size, p.recent[before:], o.keep)
	p.size += int64(len(p.recent) - before)
}

// tail returns the last whole lines, up to limit bytes, and how many bytes there were in all.
func (o *output) tail(limit int) (tail string, size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return lastLines(o.text.recent, limit), o.text.size
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
	o.over, o.text.recent, o.index.recent, o.styles.recent = true, nil, nil, nil // the archive has it
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// read is [Service.Output] of a run in progress.
func (o *output) read(ctx context.Context, p *part, from int64, most int) (archive.Output, <-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var more <-chan struct{}
	if !o.over {
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more = o.more
	}
	if first := p.size - int64(len(p.recent)); from < first {
		o.mu.Unlock() // what comes meanwhile is told by more
		read, err := o.archive.Output(ctx, p.name, from, most)
		o.mu.Lock()
		return read, more, err
	}
	read := archive.Output{Begin: min(from, p.size), Size: p.size}
	text := p.recent[len(p.recent)-int(p.size-read.Begin):]
	read.Text = bytes.Clone(text[:min(len(text), most)])
	return read, more, nil
}

// IsHere reports whether this process has the run of an output, which is in progress or has just ended.
func (s *Service) IsHere(output string) bool {
	id, _ := archive.RunOf(output)
	return s.past.own(id) != nil
}

// Output returns what a run has printed from an offset on, at most most bytes, and as far as it is kept: the part begins
// later if the front was cut. Of
// [archive.IndexOf] a run it returns the lines, of [archive.StylesOf] the styles in them, whose looks are those of [text.Style], and of
// [archive.FilesOf] the contents of its files. The channel more is closed when there is more; it is nil if this process will not have
// more. The error is the archive's.
func (s *Service) Output(ctx context.Context, output string, from int64, most int) (
	read archive.Output, more <-chan struct{}, err error,
) {
	id, _ := archive.RunOf(output)
	if r := s.past.own(id); r != nil {
		for _, p := range []*part{&r.output.text, &r.output.index, &r.output.styles} {
			if p.name == output {
				return r.output.read(ctx, p, from, most)
			}
		}
	}
	read, err = s.deps.Archive.Output(ctx, output, from, most)
	return read, nil, err
}
