package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/config"
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

	began time.Time // Since by the monotonic clock
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
	holds bool
	err   error // it says neither true nor false
}

// judge evaluates the condition of an alert on a picked value.
func judge(ctx context.Context, a *config.Alert, value any) (v verdict) {
	if a == nil || a.If == nil {
		return verdict{}
	}
	result, err := a.If.Run(ctx, value)
	switch result := result.(type) {
	case bool:
		v.holds = result
	default:
		v.err = err
		if err == nil {
			text, _ := json.Marshal(result) // what jq gives encodes
			v.err = fmt.Errorf("%s gives %s, want true or false", a.If, shorten(string(text)))
		}
	}
	return v
}

// alertAfter returns the state after before of an alert, now that its condition is as v says.
func (c *clock) alertAfter(before *alertState, a *config.Alert, v verdict) *alertState {
	now := c.now()
	switch {
	case v.err != nil:
		text := "alert: " + v.err.Error()
		after := alertState{State: alertUnknown, Since: c.people(now), began: now}
		if before != nil {
			after = *before // what is unknown is not clear
		}
		after.Error = &text
		return &after
	case !v.holds:
		return nil
	case before == nil || before.State == alertUnknown:
		before = &alertState{State: alertPending, Since: c.people(now), began: now}
	}
	after := alertState{State: before.State, Since: before.Since, began: before.began}
	if now.Sub(after.began) >= a.For {
		after.State = alertFiring
	}
	return &after
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
		v = verdict{holds: after.State == stateStale || after.State == stateFailing}
	case after.State != stateOK:
		return
	}
	after.Alert = g.clock.alertAfter(before.Alert, a, v)
	if after.Alert != nil && after.Alert.State == alertPending { // the hook of a time that was set before does nothing
		internal.Schedule(alertKey(s.key), max(0, a.For-g.clock.now().Sub(after.Alert.began)))
	}
	if after.Alert.failed() && !before.Alert.failed() {
		g.log.Warn("alert condition failed", "source", s.Name, "err", v.err)
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

// fire is the hook that has a pending alert fire, unless it is no more known whether its
// condition holds: then the next value decides.
func (g *gateway) fire(s *poller) smartpoll.TaskHook {
	return func(_ context.Context, internal *smartpoll.Internal) error {
		g.followClock(internal)
		if wait := s.judgeFrom.Sub(g.clock.now()); wait > 0 {
			internal.Schedule(alertKey(s.key), wait)
			return nil
		}
		before := s.published
		if a := before.Alert; a == nil || a.State != alertPending || a.Error != nil {
			return nil
		}
		after := before
		g.alert(internal, s, before, &after, verdict{holds: true})
		if after.Alert != nil && after.Alert.State == alertFiring {
			s.put(after)
			s.notify(internal)
		}
		return nil
	}
}
