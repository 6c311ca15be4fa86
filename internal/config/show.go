package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Bounds of show.history: the page itself keeps shorter periods, and longer ones belong in a database.
const (
	minHistory       = time.Minute
	maxHistory       = 31 * 24 * time.Hour // in memory
	maxStoredHistory = 5 * 365 * 24 * time.Hour
)

func showKeys(s *Show) grammar.Keys {
	return grammar.Keys{
		grammar.Func("value",
			"the field shown large; one of `pick` if that has names",
			grammar.AnyText, func(v *grammar.Node) { s.Value, _ = v.Text("value", "write the name of a field") }),
		grammar.Line("unit", "the unit, for example `°C`", &s.Unit),
		grammar.Number("min", "the ends of the scale, `min` below `max`", &s.Min),
		grammar.Number("max", "the ends of the scale, `min` below `max`", &s.Max),
		grammar.Func("decimals",
			"digits after the decimal point. Without it a page shows whole numbers whole, and rounds others to five digits that count, or two after the point",
			grammar.WholeNumber(0, 10), func(v *grammar.Node) { s.Decimals = readDecimals(v) }),
		grammar.Func("history",
			"how long numbers are kept, from `1m` to `744h` (31 days), or to `5y` with a `dir` in `store`",
			grammar.PeriodText, func(v *grammar.Node) { s.History = readHistory(v) }).Also("retention keep"),
	}
}

func readDecimals(n *grammar.Node) *int {
	decimals, ok := n.Integer("decimals", 0, 10)
	if !ok {
		return nil
	}
	return &decimals
}

func readHistory(n *grammar.Node) time.Duration {
	d := n.Period("history")
	if d > 0 && (d < minHistory || d > maxStoredHistory) {
		n.Problem(fmt.Sprintf("history: %s is out of range", grammar.Quote(n.Value())),
			"write a duration from 1m to 744h, which is 31 days, or to 5y with store: {dir: data}")
		return 0
	}
	return d
}

// checkHistory checks that a history in memory is not longer than that allows.
func checkHistory(show *grammar.Node, d time.Duration) {
	if d > maxHistory {
		n := show.Get("history")
		n.Problem(fmt.Sprintf("history: %s is longer than the 31 days that are kept in memory", grammar.Quote(n.Value())),
			"add store: {dir: data}, which keeps up to 5y, or write at most 744h")
	}
}

// checkShow checks that the headline is a field of pick, which may be nil.
func checkShow(n, pick *grammar.Node, s Show, fields []Field) {
	if v := n.Get("value"); v != nil && v.IsGood() && pick.IsMapping() && !pick.IsSpoiled() {
		checkPicked(v, "value", s.Value, fields)
	}
	if s.Min != nil && s.Max != nil && *s.Min >= *s.Max {
		n.Get("min").Problem("min is not below max", "make min smaller than max")
	}
}

// checkPicked checks that name, the value of n, is one of fields.
func checkPicked(n *grammar.Node, what, name string, fields []Field) {
	var known []string
	for _, f := range fields {
		known = append(known, f.Name)
	}
	if !slices.Contains(known, name) {
		n.Problem(fmt.Sprintf("%s: %s is not picked", what, grammar.Quote(name)),
			grammar.Suggest(name, "fields of pick", known))
	}
}

var (
	aboveZero     = grammar.Shape{"type": "number", "exclusiveMinimum": 0}
	deadbandShape = grammar.Either(aboveZero,
		grammar.Shape{"type": "object", "additionalProperties": grammar.Either(aboveZero)})
)

// readDeadband reads one number for everything that is picked, or a mapping of fields to numbers.
func readDeadband(n *grammar.Node, where string) (all []Deadband) {
	add := func(n *grammar.Node, field, what string) {
		switch f := n.Number(what); {
		case f == nil:
		case *f <= 0:
			n.Problem(fmt.Sprintf("%s is %s", what, n.Value()), "write a number above 0, or remove it")
		default:
			all = append(all, Deadband{Field: field, Least: *f})
		}
	}
	if !n.IsMapping() {
		add(n, "", "deadband")
		return all
	}
	for k, v := range n.Entries("deadband of " + where) {
		v.Reveal()
		add(v, k.Value(), "deadband "+grammar.Quote(k.Value()))
	}
	return all
}

// checkDeadband checks that the fields in a deadband are fields of pick, which may be nil.
func checkDeadband(n, pick *grammar.Node, fields []Field) {
	if !n.IsMapping() || n.IsSpoiled() {
		return
	}
	if pick == nil || !pick.IsMapping() && !pick.IsSpoiled() {
		n.Problem("deadband names fields, but pick has none",
			"write one number such as 0.5, or give the fields names as in pick: {temp: .main.temp}")
		return
	}
	for k := range n.Pairs() {
		if !pick.IsSpoiled() && k.IsGood() {
			checkPicked(k, "deadband", k.Value(), fields)
		}
	}
}
