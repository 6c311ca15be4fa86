package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	// retryArchive is the pause after the archive has not taken the end of a run.
	retryArchive = 5 * time.Second
	// sweepEvery is how often the archive is to forget what has expired.
	sweepEvery = time.Minute
	// mostWaiting bounds the ends of a job that wait in memory for the archive.
	mostWaiting = 1000
)

// past brings the ends of runs from the store into the archive, and knows the runs that are not there: those of this
// process that are not over, those of others, and those that are over and that the archive has not taken yet. As soon as
// the archive has a run, its topic is given up.
//
// A run of this process brings itself into the archive; past does it for the others, such as those of an earlier process,
// whose ends it finds in the store. Two goroutines, begun by openPast, end with its context or with close: one follows the
// store, one fills the archive.
type past struct {
	deps       Deps
	definition func(job string) *Job // that is configured; nil: none
	tell       func(run wire.Run)    // is called with each end that was found in the store, before the archive has it
	changed    *sse.Topic            // a run has come into the archive

	follow, fill *lifecycle.Service
	wake         chan struct{} // of 1: a run is over
	telling      chan struct{} // closed when jobs are configured, so that ends can be told

	mu sync.Mutex // guards the fields below; the last of all locks: the store calls apply within its own

	open map[string]*openRun // by id
	kept keptRuns

	strips      map[string]*strip // by job: those that were asked for since a run of it came into the archive
	stripChange int               // grows with each run that does
}

// An openRun is a run that is not in the archive.
type openRun struct {
	own  *Run   // of this process, which brings it into the archive; nil: past does, when it is over
	data []byte // the newest state in the store, nil before the first
	over bool   // data is the end
	told bool   // the alert of the job was told the end

	end *wire.Run // data as it was decoded, if that has happened
}

// openPast returns once all that the store holds is known.
func openPast(
	ctx context.Context, deps Deps, definition func(job string) *Job, tell func(wire.Run),
) (*past, error) {
	p := &past{
		deps:       deps,
		definition: definition,
		tell:       tell,
		telling:    make(chan struct{}),
		changed:    deps.Hub.Topic("runs", sse.TopicOptions{}),
		wake:       make(chan struct{}, 1),
		open:       map[string]*openRun{},
		kept:       keptRuns{},
		strips:     map[string]*strip{},
	}
	var err error
	p.follow, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return deps.Store.Follow(ctx, p.apply, started)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the records of runs: %w", err)
	}
	p.fill = lifecycle.Loop(ctx, p.archiveAll)
	return p, nil
}

// close ends both goroutines and waits for them.
func (p *past) close() {
	_ = p.fill.Stop()
	_ = p.follow.Stop()
}

// apply takes note of a change in the store. It is called within the store's locks.
func (p *past) apply(e snapshot.Entry) {
	id, ofRun := strings.CutPrefix(e.Topic, runTopic(""))
	if !ofRun {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.open[id]
	switch {
	case o != nil && o.over:
	case o != nil && o.own != nil:
		if e.State != snapshot.Gone {
			o.data, o.over = e.Data, e.State == snapshot.Final
		}
	case e.State == snapshot.Gone:
		delete(p.open, id)
	case e.State == snapshot.Final:
		p.open[id] = &openRun{data: e.Data, over: true}
		p.wakeUp()
	default:
		p.open[id] = &openRun{data: e.Data}
	}
}

func (p *past) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// begin takes note of a run of this process.
func (p *past) begin(r *Run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.open[r.id] // another process may have begun the same one
	if o == nil {
		o = &openRun{}
		p.open[r.id] = o
	}
	o.own = r
}

// drop forgets a run that is not to be in the archive.
func (p *past) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
}

// leave leaves a run of this process to the store, which did not take its end, or not everywhere: it may count as lost.
func (p *past) leave(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[id].own = nil
	p.wakeUp()
}

// end brings a run of this process into the archive. If that fails it is tried again later, and whoever asks for the run
// finds it all the same.
func (p *past) end(ctx context.Context, r *Run) {
	run := r.Snapshot()
	data, _ := json.Marshal(run) // it was published
	if err := p.archive(ctx, run, data, keepOf(run, r.job)); err != nil {
		p.deps.Log.Error("the end of a run is not in the archive yet", "job", r.job.Name, "run", r.id, "err", err)
		p.wait(ctx, r, data)
	}
}

// wait keeps a run of this process that is over until the archive takes it. Of a job no more wait than it keeps, and at most
// mostWaiting.
func (p *past) wait(ctx context.Context, r *Run, data []byte) {
	p.mu.Lock()
	p.open[r.id] = &openRun{data: data, over: true, told: true}
	var waiting []wire.Run
	for _, o := range p.open {
		if o.own != nil {
			continue
		}
		if run, ok := o.ended(); ok && run.Job == r.job.Name {
			waiting = append(waiting, run)
		}
	}
	slices.SortFunc(waiting, byEnd)
	waiting = waiting[:max(0, len(waiting)-min(r.job.Keep.Runs, mostWaiting))]
	for _, run := range waiting {
		delete(p.open, run.ID)
	}
	p.mu.Unlock()
	for _, run := range waiting {
		p.giveUp(ctx, run.ID)
		p.deps.Archive.Discard(run.ID)
	}
}

// byEnd orders runs that have ended as the archive does.
func byEnd(a, b wire.Run) int {
	return cmp.Or(a.FinishedAt.Compare(*b.FinishedAt), a.CreatedAt.Compare(b.CreatedAt))
}

