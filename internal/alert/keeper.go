package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/wire"
)

// A Store keeps one record for each source whose alert is not clear, or of which a webhook is still to be told, by the key
// of the source.
type Store interface {
	// Each calls f for each record.
	Each(ctx context.Context, f func(key string, record []byte)) error
	// Keep replaces the record of a key; nil removes it. It does not block. With atOnce it is on disk as soon as the
	// disk takes it.
	Keep(key string, record []byte, atOnce bool)
}

// A record is what is kept of the alert of a source. It has messages, not calls: what a webhook is called with, which may
// have secrets, is made of the configuration when it is called.
type record struct {
	*wire.Alert            // nil: clear
	Clearing    *time.Time `json:"clearing,omitempty"` // while firing: since when it may be over
	If          string     `json:"if,omitempty"`       // the conditions by which it is in that state
	Clear       string     `json:"clear,omitempty"`
	Knows       []string   `json:"knows,omitempty"` // the webhooks that know, or may know, that it fires
	Owed        []owed     `json:"owed,omitempty"`  // in this order
}

// An owed message is one that is to be delivered.
type owed struct {
	To      string  `json:"to"` // a webhook
	Message Message `json:"message"`
}

// A keeper knows what is kept.
type keeper struct {
	store    Store
	kept     map[string]string   // the records, by source
	left     map[string]record   // those of the process before whose source has not asked for them
	monitors map[string]*Monitor // those at work that may have a state, by source
}

// Restore has what must outlive the process be kept in a store, and takes up what the process before has left there: each
// [Monitor.Resume] goes on with its state, and its messages are delivered. It must be called before anything else. The
// error is that of the store.
func (s *Service) Restore(ctx context.Context, in Store) error {
	k := &keeper{store: in, kept: map[string]string{}, left: map[string]record{}, monitors: map[string]*Monitor{}}
	err := in.Each(ctx, func(key string, data []byte) {
		source, ok := strings.CutPrefix(key, wire.SourceKey(""))
		if !ok {
			return
		}
		var r record
		if json.Unmarshal(data, &r) == nil { // else it is replaced with the first change, or forgotten
			k.left[source] = r
		}
		k.kept[source] = string(data)
	})
	if err != nil {
		return fmt.Errorf("alert: read what is kept: %w", err)
	}
	s.keeper = k
	return nil
}

// Forget drops what the process before has left of sources that have not asked for it. It is called when all that are
// configured have begun.
func (s *Service) Forget() {
	if s.keeper == nil {
		return
	}
	clear(s.keeper.left)
	for _, source := range slices.Collect(maps.Keys(s.keeper.kept)) {
		s.save(source, false)
	}
}

// save has the record of a source be what it is now.
func (s *Service) save(source string, atOnce bool) {
	k := s.keeper
	if k == nil {
		return
	}
	if _, waits := k.left[source]; waits {
		return // it has not begun
	}
	data := s.record(source)
	if k.kept[source] == string(data) {
		return
	}
	if data == nil {
		delete(k.kept, source)
	} else {
		k.kept[source] = string(data)
	}
	k.store.Keep(wire.SourceKey(source), data, atOnce)
}

// record returns what is to be kept of a source, nil if that is nothing.
func (s *Service) record(source string) []byte {
	var r record
	if m := s.keeper.monitors[source]; m != nil && m.state != nil {
		now := m.state.Alert
		r.Alert = &now
		r.If, r.Clear = textOf(m.alert.If), textOf(m.alert.Clear)
		if !m.state.clearing.IsZero() {
			r.Clearing = s.deps.Clock.People(m.state.clearing)
		}
	}
	for about := range s.fires {
		if about.source == source {
			r.Knows = append(r.Knows, about.webhook)
		}
	}
	slices.Sort(r.Knows)
	for _, name := range slices.Sorted(maps.Keys(s.boxes)) {
		for _, i := range s.boxes[name].items() {
			if i.source == source {
				r.Owed = append(r.Owed, owed{i.to.Name, i.message})
			}
		}
	}
	if r.Alert == nil && r.Knows == nil && r.Owed == nil {
		return nil
	}
	data, _ := json.Marshal(r) // texts, times and what was JSON encode
	return data
}

func textOf(condition *jq.Program) string {
	if condition == nil {
		return ""
	}
	return condition.String()
}

// Resume has m, the monitor of a source that is new in this process, go on where the process before it was, until the next
// value decides: an alert that is pending or fires does so since then, and is not told again; what was not told is. A
// pending alert whose condition is another one now is clear. It is called by a hook, or before the scheduler runs.
func (m *Monitor) Resume() {
	if m == nil || m.service.keeper == nil {
		return
	}
	s, name := m.service, m.subject.Name
	s.keeper.monitors[name] = m
	r, ok := s.keeper.left[name]
	if !ok {
		return
	}
	delete(s.keeper.left, name)
	sameIf := r.If == textOf(m.alert.If)
	if r.Alert != nil && r.Since != nil && (sameIf || r.State != wire.AlertPending) {
		m.state = &state{Alert: *r.Alert, began: s.monotonic(*r.Since), resumed: true}
		m.state.Severity = wire.SeverityWarning
		if r.Clearing != nil && sameIf && r.Clear == textOf(m.alert.Clear) {
			m.state.clearing = s.monotonic(*r.Clearing)
		}
	}
	for _, webhook := range r.Knows {
		s.fires[alarm{webhook, name}] = true
	}
	for _, o := range r.Owed {
		i := slices.IndexFunc(m.alert.Notify, func(to *config.Notify) bool { return to.Name == o.To })
		if i < 0 {
			s.deps.Log.Warn("webhook not called: it is not configured any more", "webhook", o.To, "source", name)
			continue
		}
		if o.Message.State == Firing {
			s.fires[alarm{o.To, name}] = true // the call may have been under way
		}
		o.Message.headline = headlineOf(m.subject.Headline, o.Message.Value)
		s.deliver(m.alert.Notify[i], o.Message)
	}
	s.save(name, false)
}

// End forgets the state of m, whose source is not configured any more, or has no alert any more. What is to be delivered
// is. It is called by a hook.
func (m *Monitor) End() {
	if m == nil || m.service.keeper == nil || m.service.keeper.monitors[m.subject.Name] != m {
		return
	}
	delete(m.service.keeper.monitors, m.subject.Name)
	m.service.save(m.subject.Name, false)
}

// monotonic returns the reading of the monotonic clock at a time of the wall clock, now if that is in the future.
func (s *Service) monotonic(at time.Time) time.Time {
	now := s.deps.Clock.Now()
	return now.Add(-max(0, s.deps.Clock.Wall().Sub(at)))
}

// sameState reports whether two states keep the same.
func sameState(a, b *state) bool {
	if a == nil || b == nil {
		return a == b
	}
	return Same(&a.Alert, &b.Alert) && a.clearing.Equal(b.clearing)
}
