package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/wire"
)

// A Store keeps records by keys: one for each subject whose alert is not clear, or of which a receiver is still to be told,
// by the key of the subject, one for each job with an alert that has run, and one for each silence.
type Store interface {
	// Each calls f for each record.
	Each(ctx context.Context, f func(key string, record []byte)) error
	// Keep replaces the record of a key; nil removes it. It does not block. With atOnce it is on disk as soon as the
	// disk takes it.
	Keep(key string, record []byte, atOnce bool)
	// Kept waits until all that Keep was given before is on disk. It does not wait for long for a disk that fails.
	Kept(ctx context.Context) error
}

// A record is what is kept of an alert. It has what receivers are told, not how: that may have secrets, and is made of the
// configuration when they are called.
type record struct {
	Alert    *wire.Alert    `json:"alert,omitempty"`    // nil: clear
	Clearing *time.Time     `json:"clearing,omitempty"` // while firing: since when it may be over
	Polls    int            `json:"polls,omitempty"`    // while pending: on how many polls it held
	If       string         `json:"if,omitempty"`       // the conditions by which it is in that state
	Clear    string         `json:"clear,omitempty"`
	Title    string         `json:"title,omitempty"` // of the subject
	Section  string         `json:"section,omitempty"`
	Upstream string         `json:"upstream,omitempty"`
	Episode  string         `json:"episode,omitempty"`  // while firing
	Items    []*notify.Item `json:"items,omitempty"`    // what notices refer to; while firing the first is how it began
	Ended    *notify.Item   `json:"ended,omitempty"`    // how the last episode was at its end
	Outboxes []keptOutbox   `json:"outboxes,omitempty"` // in the order of their receivers
	Seen     *seen          `json:"seen,omitempty"`     // of a job
}

// A keptOutbox is an [outbox] in a record.
type keptOutbox struct {
	Receiver string       `json:"receiver"`
	Told     *keptKnown   `json:"told,omitempty"`
	Notices  []keptNotice `json:"notices,omitempty"`
	At       *time.Time   `json:"at,omitempty"`       // of the outcome
	GivenUp  string       `json:"given_up,omitempty"` // why
}

// A keptKnown is a [known] in a record.
type keptKnown struct {
	Episode string    `json:"episode"`
	Reason  string    `json:"reason,omitempty"`
	Group   string    `json:"group,omitempty"` // empty: that of the subject
	At      time.Time `json:"at"`
	Repeats int       `json:"repeats,omitempty"`
}

// A keptNotice is a [notice] in a record.
type keptNotice struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Again   string    `json:"again,omitempty"`
	Episode string    `json:"episode"`
	Item    int       `json:"item"` // of Items
	Earlier int       `json:"earlier,omitempty"`
	First   time.Time `json:"first"`
	At      time.Time `json:"at"`
	Batch   string    `json:"batch,omitempty"` // the ID of the message with which it was tried; empty: it was not
	Group   string    `json:"group,omitempty"` // of that message
}

// parseRecord reads what is kept of an alert. Another process, or whoever may write to its store, has made it.
func parseRecord(data []byte) (r record, err error) {
	err = json.Unmarshal(data, &r)
	switch {
	case err != nil:
	case r.Alert != nil && r.Alert.Since == nil:
		err = errors.New("an alert that does not say since when it is so")
	case slices.Contains(r.Items, nil):
		err = errors.New("an alert that refers to nothing")
	}
	if err != nil {
		return record{}, fmt.Errorf("alert: no record of one: %w", err)
	}
	return r, nil
}

// parseSilence reads the record of a silence.
func parseSilence(key string, data []byte) (*wire.Silence, error) {
	one := new(wire.Silence)
	err := json.Unmarshal(data, one)
	if err == nil && key != silenceKey+one.ID {
		err = errors.New("it has another key")
	}
	if err != nil {
		return nil, fmt.Errorf("alert: no silence: %w", err)
	}
	return one, nil
}

// CheckRecord returns why a record in a [Store] is none of this package, nil if it is.
func CheckRecord(key string, data []byte) error {
	if strings.HasPrefix(key, silenceKey) {
		_, err := parseSilence(key, data)
		return err
	}
	_, err := parseRecord(data)
	return err
}

// A keeper knows what is kept.
type keeper struct {
	store Store
	kept  map[string]string // the records of alerts, by key
	left  map[string]record // those of the process before whose subject has not asked for them
}

