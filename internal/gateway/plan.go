package gateway

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
)

// A plan is what the gateway makes of a configuration. It is replaced as a whole and
// never changed, so whoever answers a request loads it once.
type plan struct {
	cfg     *config.Config
	sources []*poller
	jobs    []*job
	limits  map[string]*limit // by upstream, of those that have one
}

// A limit is that of an upstream. It outlives changes of the rest of the configuration:
// what was spent of it stays spent.
type limit struct {
	admits smartpoll.GroupConfig
	group  *smartpoll.Group
}

// source returns the source of that name, nil if there is none.
func (p *plan) source(name string) *poller {
	if i := slices.IndexFunc(p.sources, func(s *poller) bool { return s.Name == name }); i >= 0 {
		return p.sources[i]
	}
	return nil
}

// job returns the job of that name, nil if there is none.
func (p *plan) job(name string) *job {
	if i := slices.IndexFunc(p.jobs, func(j *job) bool { return j.Name == name }); i >= 0 {
		return p.jobs[i]
	}
	return nil
}

// A difference is what another configuration has changed, by the keys of the stream.
type difference struct {
	Added     []string `json:"added"`
	Changed   []string `json:"changed"`
	Removed   []string `json:"removed"`
	Unchanged int      `json:"unchanged"`
	Restart   []string `json:"restart,omitempty"` // keys of the configuration that have changed and count from the next start on
}

// A change leads from the plan that is at work to another one. What says the same in both,
// with all that it refers to, is the same object in both.
type change struct {
	g        *gateway
	from, to *plan
	fresh    []*poller           // in to alone
	replaced map[*poller]*poller // what those of fresh replace that are changed
	gone     []*poller           // in from alone, and not replaced
	difference
	reordered bool
}

// changeTo prepares the change to cfg. It claims the topics of sources that are new, so
// the change has to be applied or withdrawn. Only one may be prepared at a time.
func (g *gateway) changeTo(ctx context.Context, cfg *config.Config) (*change, error) {
	c := &change{
		g:          g,
		from:       g.plan.Load(),
		to:         &plan{cfg: cfg, limits: make(map[string]*limit)},
		replaced:   make(map[*poller]*poller),
		difference: difference{Added: []string{}, Changed: []string{}, Removed: []string{}},
	}
	if cfg.Audit != "" && c.from.cfg != nil && c.from.cfg.Audit != cfg.Audit {
		file, err := openAudit(cfg.Audit)
		if err != nil {
			return nil, err
		}
		file.Close()
	}
	for _, u := range cfg.Upstreams {
		admits := smartpoll.GroupConfig{Rate: rate.Limit(u.Limit), Burst: u.Burst, Running: u.MaxInFlight, Gap: u.Gap}
		if admits.Rate == 0 && admits.Running == 0 {
			continue
		}
		l := c.from.limits[u.Name]
		if l == nil || l.admits != admits {
			l = &limit{admits, smartpoll.NewGroup(admits)}
		}
		c.to.limits[u.Name] = l
	}

	sources := make(map[string]*poller)
	for _, s := range c.from.sources {
		sources[s.Name] = s
	}
	for _, source := range cfg.Sources {
		before := sources[source.Name]
		delete(sources, source.Name)
		if before != nil && config.Same(before.Source, source) {
			c.to.sources = append(c.to.sources, before)
			c.Unchanged++
			continue
		}
		s := g.newPoller(c.to, source)
		if before != nil {
			c.Changed = append(c.Changed, s.key)
			c.replaced[s] = before
		} else {
			c.Added = append(c.Added, s.key)
			claim, other, err := g.store.Claim(ctx, s.key, snapshot.ClaimOptions{})
			if err == nil && claim == nil {
				err = fmt.Errorf("another process polls it, as run %s: stop that one, or wait until the store has noticed that it is gone", other.Run)
			}
			if err != nil {
				c.withdraw(context.WithoutCancel(ctx))
				return nil, fmt.Errorf("claim %s: %w", s.key, err)
			}
			s.claim = claim
		}
		c.fresh = append(c.fresh, s)
		c.to.sources = append(c.to.sources, s)
	}
	for _, s := range c.from.sources {
		if sources[s.Name] != nil {
			c.gone = append(c.gone, s)
			c.Removed = append(c.Removed, s.key)
		}
	}

	jobs := make(map[string]*job)
	for _, j := range c.from.jobs {
		jobs[j.Name] = j
	}
	for _, job := range cfg.Jobs {
		before := jobs[job.Name]
		delete(jobs, job.Name)
		if before != nil && config.Same(before.Job, job) {
			c.to.jobs = append(c.to.jobs, before)
			c.Unchanged++
			continue
		}
		j := newJob(g, job)
		if before != nil {
			c.Changed = append(c.Changed, j.key)
		} else {
			c.Added = append(c.Added, j.key)
		}
		c.to.jobs = append(c.to.jobs, j)
	}
	for _, j := range c.from.jobs {
		if jobs[j.Name] != nil {
			c.Removed = append(c.Removed, j.key)
		}
	}
	c.reordered = !slices.EqualFunc(c.from.sources, c.to.sources, func(a, b *poller) bool { return a.Name == b.Name }) ||
		!slices.EqualFunc(c.from.jobs, c.to.jobs, func(a, b *job) bool { return a.Name == b.Name })
	if from := c.from.cfg; from != nil {
		for key, same := range map[string]bool{
			"access":          config.Same(from.Access, cfg.Access),
			"public_url":      config.Same(from.PublicURL, cfg.PublicURL),
			"trust_forwarded": config.Same(from.Forwarded, cfg.Forwarded),
			"audit":           from.Audit == cfg.Audit,
		} {
			if !same {
				c.Changed = append(c.Changed, key)
			}
		}
	}
	return c, nil
}

