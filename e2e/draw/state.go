package main

import (
	"regexp"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A badge is the one thing that is said about a source or a job: a glyph and a colour (by state) and a word.
type badge struct {
	State string // the glyph and the colour
	Word  string
	rank  int // smaller is worse
	needs bool
}

// judge says what a source shows. An alert outranks how the source is, a silence takes it back.
func judge(s fixture.Source) badge {
	a := s.Alert
	switch {
	case a != nil && a.State == "firing" && a.Silence == nil && a.Acked == nil:
		return badge{"alert", "alert", 0, true}
	case s.State == "failing":
		return badge{"failing", "failing", 1, true}
	case s.State == "stale":
		return badge{"stale", "stale", 3, true}
	case a != nil && a.State == "unknown":
		return badge{"unknown", "alert unknown", 4, true}
	case a != nil && a.State == "firing" && a.Silence == nil:
		return badge{"acknowledged", "acknowledged", 5, true}
	case s.Paused != nil:
		return badge{"paused", "paused", 8, false}
	case a != nil && a.State == "firing":
		return badge{"silenced", "silenced", 7, false}
	case a != nil && a.State == "pending":
		return badge{"pending", "alert soon", 6, false}
	case s.State == "pending":
		return badge{"waiting", "first poll", 9, false}
	}
	return badge{"ok", "ok", 10, false}
}

var runWords = map[string]badge{
	"running":    {"running", "running", 9, false},
	"cancelling": {"running", "cancelling", 9, false},
	"queued":     {"queued", "queued", 9, false},
	"succeeded":  {"ok", "succeeded", 10, false},
	"warned":     {"warned", "warned", 8, false},
	"failed":     {"failing", "failed", 2, true},
	"timed_out":  {"timed_out", "timed out", 2, true},
	"lost":       {"lost", "lost", 2, true},
	"cancelled":  {"cancelled", "cancelled", 9, false},
	"":           {"idle", "never ran", 9, false},
}

func judgeJob(j fixture.Job) badge {
	switch {
	case j.LastRun == nil:
		return runWords[""]
	case j.LastRun.Warned:
		return runWords["warned"]
	}
	return runWords[string(j.LastRun.Status)]
}

// cause says why a source is in the state that it shows, before anything about the request.
func cause(s fixture.Source) string {
	a := s.Alert
	switch judge(s).State {
	case "alert", "acknowledged", "silenced":
		return spoken(a.If)
	case "pending":
		return spoken(a.If) + ", alerts in " + lasted(lasts(a.For)-fixture.Now.Sub(*a.Since))
	case "unknown":
		return "Cannot be judged: " + *a.Error
	case "paused":
		return "by " + s.Paused.By + ": " + s.Paused.Reason
	}
	return sentence(s.Cause)
}

func lasts(text string) time.Duration {
	d, _ := time.ParseDuration(strings.NewReplacer(" ", "", "min", "m").Replace(text))
	return d
}

// spoken is a condition as people read it: its fields without points.
func spoken(condition string) string { return fieldPoint.ReplaceAllString(condition, "$1") }

// fieldPoint is the point of a field in an expression, and not the point of a number.
var fieldPoint = regexp.MustCompile(`\.([\pL_])`)

// sentence begins with a capital.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// next says when a source is asked again, and why then.
func next(s fixture.Source) string {
	switch {
	case s.Paused != nil:
		return "not polled"
	case s.Waiting == "not known":
		return ""
	case s.Kind == "from":
		return "computed"
	case s.Kind == "mqtt" || s.Kind == "file" && s.NextAt == nil:
		return "told"
	case s.NextAt == nil:
		return "nobody watches"
	case s.State == "pending":
		return "polling"
	case s.Waiting == "rate limit":
		return "rate limit, again in " + until(*s.NextAt)
	case s.Waiting == "backoff":
		return "again in " + until(*s.NextAt)
	}
	return "next in " + until(*s.NextAt)
}
