package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
)

// sharedAlerts are the alerts of all replicas, each of which has those of what it does.
type sharedAlerts struct {
	*alert.Service
	g *gateway
}

// Alerts has the alerts of all replicas that answer, and how the receivers are as this one knows them.
func (s sharedAlerts) Alerts() wire.Alerts {
	all := s.Service.Alerts()
	if s.g.replica == nil {
		return all
	}
	ctx, done := context.WithTimeout(context.Background(), holderWithin)
	defer done()
	for _, a := range s.g.askEach(ctx, question{Op: toAlerts}, "") {
		if a.Alerts == nil {
			continue
		}
		for _, o := range a.Alerts.Alerts {
			if !slices.ContainsFunc(all.Alerts, func(p wire.AlertObject) bool { return p.Key == o.Key }) {
				all.Alerts = append(all.Alerts, o)
			}
		}
	}
	slices.SortFunc(all.Alerts, func(a, b wire.AlertObject) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Source, b.Source))
	})
	return all
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
		return s.g.replica.Owner(sources.UnitOf(cfg))
	}
	return ""
}
