package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/smartpoll"
)

// The states of an alert.
const (
	alertClear   = "clear"   // for metrics: a snapshot has none then
	alertPending = "pending" // its condition holds, but not for long enough yet
	alertFiring  = "firing"  // people were told
	alertUnknown = "unknown" // its condition cannot be evaluated, and held no time before
)

// An alertState is an alert that is not clear.
type alertState struct {
	State string     `json:"state"`
	Since *time.Time `json:"since"`           // when its condition began to hold, or to be unknown
	Error *string    `json:"error,omitempty"` // why its condition could not be evaluated

	began    time.Time // Since by the monotonic clock
	clearing time.Time // while firing: since when it may be over; zero: it may not
}

func (a *alertState) firing() bool { return a != nil && a.State == alertFiring }
func (a *alertState) failed() bool { return a != nil && a.Error != nil }

// equal reports whether nothing has changed from b to a.
func (a *alertState) equal(b *alertState) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.State == b.State && a.Since.Equal(*b.Since) && a.failed() == b.failed() && (a.Error == nil || *a.Error == *b.Error)
}

// alertKey is the key of the task that has a source's alert fire when its condition has
// held for long enough.
type alertKey string

// A verdict is what an alert's condition says of a value.
type verdict struct {
	holds   bool
	err     error // it says neither true nor false
	over    bool  // the condition of the alert's end holds
	unclear error // that says neither
}

// judge evaluates the conditions of an alert on a picked value.
func judge(ctx context.Context, a *config.Alert, value any) (v verdict) {
	if a == nil || a.If == nil {
		return verdict{}
	}
	if v.holds, v.err = truth(ctx, a.If, value); v.err != nil || v.holds {
		return v
	}
	v.over = true
	if a.Clear != nil {
		v.over, v.unclear = truth(ctx, a.Clear, value)
	}
	return v
}

// truth evaluates a condition.
func truth(ctx context.Context, condition *jq.Program, value any) (bool, error) {
	result, err := condition.Run(ctx, value)
	holds, ok := result.(bool)
	if err == nil && !ok {
		result, _ := json.Marshal(result) // what jq gives encodes
		err = fmt.Errorf("%s gives %s, want true or false", condition, text.Cut(text.Words(string(result)), 200))
	}
	return holds, err
}

// alertAfter returns the state after before of an alert, now that its conditions are as v says.
func alertAfter(c *clock.Clock, before *alertState, a *config.Alert, v verdict) *alertState {
	now := c.Now()
	switch {
	case v.err != nil:
		text := "alert: " + v.err.Error()
		after := alertState{State: alertUnknown, Since: c.People(now), began: now}
		if before != nil {
			after = *before // what is unknown is not clear
		}
		after.Error, after.clearing = &text, time.Time{}
		return &after
	case !v.holds && !before.firing():
		return nil
	case !v.holds:
		after := alertState{State: alertFiring, Since: before.Since, began: before.began}
		if v.unclear != nil {
			text := "alert: clear: " + v.unclear.Error()
			after.Error = &text
		}
		if !v.over {
			return &after
		}
		if after.clearing = before.clearing; after.clearing.IsZero() {
			after.clearing = now
		}
		if now.Sub(after.clearing) >= a.ClearFor {
			return nil
		}
		return &after
	case before == nil || before.State == alertUnknown:
		before = &alertState{State: alertPending, Since: c.People(now), began: now}
	}
	after := alertState{State: before.State, Since: before.Since, began: before.began}
	if now.Sub(after.began) >= a.For {
		after.State = alertFiring
	}
	return &after
}

// awaitAlert has the alert of s looked at when its time is over, of what its conditions have
// held. The hook of a time that was set before does nothing.
func (s *poller) awaitAlert(scheduler interface{ Schedule(any, time.Duration) }, is *alertState) {
	switch {
	case is == nil:
	case is.State == alertPending:
		scheduler.Schedule(alertKey(s.key), max(0, s.Alert.For-s.clock.Now().Sub(is.began)))
	case !is.clearing.IsZero():
		scheduler.Schedule(alertKey(s.key), max(0, s.Alert.ClearFor-s.clock.Now().Sub(is.clearing)))
	}
}

// inherited is the alert of s after a change of its source, until the next poll decides: that
// of before, unless it is pending by another condition.
func (s *poller) inherited(before *poller) *alertState {
	is := before.published.Alert
	if s.Alert == nil || is == nil || is.State == alertPending && !config.Same(s.Alert.If, before.Alert.If) {
		return nil
	}
	if kept := *is; !config.Same(s.Alert.If, before.Alert.If) || !config.Same(s.Alert.Clear, before.Alert.Clear) {
		kept.clearing = time.Time{}
		is = &kept
	}
	return is
}

// alert brings the alert of a source to what its snapshot now says, and v of the value if
// that is a new one. A failed poll says nothing about a condition of the value.
func (g *gateway) alert(internal *smartpoll.Internal, s *poller, before sourceSnapshot, after *sourceSnapshot, v verdict) {
	a := s.Alert
	switch {
	case a == nil:
		after.Alert = nil
		return
	case a.If == nil:
		v.holds = after.State == stateStale || after.State == stateFailing
		v.over = !v.holds
	case after.State != stateOK:
		return
	}
	after.Alert = alertAfter(g.clock, before.Alert, a, v)
	s.awaitAlert(internal, after.Alert)
	if after.Alert.failed() && !before.Alert.failed() {
		g.log.Warn("alert condition failed", "source", s.Name, "err", cmp.Or(v.err, v.unclear))
	}
	switch is, was := after.Alert.firing(), before.Alert.firing(); {
	case is && !was:
		g.log.Warn("alert firing", "source", s.Name)
		g.tell(internal, s, messageFiring, after, after.Alert.Since)
	case was && !is:
		g.log.Info("alert resolved", "source", s.Name)
		g.tell(internal, s, messageResolved, after, before.Alert.Since)
	}
}

// tell has the people hear of an alert that its source names.
func (g *gateway) tell(internal *smartpoll.Internal, s *poller, state string, snap *sourceSnapshot, since *time.Time) {
	m := alertMessage{Source: s.Name, Title: s.Title, State: state, Error: snap.Error, Since: since}
	if len(snap.Value) <= maxMessageValue {
		m.Value, m.headline = snap.Value, headlineOf(s.Show, snap.Value)
	}
	for _, to := range s.Alert.Notify {
		g.webhooks.tell(internal, to, m)
	}
}

// headlineOf is the part of a value that the page shows big: the field that show.value
// names or the only one, else all of it.
func headlineOf(show config.Show, value json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return value
	}
	if field, ok := object[show.Value]; ok {
		return field
	}
	if len(object) == 1 {
		for _, field := range object {
			return field
		}
	}
	return value
}

// fire is the hook that has a pending alert fire, or be over, unless it is no more known
// whether its condition holds: then the next value decides.
func (g *gateway) fire(s *poller) smartpoll.TaskHook {
	return func(_ context.Context, internal *smartpoll.Internal) error {
		g.followClock(internal)
		if wait := s.judgeFrom.Sub(g.clock.Now()); wait > 0 {
			internal.Schedule(alertKey(s.key), wait)
			return nil
		}
		before := s.published
		is := before.Alert
		if is == nil || is.Error != nil || is.State != alertPending && is.clearing.IsZero() {
			return nil
		}
		after := before
		pending := is.State == alertPending
		g.alert(internal, s, before, &after, verdict{holds: pending, over: !pending})
		if after.Alert == nil || after.Alert.State != is.State {
			s.put(after)
			s.notify(internal)
		}
		return nil
	}
}
