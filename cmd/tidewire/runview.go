package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A runView shows how far a run is: in a terminal by a line that is drawn again, else by a
// line for each change, but at most one a second. It is for one goroutine.
type runView struct {
	w      io.Writer
	screen *terminal.Screen // nil: w is no terminal
	job    string

	state   wire.Run
	begun   time.Time // by this machine's clock; zero before the run has begun
	retryAt time.Time // when the connection is tried again that broke; zero if it stands
	drawn   string    // the line that was shown last
}

func newRunView(w io.Writer, job string) *runView {
	return &runView{w: w, screen: terminal.Open(w), job: text.Line(job)}
}

// interval is the time between two drawings.
func (v *runView) interval() time.Duration {
	if v.screen == nil {
		return time.Second
	}
	return 100 * time.Millisecond
}

// update takes the run's newest state. The start of a run that was joined is as its
// gateway has it, if the clocks agree well enough for that.
func (v *runView) update(s wire.Run, joined bool) {
	v.state = s
	if v.begun.IsZero() && s.Status != progress.StatusQueued {
		v.begun = time.Now()
		if joined && s.StartedAt != nil && s.StartedAt.Before(v.begun) {
			v.begun = *s.StartedAt
		}
	}
}

// lost takes note that the connection broke, or an attempt to make it anew. It is said once.
func (v *runView) lost(err error, retryAt time.Time) {
	if v.retryAt.IsZero() {
		v.note(fmt.Sprintf("%s: the connection broke (%s); trying again", v.job, text.Line(err.Error())))
	}
	v.retryAt = retryAt
}

// note prints a line that stays.
func (v *runView) note(line string) {
	v.close()
	fmt.Fprintln(v.w, line)
}

// close takes away the line that is drawn again.
func (v *runView) close() {
	if v.screen != nil && v.drawn != "" {
		v.screen.Clear()
	}
	v.drawn = ""
}

// draw shows the state of now, if it looks otherwise than before.
func (v *runView) draw(now time.Time) {
	if v.screen == nil {
		if line := v.plain(); line != v.drawn && v.state.Status != "" {
			fmt.Fprintln(v.w, line)
			v.drawn = line
		}
		return
	}
	if line := v.bar(now); line != v.drawn {
		v.screen.Redraw(line)
		v.drawn = line
	}
}

// finish shows the end.
func (v *runView) finish() {
	s := v.state
	took := v.elapsed(time.Now())
	if s.FinishedAt != nil && s.StartedAt != nil {
		took = s.FinishedAt.Sub(*s.StartedAt)
	}
	glyph, colour := "✖", terminal.Red
	if s.Status == progress.StatusSucceeded {
		glyph, colour = "✔", terminal.Green
	}
	if s.Warned {
		glyph, colour = "!", terminal.Yellow
	}
	words := fmt.Sprintf("%s %s after %s", v.job, strings.ReplaceAll(text.Line(string(s.Status)), "_", " "), clock(took))
	if s.Warned {
		words += ", with a warning"
		if s.ExitCode != nil {
			words += fmt.Sprintf(" (exit status %d)", *s.ExitCode)
		}
	}
	if s.Error != nil && *s.Error != string(s.Status) {
		words += ": " + text.Line(*s.Error)
	}
	if v.screen != nil {
		glyph = v.screen.Paint(colour, glyph)
	}
	v.note(glyph + " " + words)
}

// plain is the state in words, without what changes by itself.
func (v *runView) plain() string {
	parts := []string{v.job}
	if v.state.Percent != nil {
		parts = append(parts, fmt.Sprintf("%3.0f%%", *v.state.Percent))
	}
	return strings.Join(append(parts, v.words()...), "  ")
}

// words is what the run says of itself, and what there is to say of it if it is not at work.
func (v *runView) words() (words []string) {
	s := v.state
	switch {
	case s.Status == progress.StatusQueued && s.Position > 0:
		words = append(words, fmt.Sprintf("queued, %d before it", s.Position))
	case s.Status != progress.StatusRunning:
		words = append(words, text.Line(string(s.Status)))
	}
	if s.Stage != "" {
		words = append(words, text.Line(s.Stage))
	}
	if s.Message != "" {
		words = append(words, text.Line(s.Message))
	}
	return words
}

// bar is the state in as many columns as there are: the job, a bar, the percentage, what
// the run says, and the times.
func (v *runView) bar(now time.Time) string {
	columns, _ := v.screen.Size()
	columns-- // a cursor behind the last one would be in the next line
	times := clock(v.elapsed(now))
	if left, ok := v.left(now); ok {
		times += ", " + clock(left) + " left"
	}
	words := v.words()
	if !v.retryAt.IsZero() {
		words = []string{"reconnecting"}
		if wait := v.retryAt.Sub(now); wait > 0 {
			words[0] += " in " + clock(wait+time.Second/2)
		}
	}
	left := v.job
	if p := v.state.Percent; p != nil {
		left = fmt.Sprintf("%s  %s %3.0f%%", v.job, gauge(*p, min(max((columns-40)/2, 0), 30)), *p)
	}
	room := columns - terminal.Width(left) - terminal.Width(times) - 4
	if room < 0 {
		return terminal.Cut(left, columns)
	}
	return left + "  " + terminal.Pad(terminal.Cut(strings.Join(words, "  "), room), room) + "  " + v.screen.Paint(terminal.Faint, times)
}

// gauge is a bar of n columns that is filled to a percentage, in eighths of a column.
func gauge(percent float64, n int) string {
	eighths := int(min(max(percent, 0), 100) / 100 * float64(8*n))
	full, part := eighths/8, eighths%8
	s := strings.Repeat("█", full)
	if part > 0 {
		s += string('█' + rune(8-part))
		full++
	}
	return s + strings.Repeat("░", n-full)
}

// elapsed is how long the run has been at work.
func (v *runView) elapsed(now time.Time) time.Duration {
	if v.begun.IsZero() {
		return 0
	}
	return max(0, now.Sub(v.begun))
}

// left is how long the run will take if it goes on as it did. One that has only begun, or
// is nearly there, does not say.
func (v *runView) left(now time.Time) (time.Duration, bool) {
	p := v.state.Percent
	if p == nil || *p < 1 || *p >= 100 || v.elapsed(now) < time.Second {
		return 0, false
	}
	return time.Duration(float64(v.elapsed(now)) * (100 - *p) / *p), true
}

// clock is a time as a clock shows it: 0:07, 12:40, 1:02:03.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
