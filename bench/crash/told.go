//go:build linux

package main

import (
	"fmt"
	"time"
)

// A told is what one message has told one receiver of one alert.
type told struct {
	at      time.Time
	id      string // of the message
	state   string // firing or resolved
	again   string // why it is told once more that the alert fires; empty: it is not
	earlier int    // how many times it has fired before and was not told of
}

// An account is how often an alert has fired.
type account struct {
	least, most int  // times
	over        bool // it does not fire any more
}

// judge returns what is wrong with all that a receiver was told of one alert, in the order of arrival.
func judge(list []told, truth account) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var newest told
	seen := map[string]string{} // states by id
	fired := 0
	for i, m := range list {
		state, known := seen[m.id]
		seen[m.id] = m.state
		switch {
		case m.state != "firing" && m.state != "resolved":
			say("message %d has the state %q", i, m.state)
		case m.id == "":
			say("message %d has no id", i)
		case known && state != m.state:
			say("message %d says %s under the id of one that said %s", i, m.state, state)
		case known && m.id != newest.id:
			say("message %d, %s, comes again after a newer one", i, m.state)
		case known: // twice, as may be
		case i == 0 && m.state == "resolved":
			say("the first message says resolved")
		case m.state == newest.state && m.again == "":
			say("message %d says %s for the second time, %v after the first, with another id", i, m.state, m.at.Sub(newest.at))
		case m.again != "" && newest.state != "firing":
			say("message %d says again (%s) what fires, but the one before did not", i, m.again)
		default:
			if fired += m.earlier; m.state == "firing" && m.again == "" {
				fired++
			}
		}
		newest = m
	}
	if fired < truth.least || fired > truth.most {
		say("it was told to have fired %d times, want %d to %d", fired, truth.least, truth.most)
	}
	if truth.over && newest.state == "firing" {
		say("it is over, and the last message says firing")
	}
	return wrong
}

// fires returns how often an alert begins to fire whose conditions hold, or do not, in that order.
func fires(holds []bool) (n int) {
	before := false
	for _, now := range holds {
		if now && !before {
			n++
		}
		before = now
	}
	return n
}
