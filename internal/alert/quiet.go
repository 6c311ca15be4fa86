package alert

import (
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// maxChain bounds the quiet times that are taken for one because each begins before the one before it is over.
const maxChain = 100

// isOf reports whether a silence or a quiet time of that is one of a subject.
func isOf(of string, s Subject) bool {
	return of == wire.SilenceAll || of == s.Key || s.Upstream != "" && of == wire.UpstreamKey(s.Upstream)
}

// quietUntil returns until when receivers are not told of a subject, and why, as a quiet time of the configuration has
// begun; zero if none has. Times that overlap are one. Times are those of the wall clock: whether and until when it is
// quiet depends on now alone, not on when the process began or was told.
func quietUntil(all []*config.Quiet, of Subject, now time.Time) (until time.Time, reason string) {
	until = now
	for range maxChain {
		longest := until
		for _, q := range all {
			if !slices.ContainsFunc(q.Of, func(key string) bool { return isOf(key, of) }) {
				continue
			}
			if end := endOf(q, until); end.After(longest) {
				longest = end
				if until.Equal(now) {
					reason = q.Reason
				}
			}
		}
		if longest.Equal(until) {
			break
		}
		until = longest
	}
	if until.Equal(now) {
		return time.Time{}, ""
	}
	return until, reason
}

// nextQuiet returns the next time after now at which a quiet time begins or ends; zero if there is none.
func nextQuiet(all []*config.Quiet, now time.Time) (next time.Time) {
	for _, q := range all {
		for _, t := range []time.Time{q.At.Next(now), endOf(q, now)} {
			if !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// endOf returns when the quiet time ends that has begun at t or before; zero if none has that is not over at t.
func endOf(q *config.Quiet, t time.Time) time.Time {
	begin := q.At.Next(t.Add(-q.For))
	if begin.IsZero() || begin.After(t) {
		return time.Time{}
	}
	// The last one to begin ends last. There may be many, so the time in which it can begin is halved again and again.
	for late := t; ; {
		next := q.At.Next(begin)
		if next.IsZero() || next.After(t) {
			return begin.Add(q.For)
		}
		begin = next
		middle := begin.Add(late.Sub(begin) / 2)
		if next = q.At.Next(middle); next.IsZero() || next.After(t) {
			late = middle
		} else {
			begin = next
		}
	}
}
