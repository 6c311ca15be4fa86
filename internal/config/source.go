package config

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A sourceDraft is a Source while it is read.
type sourceDraft struct {
	*Source
	pace pace
	from *grammar.Node // of which references to others are checked later
}

func (r *reader) sourceKeys(d *sourceDraft, where string) grammar.Keys {
	s, request, alert := d.Source, &requestDraft{query: url.Values{}, own: http.Header{}}, &Alert{}
	return slices.Concat(grammar.Keys{
		grammar.Section("http",
			"GET from an upstream",
			"http of "+where, requestKeys(request, r.parts.upstreams, where)).
			Also("url get").OneOf().
			Alone(func(v *grammar.Node) { readNoRequest(v, where, request) }).
			Then(func(v *grammar.Node) { s.HTTP = request.result(v, where) }),
		grammar.Func("exec",
			"run a program and read its output. The first element is the program; there is no shell",
			argvShape, func(v *grammar.Node) { s.Exec = r.argv(v) }).Also("command cmd run script shell").OneOf(),
		grammar.Func("from",
			"other sources; the value is recomputed after every poll of one of them. A source cannot be "+
				"computed from itself",
			grammar.Texts, func(v *grammar.Node) { d.from = v }).OneOf(),
		grammar.JQ("combine", "with `from` only: computes the value from the inputs", &s.Combine).With("from"),
		grammar.OneOf("needs",
			"with `from` only: which inputs must be fresh for the value to be fresh. With `none` their states "+
				"are left to `combine`",
			&s.Needs, inputNeeds).Also("requires quorum").With("from"),
		grammar.Line("title", "for people", &s.Title).Also("label description"),
		grammar.OneOf("parse",
			"how the answer becomes a value: one JSON value; a text without surrounding white space; a list of "+
				"such texts, one per line",
			&s.Parse, parses).Without("from"),
		grammar.Func("pick",
			"what to take from the value: one result, or an object of named results",
			pickShape, func(v *grammar.Node) { s.Pick = readPick(v, where) }).Also("select fields jq extract"),
		grammar.Section("show", "how the page presents the value", "show of "+where, showKeys(&s.Show)),
		grammar.Later("modbus", otherKinds),
		grammar.Later("mqtt", otherKinds),
		grammar.Later("sql", otherKinds),
		grammar.Func("deadband",
			"how far a number must move to count as changed: one threshold for every picked number, or one per "+
				"field",
			deadbandShape, func(v *grammar.Node) { s.Deadband = readDeadband(v, where) }),
		grammar.Section("alert",
			"when to alert",
			"alert of "+where, r.alertKeys(alert)).
			Some().Then(func(v *grammar.Node) { s.Alert = alert; checkAlert(v, "alert of "+where) }),
	}, programKeys(&s.Program, where), paceKeys(&d.pace))
}

const otherKinds = `a source here is one of "http", "exec" and "from"`

var (
	argvShape = grammar.Shape{
		"type": "array", "minItems": 1, "prefixItems": []grammar.Shape{grammar.ALine}, "items": grammar.AnyText,
	}
	pickShape = grammar.Either(grammar.ALine, grammar.Shape{"type": "object", "additionalProperties": grammar.ALine})
)

// source reads one entry of sources.
func (r *reader) source(e grammar.Named, defaults pace) *sourceDraft {
	where := "source " + grammar.Quote(e.Name)
	s := &Source{Name: e.Name, Title: e.Name}
	d := &sourceDraft{Source: s, pace: defaults}
	n := e.Value
	n.Read(where, r.sourceKeys(d, where))
	checkKind(e, where, "poll", "http", "exec", "from")
	if n.Get("exec") == nil && has(n, "http", "from") == 1 {
		refuse(n, "in a source that runs no program", "remove it; it is for sources with exec", programWords...)
	}
	pick := n.Get("pick")
	if show := n.Get("show"); show != nil {
		checkShow(show, pick, s.Show, s.Pick)
	}
	if deadband := n.Get("deadband"); deadband != nil {
		checkDeadband(deadband, pick, s.Pick)
	}
	s.Given = n.Given("http", "exec", "env")
	if d.from != nil {
		d.computed(n)
	} else {
		d.polled(n)
	}
	return d
}

// polled completes a source that asks something itself.
func (d *sourceDraft) polled(n *grammar.Node) {
	if combine := n.Get("combine"); combine != nil {
		combine.Problem("combine without from", `add the names of other sources such as from: [a, b], or use "pick"`)
	}
	if needs := n.Get("needs"); needs != nil {
		needs.Problem("needs without from", "remove it: this source has no inputs")
	}
	if d.Parse == "" {
		d.Parse = ParseJSON
		if d.Exec != nil {
			d.Parse = ParseText
		}
	}
	p := d.pace
	d.Every, d.Unwatched, d.When = p.every, p.idle(), p.when
	d.Timeout, d.Jitter, d.Backoff, d.StaleAfter = p.timeout, p.jitter, p.backoff, p.stale()
}

// computed completes a source that is made from others: it has no key of those that are polled but stale_after.
func (d *sourceDraft) computed(n *grammar.Node) {
	if n.Get("needs") == nil {
		d.Needs = NeedsAll
	}
	refuse(n, "in a source made from others, which is not polled", "remove it",
		"parse", "every", "timeout", "jitter", "backoff")
	d.Parse = ""
	switch v := n.Get("stale_after"); {
	case v == nil:
	case d.pace.stalePolls == 0:
		d.StaleAfter = d.pace.staleAfter
	case pollsGrammar.MatchString(v.Value()):
		v.Problem("stale_after counts polls in a source made from others, which is not polled",
			"write a duration such as 5m, or remove it")
	}
}

// refuse reports those keys of the mapping n that have no place in it.
func refuse(n *grammar.Node, where, want string, keys ...string) {
	for _, key := range keys {
		if v := n.Get(key); v != nil {
			v.Problem(key+" "+where, want)
		}
	}
}

// has counts the keys that the mapping n has.
func has(n *grammar.Node, keys ...string) (count int) {
	for _, key := range keys {
		if n.Get(key) != nil {
			count++
		}
	}
	return count
}

// checkKind checks that a source or job has exactly one of the keys that are kinds.
func checkKind(e grammar.Named, where, verb string, kinds ...string) {
	var words []string
	for _, k := range kinds {
		words = append(words, strconv.Quote(k))
	}
	switch {
	case has(e.Value, kinds...) > 1:
		e.Key.Problem(where+" has more than one kind", "keep exactly one of "+grammar.List(words, "and"))
	case e.Value.Lacks(append(kinds, "modbus", "mqtt", "sql")...):
		e.Key.Problem(where+" does not say what to "+verb, "add exactly one of "+grammar.List(words, "and"))
	}
}

// readPick reads one expression or a mapping of names to expressions.
func readPick(n *grammar.Node, where string) []Field {
	if !n.IsMapping() {
		if p := n.JQ("pick"); p != nil {
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
		fields = append(fields, Field{Name: k.Value(), Expr: v.JQ("field " + grammar.Quote(k.Value()))})
	}
	return fields
}
