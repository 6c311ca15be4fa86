package gateway

import (
	"context"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
)

// A part is a domain of the gateway that a configuration concerns.
type part interface {
	// Prepare works out what a configuration changes. It may wait until ctx ends. Only one
	// change may be prepared at a time, and it has to be applied or withdrawn.
	Prepare(ctx context.Context, cfg *config.Config) (reconcile.Change, error)
}

// parts are all of them, in the order in which a change is applied.
type parts []part

// prepare works out the change to cfg, which takes effect as a whole or not at all. Only one
// may be prepared at a time, and it has to be applied or withdrawn.
func (list parts) prepare(ctx context.Context, cfg *config.Config) (reconcile.All, error) {
	var all reconcile.All
	for _, p := range list {
		c, err := p.Prepare(ctx, cfg)
		if err != nil {
			all.Withdraw(context.WithoutCancel(ctx))
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// settings is the part of a configuration that is looked up whenever it is needed: access,
// the public address, and the audit log.
type settings struct {
	current *atomic.Pointer[config.Config] // the configuration at work; nil before the first one
	api     *api.API                       // has the streams of those who lose access
}

// A settingsChange is that of the settings.
type settingsChange struct {
	*settings
	from, to *config.Config
}

// Prepare refuses an audit log that cannot be written.
func (s *settings) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	from := s.current.Load()
	if cfg.Audit != "" && (from == nil || from.Audit != cfg.Audit) {
		if err := audit.Check(cfg.Audit); err != nil {
			return nil, err
		}
	}
	return settingsChange{s, from, cfg}, nil
}

// Difference implements [reconcile.Change].
func (c settingsChange) Difference() (d reconcile.Difference) {
	if c.from == nil {
		return d
	}
	for _, of := range []struct {
		key  string
		same bool
	}{
		{"access", config.Same(c.from.Access, c.to.Access)},
		{"audit", c.from.Audit == c.to.Audit},
		{"page", config.Same(c.from.Page, c.to.Page)},
		{"public_url", config.Same(c.from.PublicURL, c.to.PublicURL)},
		{"trust_forwarded", config.Same(c.from.Forwarded, c.to.Forwarded)},
	} {
		if !of.same {
			d.Changed = append(d.Changed, of.key)
		}
	}
	return d
}

// Apply implements [reconcile.Change].
func (c settingsChange) Apply() { c.current.Store(c.to) }

// Finish implements [reconcile.Change]: streams end whose readers may no longer view.
func (c settingsChange) Finish(context.Context) { c.api.EndStreams() }

// Withdraw implements [reconcile.Change].
func (c settingsChange) Withdraw(context.Context) {}
