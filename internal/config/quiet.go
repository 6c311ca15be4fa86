package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/cron"
	"github.com/tidewire/tidewire/internal/grammar"
)

// Bounds of quiet.
const (
	maxQuiet       = 100
	minQuietFor    = time.Minute
	maxQuietFor    = 31 * 24 * time.Hour
	quietsLookedAt = 400 // beginnings, whose distance is checked
)

// QuietAll is the one element of a [Quiet].Of that means every alert.
const QuietAll = "all"

func (r *reader) quietKeys(q *Quiet, at *timetableDraft) grammar.Keys {
	return grammar.Keys{
		grammar.Section("at",
			"when the time begins; not `@every`. An expression alone is `at.cron`",
			"at of quiet", atKeys(at)).
			Short("cron").Also("schedule cron start begin").Need(`"0 2 * * 0"`).
			Alone(func(v *grammar.Node) { at.what, at.expression = "at", v }),
		grammar.Func("for", "how long it lasts, from `1m` to `744h` (31 days); it must be over before it begins again",
			grammar.DurationText, func(v *grammar.Node) { q.For = readQuietFor(v) }).Also("duration length").Need("2h"),
		grammar.Func("of",
			"whose alerts: `all`, or a list of `source/NAME`, `job/NAME`, `section/PATH`, which is all that stands in it or below "+
				"it, and `upstream/NAME`, which is all of its sources and jobs",
			quietOfShape, func(v *grammar.Node) { q.Of = r.quietOf(v) }).Also("what targets scope").Need("all"),
		grammar.Line("reason", "why, for people", &q.Reason).Also("title name description comment"),
	}
}

var (
	quietOfShape = grammar.Either(grammar.ALine, grammar.DistinctTexts)
	quietShape   = grammar.Shape{
		"type": "array", "minItems": 1, "maxItems": maxQuiet,
		"items": grammar.Object((&reader{}).quietKeys(&Quiet{}, &timetableDraft{})),
	}
)

// quiet reads the list of times at which nobody is told.
func (f *fileReader) quiet(n *grammar.Node) {
	all := n.List("quiet", `write a list such as [{at: "0 2 * * 0", for: 2h, of: all}]`)
	if len(all) > maxQuiet {
		n.Problem(fmt.Sprintf("quiet has %d entries", len(all)), fmt.Sprintf("write at most %d", maxQuiet))
		return
	}
	for _, e := range all {
		q, at := &Quiet{}, &timetableDraft{zone: time.Local, anchored: true}
		e.Read("quiet", f.quietKeys(q, at))
		q.At = at.table()
		if q.At != nil && q.For > 0 {
			checkQuiet(e.Get("for"), q)
		}
		f.c.Quiet = append(f.c.Quiet, q)
	}
}

func readQuietFor(n *grammar.Node) time.Duration {
	d := n.Duration("for")
	if d > 0 && (d < minQuietFor || d > maxQuietFor) {
		n.Problem(fmt.Sprintf("for: %s is out of range", grammar.Quote(n.Value())),
			"write a duration from 1m to 744h, which is 31 days")
		return 0
	}
	return d
}

// checkQuiet checks that a quiet time is over before it begins again. Summer time does not count.
func checkQuiet(length *grammar.Node, q *Quiet) {
	table, err := cron.Parse(q.At.Cron, time.UTC)
	if err != nil {
		return // it was parsed before
	}
	begin := table.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	for range quietsLookedAt {
		next := table.Next(begin)
		if next.IsZero() {
			return
		}
		if pause := next.Sub(begin); pause < q.For {
			length.Problem(fmt.Sprintf("for: the time begins again %s later, before it is over", clock.Words(pause)),
				"make it shorter, or let it begin less often: the first field of at is the minute")
			return
		}
		begin = next
	}
}

// quietOf reads whose alerts are quiet.
func (r *reader) quietOf(n *grammar.Node) (of []string) {
	seen := map[string]bool{}
	for _, e := range n.OneOrMore("of", "[source/tank, upstream/plant]") {
		s, ok := e.Text("of", "write all, or such as source/tank, job/sync or upstream/plant")
		switch {
		case !ok:
		case !r.has(s):
			e.Problem("of: unknown "+grammar.Quote(s), r.suggestKey(s))
		case seen[s]:
			e.Twice("of", grammar.Quote(s))
		default:
			of = append(of, s)
		}
		seen[s] = true
	}
	if len(of) > 1 && seen[QuietAll] {
		n.Problem("of has all and others", "write all alone, or leave it out")
	}
	return of
}

// has reports whether a key such as source/tank is that of a part of the configuration.
func (r *reader) has(key string) (ok bool) {
	switch what, name, _ := strings.Cut(key, "/"); what {
	case QuietAll:
		ok = key == QuietAll
	case "upstream":
		_, ok = r.parts.upstreams[name]
	case "source":
		_, ok = r.parts.sources[name]
		if split, row := r.rowIn(name); split != nil { // it may not be there
			ok = r.split[split.Name] && row != "" && RowName(row) == row
		}
	case "job":
		_, ok = r.parts.jobs[name]
	case "section":
		_, ok = slices.BinarySearch(r.sections(), name)
	}
	return ok
}

// sections returns the paths of all sections, in order.
func (r *reader) sections() []string {
	var paths []string
	for _, s := range r.parts.sources {
		paths = append(paths, s.Section)
	}
	for _, j := range r.parts.jobs {
		paths = append(paths, j.Section)
	}
	return AllSections(paths)
}

// suggestKey tells how to correct a key that is not that of a part of the configuration.
func (r *reader) suggestKey(got string) string {
	if split, _ := r.rowIn(strings.TrimPrefix(got, "source/")); split != nil && r.split[split.Name] {
		return fmt.Sprintf("write source/%s, which is also of its rows, or source/%[1]s/ROW", split.Name)
	}
	known := []string{QuietAll}
	for _, what := range []string{"upstream", "source", "job", "section"} {
		if r.has(what + "/" + got) {
			return grammar.DidYouMean(what + "/" + got)
		}
	}
	known = appendKeys(known, "upstream/", r.parts.upstreams)
	known = appendKeys(known, "source/", r.parts.sources)
	known = appendKeys(known, "job/", r.parts.jobs)
	for _, path := range r.sections() {
		known = append(known, "section/"+path)
	}
	return grammar.Suggest(got, "words here", known)
}

// appendKeys appends the names of parts of a configuration, in order.
func appendKeys[T any](to []string, prefix string, parts map[string]*T) []string {
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		to = append(to, prefix+name)
	}
	return to
}
