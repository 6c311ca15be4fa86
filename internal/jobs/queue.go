package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// maxShown bounds the waiting runs in a snapshot of their job, which each start makes anew. [Service.Queue] has all.
const maxShown = 10

// A queue decides which run begins when. It is one queue of all runs that are not over, in the order of their starts. A
// run is admitted when no older one in the queue is of the same job or of the same group. So the runs of a job, and
// those of a group, never overlap, except for those of a job with parallel_by that have different lanes; no run is overtaken by
// one that it conflicts with; and jobs that have nothing to do with each other do not wait for each other.
//
//	            start                 admission           end of the work
//	(nothing) ---------> queued ----------------> running -----------------> ended, out of the queue
//	                       | cancel, replaced,       | cancel, replaced,         ^
//	                       | stop                    v stop, timeout             |
//	                       |                     cancelling ---------------------+
//	                       +-----------------------------------------------------+
//
// The head of a job's queue is its first run, admitted or not: the one that the topic of the job shows. What becomes of
// a start while the job has runs in the queue is decided in policy.go.
//
// Deciding and registering are one step under mu. What takes time, such as claiming the run's topic, is done by the
// goroutine of the run, and [Service.Start] waits for that outside.
type queue struct {
	clock    *clock.Clock
	begin    func(*Run)        // starts the goroutine of a run; called with mu held
	isStored func(string) bool // whether a run that is over can still be looked up

	mu sync.Mutex // guards the fields below, and those of runs that say so; before that of Run.progress

	closed bool                   // nothing may start any more
	runs   []*Run                 // those that are not over, oldest first
	heads  map[string]*Run        // by job: the newest run that has been at the head of its queue
	starts map[string][]time.Time // by job: the starts within the time of its limit, oldest first
	keys   *idempotency.Keys[access.Identity, started]
}

// started is what a start came to.
type started struct {
	id        string
	run       *Run // nil: it is over
	coalesced bool // it was there before

	// made says that there was a run, so that the key counts even if nothing is kept of it any more; nil if that is not known. See
	// [Service.noteMade].
	made *atomic.Bool

	unit *unit // under which this was decided; nil: no other process shares the store
}

// maxSharedKeys bounds the keys in memory of a process that shares its store. It may come to hold all units, and each of them
// has its own bound and keeps no more than the runs: the keys of one unit must not displace those of another.
const maxSharedKeys = 100_000

// newQueue returns an empty queue.
func newQueue(c *clock.Clock, begin func(*Run), isStored func(id string) bool, isShared bool) *queue {
	q := &queue{clock: c, begin: begin, isStored: isStored, heads: map[string]*Run{}, starts: map[string][]time.Time{}}
	opts := idempotency.Options[started]{
		Known: func(to started) bool {
			return to.made != nil && to.made.Load() || q.findLocked(to.id) != nil || q.isStored(to.id)
		},
	}
	if isShared {
		opts.Max, opts.MaxOwn = maxSharedKeys, maxSharedKeys
	}
	q.keys = idempotency.New[access.Identity](opts)
	return q
}

// start decides about a start and registers what comes of it. The error is a [*Refusal].
func (q *queue) start(j *Job, opts StartOptions, now time.Time) (to started, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	own, ok := j.s.units.of(j.Job)
	if !ok { // it was given up since the caller looked
		return started{}, errElsewhere
	}
	defer func() { to.unit = own }()
	opts.unit = own
	if opts.Key == "" {
		return q.decideLocked(j, opts, now)
	}
	key := idempotency.Key[access.Identity]{Caller: opts.Caller, Scope: j.Name, Key: opts.Key}
	// No other call is in progress while mu is held, so there is none to wait for.
	to, _, err = q.keys.Do(context.Background(), key, fingerprint(opts.Args), func() (started, error) {
		to, err := q.decideLocked(j, opts, now)
		to.run, to.made = nil, new(atomic.Bool) // the key would keep the memory of the run
		return to, err
	})
	if errors.Is(err, idempotency.ErrReused) {
		return started{}, &Refusal{Code: KeyReused, Run: to.id,
			Detail: "this Idempotency-Key was used with another body: use a new one for each start"}
	}
	to.run = q.findLocked(to.id)
	return to, err
}

// addLocked makes a run and puts it at the end of the queue.
func (q *queue) addLocked(j *Job, opts StartOptions, now time.Time) *Run {
	r := newRun(j, cmp.Or(opts.ID, rand.Text()), opts, now)
	if j.Limit.Starts > 0 {
		q.starts[j.Name] = append(q.starts[j.Name], now)
	}
	q.runs = append(q.runs, r)
	j.s.units.begun(r.unit)
	q.begin(r)
	q.advanceLocked()
	return r
}

// advance brings every run to where it is in the queue now.
func (q *queue) advance() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advanceLocked()
}

