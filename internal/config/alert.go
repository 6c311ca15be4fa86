package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// Bounds and defaults of alerts.
const (
	maxAfter     = 1000 // polls
	defaultGrace = time.Minute
	minRepeat    = time.Minute
	maxRepeats   = 1000
)

// An alertDefaults is what the alerts of sources and jobs are unless they say so themselves.
type alertDefaults struct {
	given bool // the file has defaults for alerts, so that every source and job has one
	onSet bool // and they say on what an alert of a job fires

	source Alert
	job    JobAlert
}

// builtInAlerts has the built-in defaults.
func builtInAlerts() alertDefaults {
	return alertDefaults{
		source: Alert{After: 1, Grace: defaultGrace, Severity: SeverityWarning},
		job:    JobAlert{On: slices.Clone(usualReasons), Severity: SeverityWarning},
	}
}

// alertDefaultKeys are the keys of defaults.alert.
func (r *reader) alertDefaultKeys(d *alertDefaults) grammar.Keys {
	s, j := &d.source, &d.job
	keys := slices.Concat(holdKeys(s), r.tellKeys(&s.Severity, &s.Repeat, &s.Notify))
	return append(keys, jobReasonKeys(j)...)
}

// alertDefaults completes the defaults of alerts, which are in n, when read has read them: nil if there are none.
func (r *reader) alertDefaults(read func(), n *grammar.Node) {
	if read == nil {
		return
	}
	read()
	d := &r.alerts
	d.given, d.onSet = true, n.Get("on") != nil
	d.job.Severity, d.job.Repeat, d.job.Notify = d.source.Severity, d.source.Repeat, d.source.Notify
	checkSome(n, "alert of defaults", r.alertDefaultKeys(&alertDefaults{}), "notify: ops")
	checkRepeat(n, d.source.Repeat)
	checkSlow(n, &d.job, d.onSet)
}

// alertKeys are the keys of the alert of a source. The one that counts polls is left out if no kind is polled.
func (r *reader) alertKeys(a *Alert) grammar.Keys {
	condition := grammar.JQ("if",
		"the condition, evaluated on the picked value: true or false. Without it the condition is that the "+
			"source is `stale` or `failing`",
		&a.If).Also("when condition expr")
	end := grammar.JQ("clear",
		"the condition for the end of the alert, evaluated on the picked value: until it holds, the alert "+
			"keeps firing. Requires `if`",
		&a.Clear).Also("recovery until resolve").With("if")
	var keys grammar.Keys
	for _, k := range slices.Concat(grammar.Keys{condition}, holdKeys(a), r.tellKeys(&a.Severity, &a.Repeat, &a.Notify)) {
		switch k.Name() {
		case "after":
			if r.kinds != nil && r.kindsThat(kind.Kind.Polled) == nil {
				continue
			}
		case "clear_for":
			keys = append(keys, end)
		}
		keys = append(keys, k)
	}
	return keys
}

// holdKeys are the keys about how long the condition of a source must hold.
func holdKeys(a *Alert) grammar.Keys {
	return grammar.Keys{
		grammar.Func("for", "how long the condition must hold", zeroOrShape, zeroOr(&a.For, "for")),
		grammar.Integer("after",
			"on how many polls in a row the condition must hold, besides `for`; failed polls count if there is no `if`",
			&a.After, 1, maxAfter).Also("polls threshold failures failure_threshold").Default(1),
		grammar.Func("clear_for",
			"how long the condition for the end must hold",
			zeroOrShape, zeroOr(&a.ClearFor, "clear_for")).Also("keep_firing_for recovery_for"),
		grammar.Func("grace",
			"how long a source that has had no value yet is given before its alert can fire, from when it began",
			zeroOrShape, zeroOr(&a.Grace, "grace")).Also("initial_delay start_period").Default("1m"),
	}
}