// Restore has what must outlive the process be kept in a store, and takes up what the process before has left there: each
// [Monitor.Resume] goes on with its state, its messages are delivered, and silences last. It must be called before anything
// else. The error is that of the store.
func (s *Service) Restore(ctx context.Context, in Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &keeper{store: in, kept: map[string]string{}, left: map[string]record{}}
	err := in.Each(ctx, func(key string, data []byte) {
		if strings.HasPrefix(key, silenceKey) {
			if one, err := parseSilence(key, data); err == nil {
				s.silences[one.ID] = one
			}
			return
		}
		if r, err := parseRecord(data); err == nil {
			k.left[key] = r
		} // else it is replaced with the first change, or forgotten
		k.kept[key] = string(data)
	})
	if err != nil {
		return fmt.Errorf("alert: read what is kept: %w", err)
	}
	s.keeper = k
	s.inEffect = inEffect(s.silencesLocked(), s.deps.Clock.Wall())
	return nil
}

// Forget drops what the process before has left of subjects that have not asked for it: their alerts are over. It is called
// when all that are configured have begun.
func (s *Service) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeper == nil {
		return
	}
	for key := range maps.Clone(s.keeper.left) {
		s.forgetLocked(key)
	}
	for key := range maps.Clone(s.keeper.kept) {
		if e := s.entries[key]; e != nil {
			s.saveLocked(e, false)
		} else {
			s.keepLocked(key, nil, false)
		}
	}
	s.applySilencesLocked()
}

// forgetLocked ends the alert of a subject that is not configured any more, as it was left.
func (s *Service) forgetLocked(key string) {
	e := s.entryLocked(Subject{Key: key, Name: nameOf(key)})
	r, _ := s.takeLeftLocked(e)
	e.subject.Title, e.subject.Section, e.subject.Upstream = r.Title, r.Section, r.Upstream
	s.resumeLocked(e, r, statusOf(r.Alert))
	s.endLocked(e, nil, removed)
}

// nameOf is the name of a source or a job.
func nameOf(key string) string {
	_, name, _ := strings.Cut(key, "/")
	return name
}

// saveLocked has the record of an alert be what it is now.
func (s *Service) saveLocked(e *entry, atOnce bool) {
	if s.keeper == nil {
		return
	}
	if _, waits := s.keeper.left[e.subject.Key]; waits {
		return // it has not begun
	}
	s.keepLocked(e.subject.Key, s.recordLocked(e), atOnce)
}

func (s *Service) keepLocked(key string, data []byte, atOnce bool) {
	k := s.keeper
	if k.kept[key] == string(data) {
		return
	}
	if data == nil {
		delete(k.kept, key)
	} else {
		k.kept[key] = string(data)
	}
	k.store.Keep(key, data, atOnce)
}

