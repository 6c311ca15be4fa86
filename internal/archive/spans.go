package archive

import (
	"context"
	"time"
)

// A Span is a time in which a source was in one state.
type Span struct {
	From, To time.Time // by the wall clock, to the millisecond; To of the span that lasts is when it was read
	Lasts    bool      // the source is in this state still
	State    string
	Error    string // why it came into this state; empty: there is no reason
}

// Past is the spans of one source.
type Past struct {
	// Spans are newest first and do not overlap. What is between them is unknown: nobody polled the source then.
	Spans []Span
	// Since is from when on there are all spans: older ones were dropped because there were too many. Zero: none was.
	Since time.Time
}

// Spans keeps in which state each source was from when to when. How many spans of a source are kept is bounded; the oldest
// are dropped first.
//
// What is recorded goes by the order in which it is: where the clock was set back, newer spans take the place of those
// that had the same time before.
type Spans interface {
	// Enter tells that a source is in a state from a time on. Nothing changes if it is in that state already.
	Enter(source string, at time.Time, state, reason string)

	// Leave tells that a source is not polled any more from a time on. An archive in memory forgets it.
	Leave(source string, at time.Time)

	// Lived tells that the process lives at a time. It is to be called about once a second. A span that lasts when the
	// process dies ends at that time, as far as an archive on disk knows afterwards.
	Lived(at time.Time)

	// Slept tells that nothing was known of any source from one time to another, although the process did not end: it
	// stood still, the machine slept, or the clock was set from one time to the other.
	Slept(from, to time.Time)

	// Past returns the spans of a source that reach into the time from since to now. The error is why the archive cannot
	// be read: a source that is not known has no spans.
	Past(ctx context.Context, source string, since, now time.Time) (Past, error)
}

// Shares adds up how long spans, newest first, were in each state within the time from since to now.
func Shares(spans []Span, since, now time.Time) map[string]time.Duration {
	shares := map[string]time.Duration{}
	for _, s := range spans {
		if s.From.Before(since) {
			s.From = since
		}
		if s.To.After(now) {
			s.To = now
		}
		if d := s.To.Sub(s.From); d > 0 {
			shares[s.State] += d
		}
	}
	return shares
}

// Clip has spans, newest first in the order in which they were recorded, not overlap and be within the time from since to
// now. It returns a part of the same memory.
func Clip(spans []Span, since, now time.Time) []Span {
	clipped := spans[:0]
	until := now
	for _, s := range spans {
		if s.Lasts || s.To.After(until) {
			s.To = until
		}
		if s.From.Before(until) {
			until = s.From
		}
		if s.To.After(since) && (s.To.After(s.From) || s.Lasts) {
			clipped = append(clipped, s)
		}
	}
	return clipped
}
