package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/wire"
)

// Alerts returns all alerts that are not clear, of all processes that share the store, the silences, and how the receivers of
// this process are.
func (s *Service) Alerts() wire.Alerts {
	all, readings := s.list()
	for i := range all.Alerts {
		all.Alerts[i].About = readings[i].about()
	}
	all.Alerts = append(all.Alerts, s.elsewhere()...)
	slices.SortFunc(all.Alerts, func(a, b wire.AlertObject) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Source, b.Source))
	})
	for _, o := range all.Alerts {
		sortTold(o.Told)
	}
	return all
}

func sortTold(told []wire.Told) {
	slices.SortFunc(told, func(a, b wire.Told) int { return cmp.Compare(a.To, b.To) })
}

// A newest is the newest reading of an alert, and which member of its value people are shown first.
type newest struct {
	reading  Reading
	headline string
}

// about is why the alert is as it is, in one line for people.
func (n newest) about() string {
	i := notify.Item{Error: n.reading.Error}
	if v := n.reading.Value; len(v) <= notify.MaxValue {
		i.Headline = headlineOf(n.headline, v)
	}
	return i.About()
}

// list returns what Alerts does, but alerts and what they were told in no order, and what alerts are about as their newest
// readings: polls wait for the mutex, so a thousand alerts are neither sorted nor put into words while it is held.
func (s *Service) list() (wire.Alerts, []newest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := wire.Alerts{
		Alerts: make([]wire.AlertObject, 0, len(s.entries)), Silences: s.silencesLocked(), Receivers: []wire.Receiver{},
	}
	readings := make([]newest, 0, len(s.entries))
	for _, e := range s.entries {
		if e.shown != nil {
			readings = append(readings, newest{e.reading, e.subject.Headline})
			all.Alerts = append(all.Alerts, s.objectLocked(e))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.receivers)) {
		r := s.receivers[name]
		one := wire.Receiver{
			Name: name, Kind: r.to.Receiver.Kind(), Waiting: len(r.batches) + r.waitingGroups(),
			FailingSince: s.deps.Clock.People(r.failing), ToldAt: s.deps.Clock.People(r.told),
		}
		if r.err != nil {
			one.Error = new(r.err.Error())
		}
		all.Receivers = append(all.Receivers, one)
	}
	return all, readings
}

// objectLocked is an alert that is not clear for the list, with what it was told in no order.
func (s *Service) objectLocked(e *entry) wire.AlertObject {
	o := wire.AlertObject{
		Key: e.subject.Key, Title: e.subject.Title, Section: e.subject.Section, Upstream: e.subject.Upstream, Alert: *e.shown,
		Told: make([]wire.Told, 0, len(e.outboxes)),
	}
	if name, ok := strings.CutPrefix(e.subject.Key, wire.JobKey("")); ok {
		o.Job = name
	} else {
		o.Source = e.subject.Name
	}
	for to, box := range e.outboxes {
		switch {
		case len(box.queue) > 0:
			told := wire.Told{To: to, State: wire.ToldWaiting}
			if r := s.receivers[to]; box.tried() != nil && r != nil && r.err != nil {
				told.Error = new(r.err.Error())
			}
			o.Told = append(o.Told, told)
		case box.last.givenUp:
			o.Told = append(o.Told, wire.Told{
				To: to, State: wire.ToldGivenUp, At: s.deps.Clock.People(box.last.at), Error: new(box.last.err),
			})
		case !box.last.at.IsZero():
			o.Told = append(o.Told, wire.Told{To: to, State: wire.ToldDone, At: s.deps.Clock.People(box.last.at)})
		}
	}
	return o
}