// changes reports whether there is anything that a page shows otherwise now.
func (c *change) changes() bool {
	return c.reordered || len(c.Added)+len(c.Changed)+len(c.Removed) > 0
}

// apply puts the change to work: as a hook of the scheduler, or before that runs. It does
// not wait for anything. What is unchanged keeps its tasks, whose times nobody touches.
func (c *change) apply() {
	g := c.g
	for _, s := range c.gone {
		s.removeTasks(g.scheduler)
	}
	for s, before := range c.replaced {
		before.removeTasks(g.scheduler)
		s.takeOver(before)
	}
	inputs := make(map[string]*poller, len(c.to.sources))
	for _, s := range c.to.sources {
		inputs[s.Name], s.uses, s.dependents = s, nil, nil
	}
	for _, s := range c.to.sources {
		for _, name := range s.From {
			s.uses = append(s.uses, inputs[name])
			inputs[name].dependents = append(inputs[name].dependents, s)
		}
	}
	for _, s := range c.fresh {
		g.addTasks(s)
	}
	for _, j := range c.from.jobs {
		if !slices.Contains(c.to.jobs, j) {
			j.unschedule()
		}
	}
	for _, j := range c.to.jobs {
		if !slices.Contains(c.from.jobs, j) {
			j.schedule()
		}
	}
	g.plan.Store(c.to)
	g.runs.forget(func(name string) bool { return c.to.job(name) != nil })
	for _, s := range c.fresh {
		s.begin(g.scheduler, c.replaced[s])
	}
	for _, s := range c.to.sources {
		if s.published.Waiting == waitingLimit && !g.scheduler.Running(s.key) {
			s.retime(g.scheduler) // those that are gone wait before it no more
		}
	}
	g.scheduler.Schedule(watchersKey{}, 0) // of what is computed now from what is watched, or is not any more
}

// finish gives up the topics of what was removed, after a word to those who look at it.
// It may wait for the store.
func (c *change) finish(ctx context.Context) {
	for _, s := range c.gone {
		if err := s.claim.Finish(ctx, s.encode(sourceSnapshot{State: stateRemoved}), 0); err != nil {
			c.g.log.Error("a source that was removed is still in the store", "source", s.Name, "err", err)
		}
	}
	for _, j := range c.from.jobs {
		if c.to.job(j.Name) == nil {
			j.topic.Remove("") // if it has never run; else the topic leaves with the last run
		}
	}
}

// withdraw gives up what was prepared.
func (c *change) withdraw(ctx context.Context) {
	for _, s := range c.fresh {
		if c.replaced[s] == nil {
			_ = s.claim.Finish(ctx, nil, 0) // nobody has seen it
		}
	}
}
