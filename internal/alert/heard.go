package alert

import (
	"strings"

	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/wire"
)

// A heard is an alert as the process that has it has kept it. It is not modified.
type heard struct {
	object wire.AlertObject
	item   *notify.Item // how the alert was when it began to fire; nil: it does not
}

// heardAlertLocked takes note of the record of an alert, nil if there is none any more.
func (s *Service) heardAlertLocked(key string, data []byte) {
	if r, err := parseRecord(data); err != nil || r.Alert == nil {
		delete(s.heard, key)
	} else {
		s.heard[key] = r.heard(key)
	}
	s.deps.ListChanged()
}

// heard is the alert of a record, for lists.
func (r *record) heard(key string) (h heard) {
	h.object = wire.AlertObject{Key: key, Title: r.Title, Section: r.Section, Upstream: r.Upstream, Alert: *r.Alert, Told: []wire.Told{}}
	if name, ok := strings.CutPrefix(key, wire.JobKey("")); ok {
		h.object.Job = name
	} else {
		h.object.Source = nameOf(key)
	}
	if r.Episode != "" && len(r.Items) > 0 {
		h.item = r.Items[0]
	}
	for _, box := range r.Outboxes { // in the order of their receivers
		told := wire.Told{To: box.Receiver, State: wire.ToldDone, At: box.At}
		switch {
		case len(box.Notices) > 0:
			told.State, told.At = wire.ToldWaiting, nil
		case box.At == nil:
			continue
		case box.GivenUp != "":
			told.State, told.Error = wire.ToldGivenUp, &box.GivenUp
		}
		h.object.Told = append(h.object.Told, told)
	}
	return h
}

// elsewhere returns the alerts that other processes have, in no order. Of a source, what the alert is about is what the
// source is now, as in the process that polls it.
func (s *Service) elsewhere() (all []wire.AlertObject) {
	s.mu.Lock()
	var found []heard
	for key, h := range s.heard {
		if !s.isHereLocked(key) {
			found = append(found, h)
		}
	}
	s.mu.Unlock()
	for _, h := range found {
		if h.item != nil {
			h.object.About = h.item.About()
		}
		if s.deps.Newest != nil && h.object.Source != "" {
			if snap, ok := s.deps.Newest(h.object.Source); ok {
				h.object.About = newest{ReadingOf(&snap, false), snap.Show.Value}.about()
			}
		}
		all = append(all, h.object)
	}
	return all
}

// isHereLocked reports whether this process has the alert of a key: what it has kept of it is then older than what it knows.
func (s *Service) isHereLocked(key string) bool {
	e := s.entries[key]
	if e == nil {
		return false
	}
	_, ofSource := e.owner.(*Monitor)
	return ofSource || e.shown != nil // that of a job may be at work at another process all the same
}
