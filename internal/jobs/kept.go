package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// keptRuns are the runs of jobs that have ended and are in a store that replicas share, until their time is over or too
// many of their job have ended since.
type keptRuns map[string][]keptRun // by job, in the order of their ends

type keptRun struct {
	id    string
	ended time.Time
}

// add adds a run, and takes out those beyond the keep newest of its job.
func (k keptRuns) add(run *wire.Run, keep int) (surplus []keptRun) {
	all := k[run.Job]
	if slices.ContainsFunc(all, func(r keptRun) bool { return r.id == run.ID }) {
		return nil
	}
	one := keptRun{run.ID, *run.FinishedAt}
	at, _ := slices.BinarySearchFunc(all, one, func(a, b keptRun) int { return a.ended.Compare(b.ended) })
	all = slices.Insert(all, at, one)
	cut := max(0, len(all)-keep)
	surplus = slices.Clone(all[:cut])
	k[run.Job] = slices.Delete(all, 0, cut)
	return surplus
}

// forgetSurplus removes runs from the store that are more than their job keeps. The replica that holds the unit does so.
func (p *past) forgetSurplus(ctx context.Context, run *wire.Run, keep int) {
	if p.deps.Replicas == nil {
		return
	}
	p.mu.Lock()
	surplus := p.kept.add(run, keep)
	p.mu.Unlock()
	if j := p.definition(run.Job); j == nil || !j.s.units.holds(j.Job) {
		return
	}
	for _, r := range surplus {
		p.forget(ctx, r.id)
	}
}
