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

// A runView shows the progress of a run: in a terminal by a line that is redrawn, otherwise by a line for each change,
// at most one per second. It is for one goroutine.
type runView struct {
	w      io.Writer
	screen *terminal.Screen // nil: w is not a terminal
	job    string

	state   wire.Run
	begun   time.Time // by this machine's clock; zero before the run has begun
	retryAt time.Time // when the broken connection is retried; zero: connected
	drawn   string    // the last line shown
}

func newRunView(w io.Writer, job string) *runView {
	return &runView{w: w, screen: terminal.Open(w), job: text.Line(job)}
}

// interval returns the time between two drawings.
func (v *runView) interval() time.Duration {
	if v.screen == nil {
		return time.Second
	}
	return 100 * time.Millisecond
}

// update takes the run's newest state. For a run that was joined, the gateway's start time is used if the clocks agree
// well enough.
func (v *runView) update(s wire.Run, joined bool) {
	v.state = s
	if v.begun.IsZero() && s.Status != progress.StatusQueued {
		v.begun = time.Now()
		if joined && s.StartedAt != nil && s.StartedAt.Before(v.begun) {
			v.begun = *s.StartedAt
		}
	}
}

// lost records that the connection, or an attempt to reconnect, has failed. It is reported once.
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

// close removes the line that is redrawn.
func (v *runView) close() {
	if v.screen != nil && v.drawn != "" {
		v.screen.Clear()
	}
	v.drawn = ""
}

// draw shows the current state, if it looks different than before.
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
	words := fmt.Sprintf(
		"%s %s after %s", v.job, strings.ReplaceAll(text.Line(string(s.Status)), "_", " "), stopwatch(took),
	)
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

// plain returns the state in words, without what changes with time.
func (v *runView) plain() string {
	parts := []string{v.job}
	if v.state.Percent != nil {
		parts = append(parts, fmt.Sprintf("%3.0f%%", *v.state.Percent))
	}
	return strings.Join(append(parts, v.words()...), "  ")
}

// words returns the run's own message, and its status if it is not running.
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

// bar returns the state in the available columns: the job, a bar, the percentage, the run's message, and the times.
func (v *runView) bar(now time.Time) string {
	columns, _ := v.screen.Size()
	columns-- // a cursor after the last column would be in the next line
	times := stopwatch(v.elapsed(now))
	if left, ok := v.left(now); ok {
		times += ", " + stopwatch(left) + " left"
	}
	words := v.words()
	if !v.retryAt.IsZero() {
		words = []string{"reconnecting"}
		if wait := v.retryAt.Sub(now); wait > 0 {
			words[0] += " in " + stopwatch(wait+time.Second/2)
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
	return left + "  " + terminal.Pad(
		terminal.Cut(strings.Join(words, "  "), room), room,
	) + "  " + v.screen.Paint(
		terminal.Faint, times,
	)
}

// gauge returns a bar of n columns that is filled to a percentage, in eighths of a column.
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

// elapsed returns how long the run has been running.
func (v *runView) elapsed(now time.Time) time.Duration {
	if v.begun.IsZero() {
		return 0
	}
	return max(0, now.Sub(v.begun))
}

// left estimates the remaining time from the progress so far. There is no estimate just after the start or just before
// the end.
func (v *runView) left(now time.Time) (time.Duration, bool) {
	p := v.state.Percent
	if p == nil || *p < 1 || *p >= 100 || v.elapsed(now) < time.Second {
		return 0, false
	}
	return time.Duration(float64(v.elapsed(now)) * (100 - *p) / *p), true
}

// stopwatch formats a duration as a stopwatch shows it: 0:07, 12:40, 1:02:03.
func stopwatch(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
