package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/wire"
)

// Alerts returns all alerts that are not clear, the silences, and how the receivers are.
func (s *Service) Alerts() wire.Alerts {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := wire.Alerts{Alerts: []wire.AlertObject{}, Silences: s.silencesLocked(), Receivers: []wire.Receiver{}}
	for _, e := range s.entries {
		if e.shown != nil {
			all.Alerts = append(all.Alerts, s.objectLocked(e))
		}
	}
	slices.SortFunc(all.Alerts, func(a, b wire.AlertObject) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Source, b.Source))
	})
	for _, name := range slices.Sorted(maps.Keys(s.receivers)) {
		r := s.receivers[name]
		one := wire.Receiver{
			Name: name, Kind: r.to.Receiver.Kind(), Waiting: len(r.batches) + len(s.waitingLocked(r)),
			FailingSince: s.deps.Clock.People(r.failing), ToldAt: s.deps.Clock.People(r.told),
		}
		if r.err != nil {
			one.Error = new(r.err.Error())
		}
		all.Receivers = append(all.Receivers, one)
	}
	return all
}

// objectLocked is an alert for the list.
func (s *Service) objectLocked(e *entry) wire.AlertObject {
	o := wire.AlertObject{
		Key: e.subject.Key, Title: e.subject.Title, Upstream: e.subject.Upstream, Alert: *e.shown, Told: []wire.Told{},
	}
	if name, ok := strings.CutPrefix(e.subject.Key, wire.JobKey("")); ok {
		o.Job = name
	} else {
		o.Source = e.subject.Name
	}
	for _, to := range slices.Sorted(maps.Keys(e.outboxes)) {
		switch box := e.outboxes[to]; {
		case len(box.queue) > 0:
			told := wire.Told{To: to, State: wire.ToldWaiting}
			if r := s.receivers[to]; box.tried() != nil && r != nil && r.err != nil {
				told.Error = new(r.err.Error())
			}
			o.Told = append(o.Told, told)
		case box.last.at.IsZero():
		case box.last.givenUp:
			o.Told = append(o.Told, wire.Told{
				To: to, State: wire.ToldGivenUp, At: s.deps.Clock.People(box.last.at), Error: new(box.last.err),
			})
		default:
			o.Told = append(o.Told, wire.Told{To: to, State: wire.ToldDone, At: s.deps.Clock.People(box.last.at)})
		}
	}
	return o
}
