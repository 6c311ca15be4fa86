package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/wire"
)

// stripLength is how many runs of a job its strip has.
const stripLength = 20

// A strip is how the newest runs of a job have ended. Records are large and do not change, so it is made once for each change.
type strip struct {
	outcomes []wire.Outcome // the oldest first
	expire   []time.Time    // of each; the oldest need not expire first
}

// strip returns how the newest runs of a job have ended that are kept, the oldest of them first. The error is the archive's.
func (p *past) strip(ctx context.Context, job string, now time.Time) ([]wire.Outcome, error) {
	p.mu.Lock()
	known, change := p.strips[job], p.stripChange
	p.mu.Unlock()
	if known == nil {
		var err error
		if known, err = p.readStrip(ctx, job); err != nil {
			return nil, err
		}
		p.mu.Lock()
		if p.stripChange == change { // otherwise it may be without a run that has come meanwhile
			p.strips[job] = known
		}
		p.mu.Unlock()
	}
	list := make([]wire.Outcome, 0, len(known.outcomes))
	for i, o := range known.outcomes {
		if known.expire[i].After(now) {
			list = append(list, o)
		}
	}
	return list, nil
}

func (p *past) readStrip(ctx context.Context, job string) (*strip, error) {
	runs, err := p.deps.Archive.List(ctx, archive.RunFilter{Job: job, Limit: stripLength})
	if err != nil {
		return nil, err
	}
	s := &strip{}
	for _, r := range slices.Backward(runs) {
		run := recordOf(r.ID, r.Data)
		began := r.Created
		if run.StartedAt != nil {
			began = *run.StartedAt
		}
		s.outcomes = append(s.outcomes, wire.Outcome{
			ID: r.ID, Status: run.Status, Warned: run.Warned, StartedAt: began.UTC(), Took: max(0, r.Finished.Sub(began).Seconds()),
		})
		s.expire = append(s.expire, r.Expires)
	}
	return s, nil
}

// dropStrip has the strip of a job be made again, which has another run now.
func (p *past) dropStrip(job string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.strips, job)
	p.stripChange++
}