// tellKeys are the keys about whom an alert is told to, and how.
func (r *reader) tellKeys(severity *Severity, repeat *Repeat, notify *[]*Notify) grammar.Keys {
	return grammar.Keys{
		grammar.OneOf("severity", "how bad it is", severity, severities).
			Also("priority level").Default(string(SeverityWarning)),
		grammar.Section("repeat",
			"tell a firing alert again; without it an alert is told when it begins to fire and when it is over. "+
				"A duration alone is `repeat.every`",
			"repeat", repeatKeys(repeat)).Short("every").Also("remind reminder repeat_interval resend"),
		grammar.Func("notify",
			"where the alert is sent: a name from `notify`, or a list of them. Without it the alert is only on "+
				"the page and in the API",
			notifiedShape, func(v *grammar.Node) { *notify = r.alertNotify(v) }).Also("to webhook"),
	}
}

func repeatKeys(r *Repeat) grammar.Keys {
	return grammar.Keys{
		grammar.Func("every",
			"the time between two messages about a firing alert, at least `1m`; 0: it is not told again",
			zeroOrShape, func(v *grammar.Node) { r.Every = readRepeat(v) }).Also("interval"),
		grammar.Integer("limit",
			"how often an alert is told again at most; without it there is no limit",
			&r.Limit, 1, maxRepeats).Also("max times count"),
	}
}

func readRepeat(n *grammar.Node) (every time.Duration) {
	if zeroOr(&every, "repeat")(n); every > 0 && every < minRepeat {
		n.Problem(fmt.Sprintf("repeat: %s is too short", grammar.Quote(n.Value())),
			"write a duration of at least 1m, or 0 for never")
		return 0
	}
	return every
}

// checkRepeat checks the repetition that is in effect for the alert n.
func checkRepeat(n *grammar.Node, r Repeat) {
	if limit := n.Get("repeat").Get("limit"); limit != nil && r.Every == 0 && n.IsGood() {
		limit.Problem("limit of repeat without every has no effect", "add every: 4h, or remove it")
	}
}

var notifiedShape = grammar.Either(grammar.ALine, grammar.DistinctTexts)

var zeroOrShape = grammar.OrZero(grammar.Like(grammar.ADuration+", or 0", "^0$", grammar.AboveZero))

// zeroOr returns a reader of a duration that may be 0.
func zeroOr(to *time.Duration, what string) func(v *grammar.Node) {
	return func(v *grammar.Node) {
		*to = 0
		if v.Value() != "0" {
			*to = v.Duration(what)
		}
	}
}

// alertNotify reads the receivers to notify.
func (r *reader) alertNotify(n *grammar.Node) (all []*Notify) {
	for _, e := range n.OneOrMore("notify", "[ops, leads]") {
		switch to := grammar.Lookup(e, "receiver", r.parts.notify); {
		case to == nil:
		case slices.Contains(all, to):
			e.Twice("notify", grammar.Quote(to.Name))
		default:
			all = append(all, to)
		}
	}
	return all
}

// alertOf completes the alert of the source d, whose keys are in n, by the defaults.
func (r *reader) alertOf(d *sourceDraft, n *grammar.Node, where string) {
	own := n.Get("alert")
	switch {
	case own != nil && !own.IsMapping(): // none, or a problem
		return
	case own == nil && (!r.alerts.given || d.Unwatched == Never): // which is stale whenever nobody watches it
		return
	case own != nil:
		r.checkAlert(own, "alert of "+where, &d.alert, !d.unpolled)
	}
	d.Alert = &d.alert
	if d.unpolled {
		d.Alert.After = 1
	}
}

// checkAlert checks the keys that a source has of its own.
func (r *reader) checkAlert(n *grammar.Node, where string, a *Alert, polled bool) {
	if clear := n.Get("clear"); clear != nil && n.Lacks("if") {
		clear.Problem("clear without if",
			"remove it: an alert without if ends when the source is ok again; or add if")
	}
	if after := n.Get("after"); after != nil && !polled {
		after.Problem("after counts polls, and the source is not polled", "write how long as in for: 1m, or remove it")
	}
	checkRepeat(n, a.Repeat)
	checkSome(n, where, r.alertKeys(&Alert{}), "if: .level > 90, or notify: ops")
}

// checkSome checks that the alert n says something.
func checkSome(n *grammar.Node, where string, keys grammar.Keys, example string) {
	var names []string
	for _, k := range keys {
		names = append(names, k.Name())
	}
	if n.Lacks(names...) {
		n.Problem(where+" says neither when nor to whom", "add a key such as "+example)
	}
}
