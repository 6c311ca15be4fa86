package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/wire"
)

// sharedAlerts are the alerts of all replicas: each has those of what it does, and knows the others from the store.
type sharedAlerts struct {
	*alert.Service
	g *gateway
}

// newest is how a source is, for the alert that another replica has of it.
func (g *gateway) newest(source string) (snap wire.Source, ok bool) {
	topic := g.sources.Topic(source)
	if topic == nil {
		return snap, false
	}
	latest, ok := g.store.Latest(topic)
	return snap, ok && json.Unmarshal(latest.Data, &snap) == nil
}

// Acknowledge acknowledges an alert of any replica.
func (s sharedAlerts) Acknowledge(ctx context.Context, key, by, reason string) (wire.AlertObject, error) {
	object, err := s.Service.Acknowledge(key, by, reason)
	if s.g.replica == nil || !errors.Is(err, alert.ErrNotFiring) {
		return object, err
	}
	owner := s.owner(key)
	if owner == s.g.replica.ID() {
		return object, err
	}
	a, failed := s.g.ask(ctx, owner, question{Op: toAcknowledge, Alert: key, By: by, Reason: reason})
	switch {
	case failed != nil:
		return object, failed
	case a.OK && a.Alert != nil:
		return *a.Alert, nil
	}
	return object, err
}

// owner is the replica that has an alert, or that should; empty if there is none.
func (s sharedAlerts) owner(key string) string {
	if name, ok := strings.CutPrefix(key, wire.JobKey("")); ok {
		if j := s.g.jobs.Job(name); j != nil {
			return sharedJobs{s.g.jobs, s.g}.holder(j)
		}
	} else if cfg := s.g.sources.Definition(strings.TrimPrefix(key, wire.SourceKey(""))); cfg != nil {
		return s.g.pollerOf(cfg)
	}
	return ""
}
