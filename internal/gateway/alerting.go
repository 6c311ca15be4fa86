package gateway

import (
	"context"
	"encoding/json"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// An alerting is the part of a configuration that says who is told of alerts, and when nobody is.
type alerting struct {
	alerts  *alert.Service
	current *config.Config // nil before the first one
}

// An alertingChange leads from one alerting to another.
type alertingChange struct {
	*alerting
	from, to *config.Config
}

// Prepare implements [part].
func (t *alerting) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	return alertingChange{t, t.current, cfg}, nil
}

// Difference implements [reconcile.Change].
func (c alertingChange) Difference() (d reconcile.Difference) {
	if c.from == nil {
		return d
	}
	if !config.Same(c.from.Notify, c.to.Notify) {
		d.Changed = append(d.Changed, "notify")
	}
	if !config.Same(c.from.Quiet, c.to.Quiet) {
		d.Changed = append(d.Changed, "quiet")
	}
	return d
}

// Apply implements [reconcile.Change].
func (c alertingChange) Apply() {
	c.alerts.SetReceivers(c.to.Notify)
	c.alerts.SetQuiet(c.to.Quiet)
	c.current = c.to
}

// Finish implements [reconcile.Change].
func (c alertingChange) Finish(context.Context) {}

// Withdraw implements [reconcile.Change].
func (c alertingChange) Withdraw(context.Context) {}

// link is the address of the page in messages, empty without a public one.
func (g *gateway) link() string {
	if cfg := g.cfg.Load(); cfg != nil && cfg.PublicURL != nil {
		return cfg.PublicURL.String()
	}
	return ""
}

// alertsTopic returns the topic that changes when alerts have, see [api.Deps].
func (g *gateway) alertsTopic() *sse.Topic {
	return g.hub.Topic(wire.AlertsKey, sse.TopicOptions{KeepData: true})
}

// publishAlerts has whoever shows alerts look at them again.
func (g *gateway) publishAlerts() {
	data, _ := json.Marshal(wire.AlertsVersion{Key: wire.AlertsKey, Version: g.alerted.Add(1)}) // it encodes
	_ = g.alertsTopic().Publish(sse.Event{Data: data})                                          // the topic is never removed
}
