package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// A sourceDraft is a Source while it is being read.
type sourceDraft struct {
	*Source
	pace     pace
	sections []kind.Section // of all kinds
	inputs   []*grammar.Node
	alert    Alert // if it has one
	split    Split // if it has that
	unpolled bool  // it is of a kind that is not polled
}

func (r *reader) sourceKeys(d *sourceDraft, where string) grammar.Keys {
	s := d.Source
	var keys grammar.Keys
	computed := r.kindsThat(func(k kind.Kind) bool { return k.Computes })
	for _, k := range r.kinds {
		section := k.Section(r.reading(d, where))
		d.sections = append(d.sections, section)
		keys = append(keys, section.Keys...)
	}
	keys = append(keys,
		grammar.Line("title", "for people", &s.Title).Also("label description"),
		sectionKey(&s.Section),
		onKey("of `exec`: the name of the replica that runs the program, and no other one does; or `each`: all do, each for a source of its own. See "+
			"[Where programs run](#where-programs-run)",
			&s.On),
		parseKey(&s.Parse, where).Without(computed...),
		charsetKey(&s.Parse).Without(computed...),
		grammar.Func("pick",
			"what to take from the value: one result, or an object of named results",
			pickShape, func(v *grammar.Node) { s.Pick = r.readPick(v, where) }).Also("select fields jq extract"),
		grammar.Section("split",
			"make a source of each row of the answer. `pick`, `deadband`, `show` and `alert` are then of these. See "+
				"[Many from one](#many-from-one)",
			"split of "+where, r.splitKeys(&d.split)).Without(computed...).
			Also("foreach for_each rows"),
		grammar.Section("show", "how the page presents the value", "show of "+where, showKeys(&s.Show)),
		grammar.Func("deadband",
			"how far a number must move to count as changed: one threshold for every picked number, or one per "+
				"field",
			deadbandShape, func(v *grammar.Node) { s.Deadband = readDeadband(v, where) }),
		grammar.Section("alert",
			"when to alert; by default as `alert` of `defaults` says",
			"alert of "+where, r.alertKeys(&d.alert)).Some().Or(noAlert),
	)
	if told := r.kindsThat(func(k kind.Kind) bool { return k.Subscribes }); told != nil {
		keys = append(keys, grammar.Duration("at_most",
			"the least time between two messages of a source that is told its values; of those that come "+
				"meanwhile the last one counts",
			&s.AtMost).Without(r.kindsThat(func(k kind.Kind) bool { return !k.Subscribes })...))
	}
	keys = append(keys, rowsKey())
	for _, word := range laterKinds {
		keys = append(keys, grammar.Later(word, "a source here is one of "+listed(r.kindNames(), "and")))
	}
	return append(keys, paceKeys(&d.pace, r.kindsThat(func(k kind.Kind) bool { return !k.Polled() })...)...)
}

// reading returns what the section of a kind needs to read the source d.
func (r *reader) reading(d *sourceDraft, where string) kind.Reading {
	return kind.Reading{
		Where: where,
		Upstream: func(n *grammar.Node) kind.Upstream {
			d.Upstream = grammar.Lookup(n, "upstream", r.parts.upstreams)
			if d.Upstream == nil {
				return nil
			}
			return d.Upstream.Spec
		},
		Input: func(n *grammar.Node, _ string) { d.inputs = append(d.inputs, n) },
		Once:  r.once,
	}
}

// kindNames returns the names of all kinds.
func (r *reader) kindNames() []string { return r.kindsThat(func(kind.Kind) bool { return true }) }

// kindsThat returns the names of the kinds for which is returns true.
func (r *reader) kindsThat(is func(kind.Kind) bool) (names []string) {
	for _, k := range r.kinds {
		if is(k) {
			names = append(names, k.Name)
		}
	}
	return names
}

// once reports whether this is its first call with what.
func (r *reader) once(what string) bool {
	if r.looked[what] {
		return false
	}
	r.looked[what] = true
	return true
}

// laterKinds are keys of sources and upstreams that this version does not support yet.
var laterKinds = []string{"modbus", "mqtt", "sql"}

// listed returns a list of words in quotes.
func listed(words []string, and string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return grammar.List(quoted, and)
}

var pickShape = grammar.Either(grammar.ALine, grammar.Shape{"type": "object", "additionalProperties": grammar.ALine})

// source reads one entry of sources.
func (r *reader) source(e grammar.Named, defaults pace) *sourceDraft {
	where := "source " + grammar.Quote(e.Name)
	d := &sourceDraft{Source: &Source{Name: e.Name, Title: e.Name}, pace: defaults, alert: r.alerts.source, split: Split{Forget: defaultForget}}
	s, n := d.Source, e.Value
	n.Read(where, r.sourceKeys(d, where))
	checkKind(e, where, "poll", r.kindNames()...)
	pick := n.Get("pick")
	if show := n.Get("show"); show != nil {
		checkShow(show, pick, s.Show, s.Pick)
		if !r.onDisk {
			checkHistory(show, s.Show.History)
		}
	}
	if deadband := n.Get("deadband"); deadband != nil {
		checkDeadband(deadband, pick, s.Pick)
	}
	if has(n, r.kindNames()...) == 1 {
		r.ofKind(d, n)
	}
	r.alertOf(d, n, where)
	r.splitOf(d, n)
	return d
}