// ended returns the run if it is over and waits for the archive.
func (o *openRun) ended() (run wire.Run, ok bool) {
	if !o.over {
		return run, false
	}
	if o.end == nil {
		o.end = new(wire.Run)
		if json.Unmarshal(o.data, o.end) != nil {
			*o.end = wire.Run{}
		}
	}
	return *o.end, o.end.FinishedAt != nil && o.end.ExpiresAt != nil
}

// archiveAll brings runs that are over into the archive, until ctx ends.
func (p *past) archiveAll(ctx context.Context) {
	select {
	case <-p.telling:
	case <-ctx.Done():
		return
	}
	pause := sweepEvery
	for {
		select {
		case <-p.wake:
		case <-time.After(pause):
			if err := p.deps.Archive.Sweep(ctx); err != nil {
				p.deps.Log.Warn("runs that have expired were not removed", "err", err)
			}
		case <-ctx.Done():
			return
		}
		pause = sweepEvery
		if err := p.archiveWaiting(ctx); err != nil && ctx.Err() == nil {
			p.deps.Log.Warn("ends of runs are not in the archive yet", "err", err)
			pause = retryArchive
		}
	}
}

// tellFrom has the ends be told that were found in the store, and those to come. Until then none is archived either.
func (p *past) tellFrom() {
	p.tellAll()
	close(p.telling)
}

// tellAll tells of the ends that were found in the store since it was called last, in their order.
func (p *past) tellAll() {
	var ends []wire.Run
	p.mu.Lock()
	for id, o := range p.open {
		if o.own != nil || !o.over || o.told {
			continue
		}
		o.told = true
		if run, ok := o.ended(); ok {
			run.ID = id // as its topic says
			ends = append(ends, run)
		}
	}
	p.mu.Unlock()
	slices.SortFunc(ends, byEnd)
	for _, run := range ends {
		if p.isToTell(&run) {
			p.tell(run)
		}
	}
}

// isToTell reports whether this process should tell of an end that it found in the store: of the replicas, one does.
func (p *past) isToTell(run *wire.Run) bool {
	if p.deps.Replicas == nil {
		return true
	}
	j := p.definition(run.Job)
	return j != nil && run.Status == progress.StatusLost && j.s.units.holds(j.Job) // of others their process has told
}

// archiveWaiting brings all runs that are over now into the archive, in the order of their ends.
func (p *past) archiveWaiting(ctx context.Context) error {
	p.tellAll()
	p.mu.Lock()
	var over []wire.Run
	ends := map[string][]byte{}
	for id, o := range p.open {
		if !o.told {
			continue
		}
		run, ok := (&openRun{data: o.data, over: true}).ended()
		if !ok { // it is none of ours
			delete(p.open, id)
			continue
		}
		run.ID = id // as its topic says
		over, ends[id] = append(over, run), o.data
	}
	p.mu.Unlock()
	slices.SortFunc(over, byEnd)
	for _, run := range over {
		keep := math.MaxInt // of a job that is not configured: until they expire
		if j := p.definition(run.Job); j != nil {
			keep = keepOf(run, j)
		}
		if err := p.archive(ctx, run, ends[run.ID], keep); err != nil {
			return err
		}
	}
	return nil
}

// archive adds a run that has ended, which is data as JSON, to the archive and gives its topic up.
func (p *past) archive(ctx context.Context, run wire.Run, data []byte, keep int) error {
	err := p.deps.Archive.Add(ctx, archive.Run{
		ID: run.ID, Job: run.Job, Status: run.Outcome(), Trigger: run.Trigger,
		Created: run.CreatedAt, Finished: *run.FinishedAt, Expires: *run.ExpiresAt, Data: data,
	}, keep)
	if err != nil {
		return err
	}
	p.dropStrip(run.Job)
	p.giveUp(ctx, run.ID)
	p.drop(run.ID)
	p.forgetSurplus(ctx, &run, keep)
	_ = p.changed.Publish(sse.Event{Data: []byte(`""`)})
	return nil
}

// giveUp removes the end of a run from the store, unless it stays there for other replicas.
func (p *past) giveUp(ctx context.Context, id string) {
	if p.deps.Replicas != nil {
		return // the others read it there
	}
	p.forget(ctx, id)
}

// forget removes the end of a run from the store.
func (p *past) forget(ctx context.Context, id string) {
	err := p.deps.Store.Forget(ctx, runTopic(id), id)
	if err != nil && !errors.Is(err, snapshot.ErrLive) {
		p.deps.Log.Warn("the topic of a run that is over was not removed", "run", id, "err", err)
	}
}

// find returns the newest state of a run that is not in the archive, as JSON.
func (p *past) find(id string) (data []byte, ok bool) {
	p.mu.Lock()
	known := p.open[id]
	if known == nil {
		p.mu.Unlock()
		return nil, false
	}
	o := *known
	p.mu.Unlock()
	if o.own == nil {
		return o.data, o.data != nil
	}
	data, _ = json.Marshal(o.own.Snapshot())
	return data, true
}

// own returns a run of this process that is not in the archive, nil if there is none.
func (p *past) own(id string) *Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.open[id]; o != nil {
		return o.own
	}
	return nil
}

// all returns the newest states of all runs that are not in the archive and that readers can see.
func (p *past) all() (list []wire.Run) {
	p.mu.Lock()
	open := make([]openRun, 0, len(p.open))
	for _, o := range p.open {
		open = append(open, *o)
	}
	p.mu.Unlock()
	for _, o := range open {
		var run wire.Run
		switch {
		case o.own == nil:
			if json.Unmarshal(o.data, &run) != nil || run.ID == "" {
				continue
			}
		case !o.own.isVisible():
			continue
		default:
			run = o.own.Snapshot()
		}
		list = append(list, run)
	}
	return list
}
