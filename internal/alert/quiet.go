package alert

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// quietNow returns the quiet times that have begun and are not over, as silences without an ID, which nobody made. Times are
// those of the wall clock: whether and until when it is quiet depends on now alone, not on when the process began or was told.
func quietNow(all []*config.Quiet, now time.Time) (found []wire.Silence) {
	for _, q := range all {
		until := endOf(q, now).UTC()
		if !until.After(now) {
			continue
		}
		for _, of := range q.Of {
			found = append(found, wire.Silence{Of: of, Since: until.Add(-q.For), Until: until, Reason: q.Reason})
		}
	}
	return found
}

// inEffect returns why receivers are not told of alerts now, by what these are of: see [wire.Silence]. Of several reasons for
// the same it is the one that lasts longest.
func inEffect(silences []wire.Silence, now time.Time) map[string]*wire.Silenced {
	found := map[string]*wire.Silenced{}
	for _, one := range silences {
		if before := found[one.Of]; one.Until.After(now) && (before == nil || one.Until.After(before.Until)) {
			found[one.Of] = &wire.Silenced{ID: one.ID, Until: one.Until, By: one.By, Reason: one.Reason}
		}
	}
	return found
}

// silencedBy returns why receivers are not told of a subject now, nil if they are: what lasts longest of what is in effect.
func silencedBy(inEffect map[string]*wire.Silenced, of Subject, now time.Time) (is *wire.Silenced) {
	look := func(key string) {
		if why := inEffect[key]; why != nil && why.Until.After(now) && (is == nil || why.Until.After(is.Until)) {
			is = why
		}
	}
	look(wire.SilenceAll)
	look(of.Key)
	if parent := strings.LastIndexByte(of.Key, '/'); parent > 0 { // source/boiler of source/boiler/1
		look(of.Key[:parent])
	}
	if of.Upstream != "" {
		look(wire.UpstreamKey(of.Upstream))
	}
	for _, path := range config.SectionsOf(of.Section) {
		look(wire.SectionKey(path))
	}
	return is
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
	// One is over before the next begins, see config, unless summer time moves that. The last one to begin ends last.
	for next := q.At.Next(begin); !next.IsZero() && !next.After(t); next = q.At.Next(next) {
		begin = next
	}
	return begin.Add(q.For)
}
