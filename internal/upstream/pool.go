// Package upstream has the upstreams of a configuration at work: what their sources and
// jobs share, which is the limit of their requests.
//
// An upstream outlives changes of everything else: what was spent of its limit stays spent.
package upstream

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/smartpoll"
)

// An Upstream is one upstream at work. It is not modified.
type Upstream struct {
	Name  string
	Group *smartpoll.Group // the limit of its requests; nil: there is none

	admits smartpoll.GroupConfig
}

// Key names the upstream among all things of a configuration.
func (u *Upstream) Key() string { return "upstream/" + u.Name }

// A Pool holds the upstreams that are at work. The zero value is empty. Its methods may be
// called from any goroutine, but only one change may be prepared at a time.
type Pool struct {
	mu sync.Mutex // guards the field below

	all []*Upstream // with those of the change that is prepared, which come last
}

// Lookup returns the upstream of that name. While a change is prepared, it is the one that
// the change brings. Nil means that there is none.
func (p *Pool) Lookup(name string) *Upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.all) - 1; i >= 0; i-- {
		if p.all[i].Name == name {
			return p.all[i]
		}
	}
	return nil
}

// Group returns the limit of the upstream of that name, nil if it has none.
func (p *Pool) Group(name string) *smartpoll.Group {
	if u := p.Lookup(name); u != nil {
		return u.Group
	}
	return nil
}

// Prepare works out what a configuration changes.
func (p *Pool) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := func(c *config.Upstream) string { return (&Upstream{Name: c.Name}).Key() }
	same := func(u *Upstream, c *config.Upstream) bool { return u.admits == admits(c) }
	c := &change{pool: p, before: p.all, Diff: reconcile.Of(p.all, cfg.Upstreams, key, same, newUpstream)}
	p.all = append(p.all[:len(p.all):len(p.all)], c.Fresh...)
	return c, nil
}

func newUpstream(c *config.Upstream) *Upstream {
	u := &Upstream{Name: c.Name, admits: admits(c)}
	if u.admits.Rate > 0 || u.admits.Running > 0 {
		u.Group = smartpoll.NewGroup(u.admits)
	}
	return u
}

// admits is how many requests an upstream takes.
func admits(c *config.Upstream) smartpoll.GroupConfig {
	return smartpoll.GroupConfig{Rate: rate.Limit(c.Limit), Burst: c.Burst, Running: c.MaxInFlight, Gap: c.Gap}
}

// A change is that of the upstreams. Nothing of it is told to people: a source or job says
// itself that it has changed when its upstream has.
type change struct {
	pool   *Pool
	before []*Upstream
	reconcile.Diff[*Upstream]
}

// Difference implements [reconcile.Change].
func (c *change) Difference() reconcile.Difference { return reconcile.Difference{} }

// Apply implements [reconcile.Change].
func (c *change) Apply() { c.set(c.Next) }

// Finish implements [reconcile.Change].
func (c *change) Finish(context.Context) {}

// Withdraw implements [reconcile.Change].
func (c *change) Withdraw(context.Context) { c.set(c.before) }

func (c *change) set(all []*Upstream) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.all = all
}
