// Package flood keeps clients from filling logs. Of the lines that clients can cause, a limited number per minute is
// written for each caller, and a limited number in all; the rest are counted and reported in one line when the minute
// is over. The package imports only the standard library.
//
// A [Meter] decides and counts for any writer of lines; a [Handler] does so for a [log/slog] logger. Neither has a
// goroutine or a timer: its owner calls it regularly for the reports that are due.
package flood

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// Window is the time over which lines are counted.
	Window = time.Minute
	// PerCaller is how many lines of a kind a caller may cause in a window.
	PerCaller = 10
	// PerKind is how many lines of a kind all callers together may cause in a window.
	PerKind = 100
	// maxCallers bounds the callers that are distinguished in a window, of all kinds.
	maxCallers = 1000
)

// A Meter bounds lines. The zero value is ready to use. Its methods may be called from any goroutine.
type Meter struct {
	mu      sync.Mutex // guards the fields below
	callers map[line]*window
	kinds   map[string]*window
}

// line identifies lines that are counted together.
type line struct{ kind, caller string }

// window counts lines since the first of them.
type window struct {
	since        time.Time
	passed, more int
	about        any
}

// An Excess describes the lines of a kind, by one caller, that were not written.
type Excess struct {
	Kind  string
	About any       // the argument of [Meter.Pass] for the caller's first line; nil for many callers
	More  int       // how many lines
	Since time.Time // the beginning of the window
}

// Pass reports whether a line of a kind that a caller has caused may be written; otherwise it counts the line. Kinds
// must be few: they come from the program, not from clients. About is kept for the excess, to describe the caller.
func (m *Meter) Pass(now time.Time, kind, caller string, about any) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kinds == nil {
		m.kinds, m.callers = map[string]*window{}, map[line]*window{}
	}
	all := m.kinds[kind]
	if all == nil {
		all = &window{since: now}
		m.kinds[kind] = all
	}
	own := m.callers[line{kind, caller}]
	if own == nil && len(m.callers) < maxCallers {
		own = &window{since: now, about: about}
		m.callers[line{kind, caller}] = own
	}
	switch {
	case own != nil && own.passed >= PerCaller:
		own.more++
		return false
	case own == nil || all.passed >= PerKind:
		all.more++
		return false
	}
	own.passed++
	all.passed++
	return true
}

// Due returns the excess of the windows that have ended by now, and begins these anew. Call it about once a second, and
// [Meter.Rest] at the end.
func (m *Meter) Due(now time.Time) []Excess {
	return m.take(func(w *window) bool { return now.Sub(w.since) >= Window })
}

// Rest returns the excess of all windows.
func (m *Meter) Rest() []Excess {
	return m.take(func(*window) bool { return true })
}

func (m *Meter) take(over func(*window) bool) (due []Excess) {
	m.mu.Lock()
	defer m.mu.Unlock()
	note := func(kind string, w *window) {
		if w.more > 0 {
			due = append(due, Excess{Kind: kind, About: w.about, More: w.more, Since: w.since})
		}
	}
	for line, w := range m.callers {
		if over(w) {
			delete(m.callers, line)
			note(line.kind, w)
		}
	}
	for kind, w := range m.kinds {
		if over(w) {
			delete(m.kinds, kind)
			note(kind, w)
		}
	}
	slices.SortFunc(due, func(a, b Excess) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.More, a.More))
	})
	return due
}
