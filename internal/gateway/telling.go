package gateway

import (
	"context"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
)

// A telling is the part of a configuration that says who is told of alerts, and when nobody is.
type telling struct {
	alerts  *alert.Service
	current *config.Config // nil before the first one
}

// A tellingChange is that of a telling.
type tellingChange struct {
	*telling
	from, to *config.Config
}

// Prepare implements [part].
func (t *telling) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	return tellingChange{t, t.current, cfg}, nil
}

// Difference implements [reconcile.Change].
func (c tellingChange) Difference() (d reconcile.Difference) {
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
func (c tellingChange) Apply() {
	c.alerts.SetReceivers(c.to.Notify)
	c.alerts.SetQuiet(c.to.Quiet)
	c.current = c.to
}

// Finish implements [reconcile.Change].
func (c tellingChange) Finish(context.Context) {}

// Withdraw implements [reconcile.Change].
func (c tellingChange) Withdraw(context.Context) {}

// link is the address of the page in messages, empty without a public one.
func (g *gateway) link() string {
	if cfg := g.cfg.Load(); cfg != nil && cfg.PublicURL != nil {
		return cfg.PublicURL.String()
	}
	return ""
}
