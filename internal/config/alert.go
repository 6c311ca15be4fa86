package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

func (r *reader) alertKeys(a *Alert) grammar.Keys {
	return grammar.Keys{
		grammar.JQ("if",
			"the condition, evaluated on the picked value: true or false. Without it the condition is that the "+
				"source is `stale` or `failing`",
			&a.If).Also("when condition expr"),
		grammar.Func("for", "how long the condition must hold", zeroOrShape, zeroOr(&a.For, "for")),
		grammar.JQ("clear",
			"the condition for the end of the alert, evaluated on the picked value: until it holds, the alert "+
				"keeps firing. Requires `if`",
			&a.Clear).Also("recovery until resolve").With("if"),
		grammar.Func("clear_for",
			"how long the condition for the end must hold",
			zeroOrShape, zeroOr(&a.ClearFor, "clear_for")).Also("keep_firing_for recovery_for"),
		grammar.Func("notify",
			"where the alert is sent: a name from `notify`, or a list of them. Without it the alert is only on "+
				"the page and in the API",
			notifiedShape, func(v *grammar.Node) { a.Notify = r.alertNotify(v) }).Also("to webhook"),
	}
}

var notifiedShape = grammar.Either(grammar.ALine, grammar.DistinctTexts)

var zeroOrShape = grammar.OrZero(grammar.Like(grammar.ADuration+", or 0", "^0$", grammar.AboveZero))

// zeroOr returns a reader of a duration that may be 0.
func zeroOr(to *time.Duration, what string) func(v *grammar.Node) {
	return func(v *grammar.Node) {
		if v.Value() != "0" {
			*to = v.Duration(what)
		}
	}
}

// alertNotify reads the webhooks to notify.
func (r *reader) alertNotify(n *grammar.Node) (all []*Notify) {
	for _, e := range n.OneOrMore("notify", "[ops, leads]") {
		switch to := grammar.Lookup(e, "webhook", r.parts.notify); {
		case to == nil:
		case slices.Contains(all, to):
			e.Problem(fmt.Sprintf("notify has %s twice", grammar.Quote(to.Name)), "remove one of them")
		default:
			all = append(all, to)
		}
	}
	return all
}

func checkAlert(n *grammar.Node, where string) {
	if clear := n.Get("clear"); clear != nil && n.Lacks("if") {
		clear.Problem("clear without if",
			"remove it: an alert without if ends when the source is ok again; or add if")
	}
	if n.Lacks("if", "for", "clear", "clear_for", "notify") {
		n.Problem(where+" says neither when nor to whom", "add a condition such as if: .level > 90, or notify")
	}
}
