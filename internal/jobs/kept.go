package jobs

import (
	"context"
	"slices"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// keptRuns are the runs of jobs that have ended and are in a store that replicas share, until their time is over or too
// many of their job have ended since.
type keptRuns map[string][]string // their ids by job, in the order in which this process has heard of their ends

// add adds a run, and takes out those beyond the keep newest of its job.
func (k keptRuns) add(run *wire.Run, keep int) (surplus []string) {
	all := k[run.Job]
	if slices.Contains(all, run.ID) {
		return nil
	}
	all = append(all, run.ID)
	cut := max(0, len(all)-keep)
	surplus = slices.Clone(all[:cut])
	k[run.Job] = slices.Delete(all, 0, cut)
	return surplus
}

// keepOf is how many runs of a job are kept when one has ended. If its process has, too, others that waited behind it are kept until
// the runs are there that take their places, of which the first may have ended by then.
func keepOf(run wire.Run, j *Job) int {
	if run.Status == progress.StatusLost || run.Error != nil && *run.Error == errStopping.Error() || j.s.again.has(run.Job) {
		return max(j.Keep.Runs, againRuns)
	}
	return j.Keep.Runs
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
	for _, id := range surplus {
		p.forget(ctx, id)
	}
}