// advanceLocked admits the runs that no older one conflicts with, tells the others their positions, and has the head of
// each job's queue publish who waits behind it.
func (q *queue) advanceLocked() {
	now := q.clock.Now()
	before := newPassed()
	behind := map[string]*tail{} // by job
	var heads []*Run
	for _, r := range q.runs {
		name := r.job.Name
		isHead, ahead := before.ofJob[name] == 0, before.conflicts(r)
		if isHead {
			heads = append(heads, r)
			behind[name] = &tail{shown: []wire.Waiting{}}
			q.headLocked(r)
		}
		before.add(r)
		switch {
		case r.admitted:
		case ahead == 0:
			r.admitted = true
			r.setRunning(now)
			close(r.admission)
		default:
			r.setPosition(ahead)
		}
		if !isHead {
			behind[name].add(r)
		}
	}
	for _, r := range heads {
		r.showQueue(*behind[r.job.Name], q.peopleOf(q.availableLocked(r.job, now)))
	}
}

// showAgain publishes the head of a job's queue again, if there is one.
func (q *queue) showAgain(j *Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.IndexFunc(q.runs, func(r *Run) bool { return r.job.Name == j.Name }); i >= 0 {
		q.runs[i].progress.Refresh(j.key, func() {})
	}
}

// A tail is what is behind the head of a job's queue: runs that wait, and those at work beside it.
type tail struct {
	shown []wire.Waiting // the first maxShown
	total int

	beside  []wire.Beside // the first maxShown
	besides int
}

// add adds the next run.
func (t *tail) add(r *Run) {
	if r.admitted {
		if t.besides++; t.besides <= maxShown {
			t.beside = append(t.beside, r.asBeside())
		}
		return
	}
	if t.total++; t.total <= maxShown {
		t.shown = append(t.shown, r.waiting())
	}
}

// headLocked takes note that r is at the head of its job's queue.
func (q *queue) headLocked(r *Run) {
	if r.isHead {
		return
	}
	r.isHead = true
	if before := q.heads[r.job.Name]; before != nil {
		r.previous = before.done
	}
	q.heads[r.job.Name] = r
	close(r.head)
}

// waiting returns all runs of a job that wait behind its head, in order.
func (q *queue) waiting(job string) []wire.Waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	all, isHead := []wire.Waiting{}, true
	for _, r := range q.runs {
		if r.job.Name != job {
			continue
		}
		if !isHead && !r.admitted {
			all = append(all, r.waiting())
		}
		isHead = false
	}
	return all
}

// cancel cancels a run, and reports whether it was in the queue.
func (q *queue) cancel(id string, cause error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.findLocked(id)
	if r == nil {
		return false
	}
	q.cancelLocked(r, cause)
	return true
}

// cancelLocked cancels a run of the queue. One that was not admitted leaves at once.
func (q *queue) cancelLocked(r *Run, cause error) {
	if r.cancelled {
		return
	}
	r.cancelled = true
	r.update(func(p *progress.Progress) { p.Status, r.more.Position = progress.StatusCancelling, 0 })
	r.cancel(cause)
	if !r.admitted {
		q.leaveLocked(r)
	}
}

// loseLocked ends the runs of a unit that the store has taken away.
func (q *queue) loseLocked(own *unit) {
	for _, r := range slices.Clone(q.runs) {
		if r.unit == own {
			q.cancelLocked(r, errLost)
		}
	}
}

// leave takes a run out of the queue, if it is in there.
func (q *queue) leave(r *Run) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaveLocked(r)
}

func (q *queue) leaveLocked(r *Run) {
	i := slices.Index(q.runs, r)
	if i < 0 {
		return
	}
	q.runs = slices.Delete(q.runs, i, i+1)
	close(r.left)
	if name := r.job.Name; !r.admitted { // it does not count as a start
		if i := slices.Index(q.starts[name], r.created); i >= 0 {
			q.starts[name] = slices.Delete(q.starts[name], i, i+1)
		}
	}
	q.advanceLocked()
}

// wasAdmitted reports whether a run has been admitted.
func (q *queue) wasAdmitted(r *Run) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return r.admitted
}

// find returns the run of that id, nil if there is none or it is over.
func (q *queue) find(id string) *Run {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.findLocked(id)
}

func (q *queue) findLocked(id string) *Run {
	if i := slices.IndexFunc(q.runs, func(r *Run) bool { return r.id == id }); i >= 0 {
		return q.runs[i]
	}
	return nil
}

// atWork returns the runs of a job that are admitted and not over, the oldest first.
func (q *queue) atWork(job string) (all []*Run) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.runs {
		if r.admitted && r.job.Name == job {
			all = append(all, r)
		}
	}
	return all
}

// count returns how many runs of a job are at work, and how many wait.
func (q *queue) count(job string) (running, queued int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.runs {
		switch {
		case r.job.Name != job:
		case r.admitted:
			running++
		default:
			queued++
		}
	}
	return running, queued
}

// close lets nothing start any more and cancels every run.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, r := range slices.Clone(q.runs) {
		q.cancelLocked(r, errStopping)
	}
}

// forget drops what is remembered of jobs that are not configured any more.
func (q *queue) forget(isConfigured func(job string) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, r := range q.heads {
		if !isConfigured(name) && !slices.Contains(q.runs, r) {
			delete(q.heads, name)
		}
	}
	for name := range q.starts {
		if !isConfigured(name) {
			delete(q.starts, name)
		}
	}
}

// peopleOf is t for people, nil if there is none.
func (q *queue) peopleOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return q.clock.People(*t)
}
