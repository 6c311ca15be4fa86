// Package flood keeps clients from filling logs. Of what a client can cause, so many lines
// are written in a minute for each caller, and so many in all; the rest is counted and
// told in one line when the minute is over. The package imports the standard library
// alone.
//
// A [Meter] decides and counts, for whatever writes lines; a [Handler] does so for a
// [log/slog] logger. Neither has a goroutine or a timer: whoever owns one asks it now and
// then for what is due.
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
	// maxCallers bounds the callers that are told apart in a window, of all kinds.
	maxCallers = 1000
)

// A Meter bounds lines. The zero value has seen none. Its methods may be called from any
// goroutine.
type Meter struct {
	mu      sync.Mutex // guards the fields below
	callers map[line]*window
	kinds   map[string]*window
}

// line is what is counted together.
type line struct{ kind, caller string }

// window is what has come of some lines since the first.
type window struct {
	since        time.Time
	passed, more int
	about        any
}

// An Excess is the lines of a kind, by one caller, that were not written.
type Excess struct {
	Kind  string
	About any       // what [Meter.Pass] was given with the caller's first line; nil of many callers
	More  int       // how many lines
	Since time.Time // the window's begin
}

// Pass reports whether a line of a kind that a caller has caused may be written; if not,
// it counts it. Kinds must be few: they are the program's, not the client's. About is
// whatever the excess should say of the caller.
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

// Due returns what was not written in the windows that are over by now, and begins these
// anew. Ask it about once a second, and a last time with [Meter.Rest].
func (m *Meter) Due(now time.Time) []Excess {
	return m.take(func(w *window) bool { return now.Sub(w.since) >= Window })
}

// Rest returns what was not written in any window.
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