// ofKind completes a source of exactly one kind.
func (r *reader) ofKind(d *sourceDraft, n *grammar.Node) {
	for i, k := range r.kinds {
		section := d.sections[i]
		if n.Get(k.Name) != nil {
			d.Kind, d.Spec, d.unpolled = k.Name, section.Source(n), !k.Polled()
			d.paced(n, k)
			for key, p := range d.split.expressions() {
				r.checkVariables(n.Get("split").Get(key), p, k)
			}
			for _, f := range d.Pick {
				if at := n.Get("pick"); f.Name == "" {
					r.checkVariables(at, f.Expr, k)
				} else {
					r.checkVariables(at.Get(f.Name), f.Expr, k)
				}
			}
			continue
		}
		for _, key := range section.Keys[1:] {
			if v := n.Get(key.Name()); v != nil {
				want := section.Stray[key.Name()]
				if want == "" {
					want = "remove it; it is for sources with " + k.Name
				}
				v.Problem(key.Name()+" without "+k.Name, want)
			}
		}
	}
}

// paced completes the pace of a source of the kind k.
func (d *sourceDraft) paced(n *grammar.Node, k kind.Kind) {
	switch {
	case k.Computes:
		d.withoutPace(n, "in a source made from others, which is not polled")
		refuse(n, "in a source made from others, which is not polled", "remove it", "parse", "charset")
	case k.Subscribes:
		d.withoutPace(n, "in a source that is told its values, which is not polled")
	default:
		p := d.pace
		d.Every, d.Unwatched, d.When = p.every, p.idle(), p.when
		d.Timeout, d.Jitter, d.Backoff, d.StaleAfter = p.timeout, p.jitter, p.backoff, p.stale()
	}
	parsed, ok := d.Spec.(kind.Parsed)
	switch {
	case d.Spec == nil:
	case !ok:
		if !k.Computes {
			refuse(n, "in a source whose values are not parsed", "remove it", "parse", "charset")
		}
		d.Parse = value.Format{}
	case d.Parse.Name == "":
		d.Parse.Name = parsed.DefaultParse()
	}
	if at := n.Get("at_most"); at != nil && !k.Subscribes {
		at.Problem("at_most in a source that is not told its values", "remove it, or write how often to poll as every")
	}
}

// withoutPace completes a source that may have only stale_after of the keys for polling. Where gives the reason in
// messages.
func (d *sourceDraft) withoutPace(n *grammar.Node, where string) {
	refuse(n, where, "remove it", "every", "timeout", "jitter", "backoff")
	switch v := n.Get("stale_after"); {
	case v == nil:
	case d.pace.stalePolls == 0:
		d.StaleAfter = d.pace.staleAfter
	case pollsGrammar.MatchString(v.Value()):
		v.Problem("stale_after counts polls "+where, "write a duration such as 5m, or remove it")
	}
}

// refuse reports those of the keys that the mapping n must not have.
func refuse(n *grammar.Node, where, want string, keys ...string) {
	for _, key := range keys {
		if v := n.Get(key); v != nil {
			v.Problem(key+" "+where, want)
		}
	}
}

// has returns how many of the keys the mapping n has.
func has(n *grammar.Node, keys ...string) (count int) {
	for _, key := range keys {
		if n.Get(key) != nil {
			count++
		}
	}
	return count
}

// checkKind checks that a source or job has exactly one of the keys of kinds.
func checkKind(e grammar.Named, where, verb string, kinds ...string) {
	switch {
	case has(e.Value, kinds...) > 1:
		e.Key.Problem(where+" has more than one kind", "keep exactly one of "+listed(kinds, "and"))
	case e.Value.Lacks(slices.Concat(kinds, laterKinds)...):
		e.Key.Problem(where+" does not say what to "+verb, "add exactly one of "+listed(kinds, "and"))
	}
}

// variables returns those that the values of sources of any kind come with.
func (r *reader) variables() (all []string) {
	for _, k := range r.kinds {
		all = append(all, k.Variables...)
	}
	return all
}

// Variables are those that the expressions on the raw value of s, and on its rows, use.
func (s *Source) Variables() (names []string) {
	fields, all := s.Pick, []*jq.Program(nil)
	if s.Split != nil {
		fields = s.Split.Rows.Pick
		all = slices.Collect(maps.Values(s.Split.expressions()))
	}
	for _, f := range fields {
		all = append(all, f.Expr)
	}
	for _, p := range all {
		if p == nil {
			continue
		}
		for _, use := range p.Uses() {
			if !slices.Contains(names, use.Name) {
				names = append(names, use.Name)
			}
		}
	}
	return names
}

// checkVariables reports those of the variables in an expression, which was read from n, that sources of the kind k do not
// have.
func (r *reader) checkVariables(n *grammar.Node, p *jq.Program, k kind.Kind) {
	if p == nil {
		return
	}
	for _, use := range p.Uses() {
		if !slices.Contains(k.Variables, use.Name) {
			has := r.kindsThat(func(k kind.Kind) bool { return slices.Contains(k.Variables, use.Name) })
			n.ProblemAt(use.Offset, use.Name+" in a source with "+k.Name,
				"remove it; it is there in sources with "+grammar.List(has, "and"))
		}
	}
}

// readPick reads one expression or a mapping of names to expressions.
func (r *reader) readPick(n *grammar.Node, where string) []Field {
	if !n.IsMapping() {
		if p := n.JQ("pick", r.variables()...); p != nil {
			return []Field{{Expr: p}}
		}
		return nil
	}
	var fields []Field
	for k, v := range n.Entries("pick of " + where) {
		if strings.TrimSpace(k.Value()) == "" {
			k.Problem("a field of pick has an empty name", "write a name such as temp")
		}
		v.Reveal()
		fields = append(fields, Field{Name: k.Value(), Expr: v.JQ("field "+grammar.Quote(k.Value()), r.variables()...)})
	}
	return fields
}
