// Package upstream holds the upstreams of the configuration in effect: what their sources and jobs share, which is the
// limit of their requests and, for some kinds, a link to the upstream.
//
// An upstream survives changes to everything else: the used part of its limit stays used, and its link stays up.
package upstream

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/smartpoll"
)

// An Upstream is an upstream in effect. It is not modified.
type Upstream struct {
	Name  string
	Group *smartpoll.Group // the limit of its requests; nil: no limit
	Link  io.Closer        // shared by its sources, such as a connection; nil: none

	admits smartpoll.GroupConfig
	spec   kind.Upstream
}

// Key returns a key that is unique among all parts of a configuration.
func (u *Upstream) Key() string { return "upstream/" + u.Name }

// A Pool holds the upstreams in effect. The zero value is empty. Its methods may be called from any goroutine, but only
// one change may be prepared at a time.
type Pool struct {
	Log *slog.Logger // for errors of links; nil discards them. It must not be changed once the pool is used

	mu sync.Mutex // guards the field below

	all []*Upstream // those of a change being prepared come last
}

// Lookup returns the upstream with the given name, nil if there is none. While a change is prepared, it returns the new
// one.
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

// Group returns the limit of the upstream with the given name, nil if it has none.
func (p *Pool) Group(name string) *smartpoll.Group {
	if u := p.Lookup(name); u != nil {
		return u.Group
	}
	return nil
}

// Link returns the link of the upstream with the given name, nil if it has none.
func (p *Pool) Link(name string) io.Closer {
	if u := p.Lookup(name); u != nil {
		return u.Link
	}
	return nil
}

// Close closes the links of all upstreams. It is called when nothing uses them any more.
func (p *Pool) Close() {
	p.mu.Lock()
	all := p.all
	p.all = nil
	p.mu.Unlock()
	for _, u := range all {
		p.close(u)
	}
}

// Prepare determines what a configuration changes. An upstream with a changed limit keeps its link if nothing else
// changed, and one with the same limit keeps the used part of it.
func (p *Pool) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := func(c *config.Upstream) string { return (&Upstream{Name: c.Name}).Key() }
	same := func(u *Upstream, c *config.Upstream) bool {
		return u.admits == admits(c) && config.Same(u.spec, c.Spec)
	}
	create := func(c *config.Upstream) *Upstream { return &Upstream{Name: c.Name, admits: admits(c), spec: c.Spec} }
	c := &change{pool: p, before: p.all, Diff: reconcile.Of(p.all, cfg.Upstreams, key, same, create)}
	for _, u := range c.Fresh {
		before, _ := c.Replaced(u)
		if err := c.complete(u, before); err != nil {
			c.closeAll(c.opened)
			return nil, fmt.Errorf("open upstream %s: %w", u.Name, err)
		}
	}
	c.left = append(c.left, c.Gone...)
	p.all = append(p.all[:len(p.all):len(p.all)], c.Fresh...)
	return c, nil
}

// admits returns the limits of an upstream.
func admits(c *config.Upstream) smartpoll.GroupConfig {
	return smartpoll.GroupConfig{Rate: rate.Limit(c.Limit), Burst: c.Burst, Running: c.MaxInFlight, Gap: c.Gap}
}

// A change is a change of the upstreams. It has no difference of its own: a source or job counts as changed when its
// upstream has.
type change struct {
	pool   *Pool
	before []*Upstream
	opened []*Upstream // those with a newly opened link
	left   []*Upstream // those in effect whose link is not needed after the change
	reconcile.Diff[*Upstream]
}

// complete gives u the limit and the link of before, which it replaces, or new ones. Before may be nil.
func (c *change) complete(u, before *Upstream) error {
	switch {
	case before != nil && before.admits == u.admits:
		u.Group = before.Group
	case u.admits.Rate > 0 || u.admits.Running > 0:
		u.Group = smartpoll.NewGroup(u.admits)
	}
	if before != nil && config.Same(before.spec, u.spec) {
		u.Link = before.Link
		return nil
	}
	if before != nil {
		c.left = append(c.left, before)
	}
	if u.spec == nil {
		return nil
	}
	log := c.pool.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	link, err := u.spec.Open(kind.UpstreamEnv{
		Secrets: secret.New(u.spec.Secrets().Said...), Log: log.With("upstream", u.Name),
	})
	if link != nil {
		u.Link, c.opened = link, append(c.opened, u)
	}
	return err
}

// Difference implements [reconcile.Change].
func (c *change) Difference() reconcile.Difference { return reconcile.Difference{} }

// Apply implements [reconcile.Change].
func (c *change) Apply() { c.set(c.Next) }

// Finish implements [reconcile.Change]: the sources that used the links have ended.
func (c *change) Finish(context.Context) { c.closeAll(c.left) }

// Withdraw implements [reconcile.Change].
func (c *change) Withdraw(context.Context) {
	c.set(c.before)
	c.closeAll(c.opened)
}

func (c *change) closeAll(all []*Upstream) {
	for _, u := range all {
		c.pool.close(u)
	}
}

// close closes the link of u, which is no longer in use.
func (p *Pool) close(u *Upstream) {
	if u.Link == nil {
		return
	}
	if err := u.Link.Close(); err != nil && p.Log != nil {
		p.Log.Warn("a link was not closed cleanly", "upstream", u.Name, "err", err)
	}
}

func (c *change) set(all []*Upstream) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.all = all
}
