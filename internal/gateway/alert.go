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
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// An alertState is an alert that is not clear; nil is one that is, or none.
type alertState struct {
	wire.Alert

	began    time.Time // Since by the monotonic clock
	clearing time.Time // while firing: since when it may be over; zero: it may not
}

func (a *alertState) firing() bool { return a != nil && a.State == wire.AlertFiring }
func (a *alertState) failed() bool { return a != nil && a.Error != nil }

// shown is the alert as a snapshot has it.
func (a *alertState) shown() *wire.Alert {
	if a == nil {
		return nil
	}
	return &a.Alert
}

// sameAlert reports whether nothing that is shown has changed from b to a.
func sameAlert(a, b *wire.Alert) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.State == b.State && a.Since.Equal(*b.Since) && (a.Error == nil) == (b.Error == nil) && (a.Error == nil || *a.Error == *b.Error)
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
		after := alertState{Alert: wire.Alert{State: wire.AlertUnknown, Since: c.People(now)}, began: now}
		if before != nil {
			after = *before // what is unknown is not clear
		}
		after.Error, after.clearing = &text, time.Time{}
		return &after
	case !v.holds && !before.firing():
		return nil
	case !v.holds:
		after := alertState{Alert: wire.Alert{State: wire.AlertFiring, Since: before.Since}, began: before.began}
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
	case before == nil || before.State == wire.AlertUnknown:
		before = &alertState{Alert: wire.Alert{State: wire.AlertPending, Since: c.People(now)}, began: now}
	}
	after := alertState{Alert: wire.Alert{State: before.State, Since: before.Since}, began: before.began}
	if now.Sub(after.began) >= a.For {
		after.State = wire.AlertFiring
	}
	return &after
}

// awaitAlert has the alert of s looked at when its time is over, of what its conditions have
// held. The hook of a time that was set before does nothing.
func (s *poller) awaitAlert(scheduler interface{ Schedule(any, time.Duration) }) {
	switch is := s.alert; {
	case is == nil:
	case is.State == wire.AlertPending:
		scheduler.Schedule(alertKey(s.key), max(0, s.Alert.For-s.clock.Now().Sub(is.began)))
	case !is.clearing.IsZero():
		scheduler.Schedule(alertKey(s.key), max(0, s.Alert.ClearFor-s.clock.Now().Sub(is.clearing)))
	}
}

// inherited is the alert of s after a change of its source, until the next poll decides: that
// of before, unless it is pending by another condition.
func (s *poller) inherited(before *poller) *alertState {
	is := before.alert
	if s.Alert == nil || is == nil || is.State == wire.AlertPending && !config.Same(s.Alert.If, before.Alert.If) {
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
func (g *gateway) alert(internal *smartpoll.Internal, s *poller, after *wire.Source, v verdict) {
	a, before := s.Alert, s.alert
	switch {
	case a == nil:
		after.Alert = nil
		return
	case a.If == nil:
		v.holds = after.State == wire.SourceStale || after.State == wire.SourceFailing
		v.over = !v.holds
	case after.State != wire.SourceOK:
		return
	}
	s.alert = alertAfter(g.clock, before, a, v)
	after.Alert = s.alert.shown()
	s.awaitAlert(internal)
	if s.alert.failed() && !before.failed() {
		g.log.Warn("alert condition failed", "source", s.Name, "err", cmp.Or(v.err, v.unclear))
	}
	switch is, was := s.alert.firing(), before.firing(); {
	case is && !was:
		g.log.Warn("alert firing", "source", s.Name)
		g.tell(internal, s, messageFiring, after, s.alert.Since)
	case was && !is:
		g.log.Info("alert resolved", "source", s.Name)
		g.tell(internal, s, messageResolved, after, before.Since)
	}
}

// tell has the people hear of an alert that its source names.
func (g *gateway) tell(internal *smartpoll.Internal, s *poller, state string, snap *wire.Source, since *time.Time) {
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
		is := s.alert
		if is == nil || is.Error != nil || is.State != wire.AlertPending && is.clearing.IsZero() {
			return nil
		}
		after := s.published
		pending := is.State == wire.AlertPending
		g.alert(internal, s, &after, verdict{holds: pending, over: !pending})
		if after.Alert == nil || after.Alert.State != is.State {
			s.put(after)
			s.notify(internal)
		}
		return nil
	}
}
