package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// An event is a line of the log of a [world].
type event struct {
	at   time.Time
	what string // notify.Firing, notify.Resolved, "call", "acknowledged", "silenced", "restart", "lost", "dropped" or "unwanted"
	key  string // of the alert
	to   string // the receiver, of a call, "dropped" and "unwanted"

	silenced bool     // of a change or a call: whether the alert was
	wanted   []string // of firing: who is to be told

	id, state, again string // of a call: what the message said of the alert
	earlier          int
	fires            bool // of "lost": whether it fires in the process that follows, and is acknowledged
	acknowledged     bool
	got, failed      bool // of a call: whether the receiver got it, and whether it said that it did not
}

func describe(log []event) string {
	var lines []string
	for _, h := range log {
		line := fmt.Sprintf("%v %s %s", h.at.Sub(epoch), h.what, h.key)
		if h.what == "call" {
			line += fmt.Sprintf(" to %s: %s %s %s earlier %d got %v failed %v", h.to, h.id, h.state, h.again, h.earlier, h.got, h.failed)
		} else if h.to != "" {
			line += " " + h.to
		}
		if h.silenced {
			line += " (silenced)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// A reckoning is what is known of one alert and one receiver as a log is read.
type reckoning struct {
	fires  bool            // as far as the receiver knows
	maybe  map[string]bool // the states of messages that it did not get, since it got one
	seen   map[string]bool // the messages that it got
	tried  map[string]bool // those that were tried
	last   string          // the message that was tried last
	repeat bool            // that may be tried again: it failed, or the process began anew
	untold int             // episodes of which nothing was heard yet
}

// check returns what is wrong with a log, given who is to be told of an alert at the end.
func check(log []event, wanted func(key string) []string) (faults []string) {
	all := map[string]*reckoning{}
	of := func(key, to string) *reckoning {
		r := all[key+" "+to]
		if r == nil {
			r = &reckoning{maybe: map[string]bool{}, seen: map[string]bool{}, tried: map[string]bool{}}
			all[key+" "+to] = r
		}
		return r
	}
	fires, acknowledged := map[string]bool{}, map[string]bool{}
	for _, h := range log {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%v %s to %s: ", h.at.Sub(epoch), h.key, h.to)+fmt.Sprintf(format, args...))
		}
		switch h.what {
		case notify.Firing:
			if fires[h.key] {
				break // for another reason
			}
			fires[h.key], acknowledged[h.key] = true, false
			for _, to := range h.wanted {
				if !h.silenced {
					of(h.key, to).untold++
				}
			}
		case notify.Resolved:
			fires[h.key] = false
		case "acknowledged":
			acknowledged[h.key] = true
		case "silenced":
			for name, r := range all {
				if strings.HasPrefix(name, h.key+" ") {
					r.untold = 0
				}
			}
		case "unwanted":
			of(h.key, h.to).untold = 0
		case "lost":
			fires[h.key], acknowledged[h.key] = h.fires, h.acknowledged
			for name, r := range all {
				if strings.HasPrefix(name, h.key+" ") {
					r.untold = 0
				}
			}
		case "restart":
			for _, r := range all {
				r.repeat = true
			}
		case "dropped":
			for name := range all {
				if strings.HasSuffix(name, " "+h.to) {
					delete(all, name)
				}
			}
		case "call":
			of(h.key, h.to).call(h, fires[h.key], acknowledged[h.key], fault)
		}
	}
	for name, r := range all {
		key, to, _ := strings.Cut(name, " ")
		isWanted := slices.Contains(wanted(key), to)
		if r.untold > 0 && isWanted {
			faults = append(faults, fmt.Sprintf("%s: %d times it fired, and nobody was told", name, r.untold))
		}
		if len(r.maybe) == 0 && r.fires != fires[key] && (isWanted || r.fires) {
			faults = append(faults, fmt.Sprintf("%s: it fires: %v, the receiver knows: %v", name, fires[key], r.fires))
		}
	}
	slices.Sort(faults)
	return faults
}

// call reckons with a call, given how the alert is.
func (r *reckoning) call(h event, fires, acknowledged bool, fault func(string, ...any)) {
	if h.silenced {
		fault("it is told while it is silenced")
	}
	first := !r.tried[h.id]
	switch {
	case !first && h.id != r.last:
		fault("message %s is tried again after another one", h.id)
	case !first && !r.repeat:
		fault("message %s is tried again although it was told", h.id)
	case first && h.again == notify.Repeat && (!fires || acknowledged):
		fault("it is repeated: fires %v, acknowledged %v", fires, acknowledged)
	}
	r.tried[h.id], r.last, r.repeat = true, h.id, h.failed
	if first {
		told := h.earlier
		if h.state == notify.Firing && h.again == "" {
			told++
		}
		r.untold = max(0, r.untold-told)
	}
	if !h.got {
		r.maybe[h.state] = true
		return
	}
	if r.seen[h.id] {
		return
	}
	r.seen[h.id] = true
	is := h.state == notify.Firing
	if is == r.fires && (!is || h.again == "") && !r.maybe[map[bool]string{true: notify.Resolved, false: notify.Firing}[is]] {
		fault("it is told %s, and knows that already", h.state)
	}
	r.fires = is
	clear(r.maybe)
}

// The checker finds what is wrong.
func TestTheCheckerFindsFaults(t *testing.T) {
	const ops = "ops"
	fired := event{what: "firing", key: "source/a", wanted: []string{ops}}
	over := event{what: "resolved", key: "source/a"}
	call := func(id, state string) event {
		return event{what: "call", key: "source/a", to: ops, id: id, state: state, got: true}
	}
	with := func(h event, change func(*event)) event { change(&h); return h }
	failed := func(h *event) { h.failed = true }
	lost := func(h *event) { h.failed, h.got = true, false }
	repeat := func(h *event) { h.again = "repeat" }
	silenced := func(h *event) { h.silenced = true }
	for _, tt := range []struct {
		name string
		log  []event
		want string // part of the one fault; empty: there is none
	}{
		{"firing and resolved", []event{fired, call("1", "firing"), over, call("2", "resolved")}, ""},
		{"firing is never told", []event{fired, over}, "nobody was told"},
		{"resolved is never told", []event{fired, call("1", "firing"), over}, "it fires: false, the receiver knows: true"},
		{"firing twice", []event{fired, call("1", "firing"), call("2", "firing")}, "knows that already"},
		{"firing again, with a reason", []event{fired, call("1", "firing"), with(call("2", "firing"), repeat)}, ""},
		{"resolved twice", []event{fired, call("1", "firing"), over, call("2", "resolved"), call("3", "resolved")}, "knows that already"},
		{"resolved before firing", []event{fired, over, call("2", "resolved"), call("1", "firing")}, "told resolved, and knows"},
		{"the same message after a failure", []event{fired, with(call("1", "firing"), failed), call("1", "firing")}, ""},
		{"the same message after a restart", []event{fired, call("1", "firing"), {what: "restart"}, call("1", "firing")}, ""},
		{"the same message after a success", []event{fired, call("1", "firing"), call("1", "firing")}, "although it was told"},
		{"the same message late", []event{fired, with(call("1", "firing"), failed), over, call("2", "resolved"), with(call("1", "firing"), func(h *event) {})}, "after another one"},
		{"a message that is given up", []event{fired, with(call("1", "firing"), lost), over, call("2", "resolved")}, ""},
		{"a repetition after the end", []event{fired, call("1", "firing"), over, with(call("2", "firing"), repeat), call("3", "resolved")}, "it is repeated"},
		{"a repetition after the acknowledgement", []event{fired, call("1", "firing"), {what: "acknowledged", key: "source/a"}, with(call("2", "firing"), repeat)}, "it is repeated"},
		{"while it is silenced", []event{fired, with(call("1", "firing"), silenced)}, "while it is silenced"},
		{"a silence before it can be told", []event{fired, {what: "silenced", key: "source/a"}, over}, ""},
		{"it fires while it is silenced", []event{with(fired, silenced), over}, ""},
		{"counted", []event{fired, over, fired, with(call("1", "firing"), func(h *event) { h.earlier = 1 })}, ""},
		{"not counted", []event{fired, over, fired, call("1", "firing")}, "nobody was told"},
		{"the receiver is dropped", []event{fired, call("1", "firing"), {what: "dropped", to: ops}, over}, ""},
	} {
		faults := check(tt.log, func(string) []string { return []string{ops} })
		switch {
		case tt.want == "" && len(faults) > 0, tt.want != "" && len(faults) == 0, len(faults) > 0 && !strings.Contains(strings.Join(faults, "\n"), tt.want):
			t.Errorf("%s: the faults are %q, want %q", tt.name, faults, tt.want)
		}
	}
}