// recordLocked returns what is to be kept of an alert, nil if that is nothing.
func (s *Service) recordLocked(e *entry) []byte {
	if e.status == nil && len(e.outboxes) == 0 && (e.seen.Run == "" || e.owner == nil) {
		return nil
	}
	r := record{Alert: e.shown, Title: e.subject.Title, Section: e.subject.Section, Upstream: e.subject.Upstream}
	if m, ok := e.owner.(*Monitor); ok && e.status != nil {
		r.If, r.Clear, r.Polls = textOf(m.alert.If), textOf(m.alert.Clear), m.state.polls
		r.Clearing = s.deps.Clock.People(m.state.clearing)
	}
	if r.Ended = e.ended; e.seen.Run != "" {
		r.Seen = &e.seen
	}
	number := func(item *notify.Item) int {
		if i := slices.Index(r.Items, item); i >= 0 {
			return i
		}
		r.Items = append(r.Items, item)
		return len(r.Items) - 1
	}
	if e.episode != nil {
		r.Episode = e.episode.id
		number(e.episode.item)
	}
	at := func(t time.Time) time.Time { return *s.deps.Clock.People(t) }
	for _, to := range slices.Sorted(maps.Keys(e.outboxes)) {
		box := e.outboxes[to]
		kept := keptOutbox{Receiver: to, At: s.deps.Clock.People(box.last.at)}
		if box.last.givenUp {
			kept.GivenUp = box.last.err
		}
		if k := box.told; k != nil {
			kept.Told = &keptKnown{Episode: k.episode, Reason: k.reason, Group: k.group, At: at(k.at), Repeats: k.repeats}
		}
		for _, n := range box.queue {
			one := keptNotice{
				ID: n.id, State: n.state, Again: n.again, Episode: n.episode, Item: number(n.item), Earlier: n.earlier,
				First: at(n.first), At: at(n.at),
			}
			if n.batch != nil {
				one.Batch, one.Group = n.batch.id, n.batch.group
			}
			kept.Notices = append(kept.Notices, one)
		}
		r.Outboxes = append(r.Outboxes, kept)
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

// takeLeftLocked takes what the process before has left of an alert.
func (s *Service) takeLeftLocked(e *entry) (record, bool) {
	if s.keeper == nil {
		return record{}, false
	}
	if shared := s.keeper.shared(); shared != nil {
		r, err := parseRecord(shared.Left(e.subject.Key))
		return r, err == nil
	}
	r, ok := s.keeper.left[e.subject.Key]
	delete(s.keeper.left, e.subject.Key)
	return r, ok
}

// resumeLocked has an alert go on where the process before was, as far as the record tells, and then be as is says.
func (s *Service) resumeLocked(e *entry, r record, is *status) {
	if r.Seen != nil {
		e.seen = *r.Seen
	}
	if e.status = statusOf(r.Alert); r.Alert != nil {
		e.acked = r.Alert.Acknowledged
	}
	if e.ended = r.Ended; r.Episode != "" && len(r.Items) > 0 {
		e.episode, e.last = &episode{id: r.Episode, item: r.Items[0]}, r.Episode
		e.reading = Reading{Value: r.Items[0].Value, Error: r.Items[0].Error}
	}
	for _, kept := range r.Outboxes {
		s.resumeOutboxLocked(e, kept, r.Items)
	}
	var was *wire.Silenced
	if r.Alert != nil {
		was = r.Alert.Silenced
	}
	s.setStatusLocked(e, is)
	if was != nil && e.silenced == nil {
		s.reconcileLocked(e, true)
		s.saveLocked(e, false)
	}
}

func (s *Service) resumeOutboxLocked(e *entry, kept keptOutbox, items []*notify.Item) {
	r := s.receivers[kept.Receiver]
	if r == nil {
		if len(kept.Notices) > 0 {
			s.deps.Log.Warn("alert not told: the receiver is not configured any more", "receiver", kept.Receiver, e.attr())
		}
		return
	}
	box := &outbox{entry: e, to: kept.Receiver}
	if k := kept.Told; k != nil {
		box.told = &known{episode: k.Episode, reason: k.Reason, group: k.Group, at: s.monotonic(k.At), repeats: k.Repeats}
	}
	if kept.At != nil {
		box.last = outcome{at: s.monotonic(*kept.At), givenUp: kept.GivenUp != "", err: kept.GivenUp}
	}
	for i, n := range kept.Notices {
		if n.Item < 0 || n.Item >= len(items) {
			continue // no record of ours
		}
		one := &notice{
			id: n.ID, state: n.State, again: n.Again, episode: n.Episode, item: items[n.Item], earlier: n.Earlier,
			at: s.monotonic(n.At), first: s.monotonic(n.First),
		}
		if n.Batch != "" && i == 0 {
			one.batch = r.batchLocked(n, s.deps.Clock.Now())
			one.batch.members = append(one.batch.members, box)
		}
		box.queue = append(box.queue, one)
	}
	e.outboxes[kept.Receiver] = box
}

// batchLocked returns the message that the process before has tried.
func (r *receiver) batchLocked(n keptNotice, now time.Time) *batch {
	if i := slices.IndexFunc(r.batches, func(b *batch) bool { return b.id == n.Batch }); i >= 0 {
		return r.batches[i]
	}
	b := &batch{id: n.Batch, state: n.State, again: n.Again, group: n.Group, at: now}
	r.batches = append(r.batches, b)
	return b
}

// endLocked ends an alert for good, unless owner does not define it any more.
func (s *Service) endLocked(e *entry, owner any, why string) {
	if e == nil || owner != nil && e.owner != owner {
		return
	}
	e.owner, e.changed, e.notify = nil, nil, nil
	s.joinLocked(e, "")
	e.reading.Error = &why
	s.setStatusLocked(e, nil)
}

// monotonic returns the reading of the monotonic clock at a time of the wall clock, now if that is in the future.
func (s *Service) monotonic(at time.Time) time.Time {
	now := s.deps.Clock.Now()
	return now.Add(-max(0, s.deps.Clock.Wall().Sub(at)))
}
