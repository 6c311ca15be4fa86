package config

import (
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
)

// usualReasons are those on which the alert of a job fires unless it says otherwise.
var usualReasons = []Reason{ReasonFailed, ReasonTimedOut, ReasonLost, ReasonMissed}

// jobAlertKeys are the keys of the alert of a job.
func (r *reader) jobAlertKeys(a *JobAlert) grammar.Keys {
	return append(jobReasonKeys(a), r.tellKeys(&a.Severity, &a.Repeat, &a.Notify)...)
}

// jobReasonKeys are the keys about what a job alerts of.
func jobReasonKeys(a *JobAlert) grammar.Keys {
	return grammar.Keys{
		grammar.Func("on",
			"what the alert of a job fires on: `failed`, `timed_out`, `lost`, `missed`, `warned`, `slow`, or a list of them. A run "+
				"that succeeds ends the alert, one that is cancelled changes nothing",
			reasonsShape, func(v *grammar.Node) { a.On = readReasons(v) }).
			Also("when if events reasons").Default("[failed, timed_out, lost, missed]"),
		grammar.Duration("slow_after",
			"how long a run of a job may be at work before that is `slow`, which `on` then includes unless it is written",
			&a.SlowAfter).Also("slow deadline max_duration"),
	}
}

var reasonsShape = grammar.Either(grammar.WordsAlone(reasons), grammar.Shape{
	"type": "array", "minItems": 1, "uniqueItems": true, "items": grammar.Words(reasons),
})

func readReasons(n *grammar.Node) (all []Reason) {
	for _, e := range n.OneOrMore("on", "[failed, timed_out]") {
		switch reason := Reason(e.OneOf("on", reasons)); {
		case reason == "":
		case slices.Contains(all, reason):
			e.Twice("on", string(reason))
		default:
			all = append(all, reason)
		}
	}
	return all
}

// jobAlertOf completes the alert of the job j, whose keys are in n, by the defaults. A has what was read.
func (r *reader) jobAlertOf(j *Job, a *JobAlert, n *grammar.Node, where string) {
	own := n.Get("alert")
	switch {
	case own != nil && !own.IsMapping(): // none, or a problem
		return
	case own == nil && !r.alerts.given:
		return
	}
	ownOn, ownSlow := own.Get("on"), own.Get("slow_after")
	if own != nil {
		checkSome(own, "alert of "+where, r.jobAlertKeys(&JobAlert{}), "on: [failed, timed_out], or notify: ops")
		checkRepeat(own, a.Repeat)
		if slices.Contains(a.On, ReasonMissed) && ownOn != nil && ownOn.IsGood() && n.Lacks("at") {
			r.missed = append(r.missed, missedDraft{j, ownOn})
		}
		if slices.Contains(a.On, ReasonWarned) && ownOn != nil && ownOn.IsGood() && n.Lacks("warn_codes") {
			ownOn.Problem("on has warned, and no exit code of the job is a warning", "add warn_codes: 1, or remove warned")
		}
		if ownSlow != nil && a.SlowAfter >= j.Timeout && j.Timeout > 0 && n.IsGood() {
			ownSlow.Problem("slow_after is not below timeout, which ends the run",
				"make it shorter, or write a longer timeout than 15m, which it is unless set")
		}
		if ownOn != nil || ownSlow != nil {
			checkSlow(own, a, ownOn != nil || r.alerts.onSet)
		}
	}
	a.complete(ownOn != nil || r.alerts.onSet)
	j.Alert = a
}

// A missedDraft is an alert on missed starts of a job without a timetable.
type missedDraft struct {
	of *Job
	at *grammar.Node
}

// checkMissed checks that jobs with such alerts follow others, now that all have been read.
func (r *reader) checkMissed() {
	for _, d := range r.missed {
		if !slices.ContainsFunc(r.nexts, func(next nextDraft) bool { return next.job.Value() == d.of.Name }) {
			d.at.Problem("on has missed, and the job never starts by itself", "add at, or remove missed")
		}
	}
}

// checkSlow checks that on and slow_after of the alert n match. OnSet tells whether on is written somewhere.
func checkSlow(n *grammar.Node, a *JobAlert, onSet bool) {
	on, slow := n.Get("on"), n.Get("slow_after")
	has := slices.Contains(a.On, ReasonSlow)
	switch {
	case !n.IsGood():
	case has && a.SlowAfter == 0:
		on.Problem("on has slow, and nothing says what that is", "add slow_after: 10m, or remove slow")
	case slow != nil && onSet && !has:
		slow.Problem("slow_after without slow in on has no effect", "add slow to on, or remove slow_after")
	}
}

// complete makes On and SlowAfter of an alert match. OnSet tells whether On is written in the file.
func (a *JobAlert) complete(onSet bool) {
	has := slices.Contains(a.On, ReasonSlow)
	switch {
	case has:
	case a.SlowAfter > 0 && !onSet:
		a.On = append(slices.Clone(a.On), ReasonSlow)
	default:
		a.SlowAfter = 0
	}
}
