package jobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// fullQueueFor is the time after which it is worth asking a full queue again.
const fullQueueFor = 5 * time.Second

// runs decides which run begins when. It is one line of all runs that are not over, in
// the order of their triggers. A run may begin when no older one in the line is of the
// same job or of the same group; so the runs of a job, and those of a group, never
// overlap, nobody is overtaken by whom it could have stood in the way of, and jobs that
// have nothing to do with each other do not wait for each other.
//
//	            trigger                 turn               end of the work
//	(nothing) ----------> queued ----------------> running -------------> ended, out of the line
//	                        | cancel, replaced,       | cancel, replaced,    ^
//	                        | stop                    v stop, timeout        |
//	                        |                     cancelling ----------------+
//	                        +------------------------------------------------+
//
// A trigger whose job is in the line already is decided by the job's on_busy:
//
//   - A run of equal arguments that has not begun is joined, whatever on_busy says but
//     reject: who starts now could not ask for more. With join so is one in progress. A job
//     with secret arguments joins nobody: whoever guesses one would learn that they are right.
//   - join and reject refuse everything else.
//   - queue lets it stand behind, while fewer than the job's queue wait.
//   - replace cancels the older ones, and it stands behind them until they have ended.
//
// A group adds waiting and nothing else: a job whose group is busy stands in the line like
// any other, and on_busy speaks of its own runs alone.
//
// Deciding and registering are one step under mu. What takes time, such as claiming the
// run's topic, is done by the goroutine of the run, and a trigger waits for that outside.
type runs struct {
	s *Service

	wg sync.WaitGroup // the goroutines of the runs; Add under mu

	mu     sync.Mutex             // guards the fields below; before run.mu
	closed bool                   // no run may start any more
	line   []*Run                 // not over, oldest first
	newest map[string]*Run        // by job: the one that was its first most recently
	starts map[string][]time.Time // by job: the starts within its limit's time, oldest first
	keys   *idempotency.Keys[access.Identity, replay]
}

// A replay is what a start with an Idempotency-Key came to.
type replay struct {
	run       string
	coalesced bool
}

// StartOptions is a wish to run a job.
type StartOptions struct {
	Trigger string          // wire.TriggerAPI or wire.TriggerSchedule
	Args    map[string]any  // as [config.Job.Bind] has made them
	Caller  access.Identity // who asks
	Key     string          // Idempotency-Key; "": none

	// Audit records the start, as soon as there is a run that it makes or joins and before a new one begins. Nil
	// records nothing.
	Audit func(action string, attrs ...slog.Attr)
}

// audit records that the start led to a run.
func (w StartOptions) audit(snap wire.Run) {
	if w.Audit == nil {
		return
	}
	args, _ := json.Marshal(snap.Args) // texts, numbers and truths encode
	w.Audit("trigger", slog.String("job", snap.Job), slog.String("run", snap.ID), slog.Any("args", json.RawMessage(args)), slog.Bool("coalesced", snap.Coalesced))
}

func newRuns(s *Service) *runs {
	runs := &runs{s: s, newest: map[string]*Run{}, starts: map[string][]time.Time{}}
	runs.keys = idempotency.New[access.Identity](idempotency.Options[replay]{
		Known: func(came replay) bool { return runs.knownLocked(came.run) },
	})
	return runs
}

// Start makes a run of j, or finds the one that the wish joins or has led to before, and
// returns its state; r is nil if it is over. The error is a [*Refusal], the store's, or ctx's.
func (s *Service) Start(ctx context.Context, j *Job, wish StartOptions) (r *Run, snap wire.Run, err error) {
	r, coalesced, id, err := s.runs.admit(j, wish, s.Clock.Now())
	if err != nil {
		return nil, wire.Run{}, err
	}
	if r == nil {
		_, snap, ok := s.Lookup(id)
		if !ok {
			return nil, wire.Run{}, &Refusal{Code: Expired, Detail: "the run of this Idempotency-Key has expired"}
		}
		snap.Coalesced = coalesced
		return nil, snap, nil
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, wire.Run{}, context.Cause(ctx)
	}
	if r.err != nil {
		return nil, wire.Run{}, r.err
	}
	snap = r.Snapshot()
	snap.Coalesced = coalesced
	if coalesced {
		wish.audit(snap)
	}
	return r, snap, nil
}

// admit decides about a start and registers what comes of it. Without a run, id is that
// of one which is over.
func (s *runs) admit(j *Job, wish StartOptions, now time.Time) (r *Run, coalesced bool, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wish.Key == "" {
		if r, coalesced, err = s.decideLocked(j, wish, now); err != nil {
			return nil, false, "", err
		}
		return r, coalesced, r.id, nil
	}
	args, _ := json.Marshal(wish.Args) // texts, numbers and truths encode
	key := idempotency.Key[access.Identity]{Caller: wish.Caller, Scope: j.Name, Key: wish.Key}
	// No other call is in progress while mu is held, so there is none to wait for.
	came, first, err := s.keys.Do(context.Background(), key, idempotency.Of(args), func() (replay, error) {
		var err error
		if r, coalesced, err = s.decideLocked(j, wish, now); err != nil {
			return replay{}, err
		}
		return replay{r.id, coalesced}, nil
	})
	switch {
	case errors.Is(err, idempotency.ErrReused):
		return nil, false, "", &Refusal{Code: KeyReused, Run: came.run,
			Detail: "this Idempotency-Key was used with another body: use a new one for each start"}
	case err != nil:
		return nil, false, "", err
	case !first:
		r = s.findLocked(came.run)
	}
	return r, came.coalesced, came.run, nil
}

func (s *runs) decideLocked(j *Job, wish StartOptions, now time.Time) (r *Run, coalesced bool, err error) {
	if s.closed {
		return nil, false, &Refusal{Code: Stopping, Detail: errStopping.Error(), After: 5 * time.Second}
	}
	var mine []*Run
	queued := 0
	for _, r := range s.line {
		if r.job.Name != j.Name {
			continue
		}
		mine = append(mine, r)
		joins := !r.stopped && !hasSecrets(j.Job) && (j.OnBusy == config.BusyJoin || !r.begun && j.OnBusy != config.BusyReject)
		if joins && sameArgs(r.args, wish.Args) {
			r.update(func(*progress.Progress) { r.more.Requests++ })
			return r, true, nil
		}
		if !r.begun {
			queued++
		}
	}
	if len(mine) > 0 {
		switch j.OnBusy {
		case config.BusyQueue:
			if queued >= j.Queue {
				return nil, false, &Refusal{Code: QueueFull, Run: mine[0].id, After: fullQueueFor,
					Detail: fmt.Sprintf("the queue is full: %d wait already", queued)}
			}
		case config.BusyReplace:
		default:
			return nil, false, busy(j, mine, wish)
		}
	}
	if at := s.availableLocked(j, now); at != nil {
		return nil, false, &Refusal{Code: Limited, After: at.Sub(now),
			Detail: fmt.Sprintf("%d in %v is the limit of starts: the next one is possible at %s", j.Limit.Starts, j.Limit.Per, s.s.Clock.People(*at).Format(time.RFC3339))}
	}
	if len(mine) > 0 && j.OnBusy == config.BusyReplace {
		for _, old := range mine {
			s.cancelLocked(old, errReplaced)
		}
	}
	r = newRun(j, rand.Text(), wish, now)
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(s.s.Stopping))
	r.cancel = cancel
	if j.Limit.Starts > 0 {
		s.starts[j.Name] = append(s.starts[j.Name], now)
	}
	s.line = append(s.line, r)
	s.settleLocked()
	s.wg.Add(1)
	go r.live(ctx)
	return r, false, nil
}

// busy says why a job that is busy refuses a start.
func busy(j *Job, mine []*Run, wish StartOptions) *Refusal {
	e := &Refusal{Code: Busy, Run: mine[0].id}
	switch {
	case j.OnBusy == config.BusyReject:
		e.Detail = "a run is in progress: wait for its end or cancel it"
	case hasSecrets(j.Job):
		e.Detail = "a run is in progress, and a job with secret arguments joins none: wait for its end or cancel it"
	case sameArgs(mine[0].args, wish.Args):
		e.Detail = "the run in progress is being cancelled: wait for its end"
	default:
		e.Detail = "a run with other arguments is in progress: wait for its end or cancel it"
	}
	return e
}

// availableLocked returns when the limit of j lets it start again, nil if it does now.
func (s *runs) availableLocked(j *Job, now time.Time) *time.Time {
	if j.Limit.Starts == 0 {
		return nil
	}
	starts := slices.DeleteFunc(s.starts[j.Name], func(at time.Time) bool { return now.Sub(at) >= j.Limit.Per })
	s.starts[j.Name] = starts
	if len(starts) < j.Limit.Starts {
		return nil
	}
	at := starts[len(starts)-j.Limit.Starts].Add(j.Limit.Per)
	return &at
}

// availableAt returns when the limit of j lets it start again, nil if it does now.
func (s *runs) availableAt(j *Job) *time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.availableLocked(j, s.s.Clock.Now())
}

// settleLocked gives everybody in the line their place: their turn to whom nobody stands
// in the way of, and to the first of each job who waits behind it.
func (s *runs) settleLocked() {
	ofJob, ofGroup := map[string]int{}, map[string]int{}
	firsts, queues, queued := []*Run{}, map[string][]wire.Waiting{}, map[string]int{}
	now := s.s.Clock.Now()
	for _, r := range s.line {
		name, group := r.job.Name, r.job.Group
		if ofJob[name] == 0 {
			firsts = append(firsts, r)
			if !r.first {
				r.first = true
				if before := s.newest[name]; before != nil {
					r.after = before.done
				}
				s.newest[name] = r
				close(r.front)
			}
		}
		ahead, behind := ofJob[name], ofJob[name] > 0
		if group != "" {
			ahead = max(ahead, ofGroup[group])
			ofGroup[group]++
		}
		ofJob[name]++
		switch {
		case r.begun:
		case ahead == 0:
			r.begun = true
			r.update(func(p *progress.Progress) {
				p.Status, p.StartedAt = progress.StatusRunning, now
				r.more.Position = 0
			})
			close(r.turn)
		default:
			if snap := r.Snapshot(); snap.Position != ahead {
				r.update(func(*progress.Progress) { r.more.Position = ahead })
			}
			if !behind {
				continue
			}
			if queued[name]++; queued[name] <= maxShown {
				queues[name] = append(queues[name], wire.Waiting{ID: r.id, Position: ahead, Args: r.Snapshot().Args})
			}
		}
	}
	for _, r := range firsts {
		r.place(queues[r.job.Name], queued[r.job.Name], s.peopleOf(s.availableLocked(r.job, now)))
	}
}

// queueOf is all runs of a job that wait behind its first one, in order.
func (s *runs) queueOf(name string) []wire.Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, first := []wire.Waiting{}, true
	for _, r := range s.line {
		if r.job.Name != name {
			continue
		}
		if !first && !r.begun {
			snap := r.Snapshot()
			queue = append(queue, wire.Waiting{ID: r.id, Position: snap.Position, Args: snap.Args})
		}
		first = false
	}
	return queue
}

// peopleOf is t for people, nil if there is none.
func (s *runs) peopleOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return s.s.Clock.People(*t)
}

// clockSet says anew when jobs can start again.
func (s *runs) clockSet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleLocked()
}

// cancel ends a run for every caller that joined it, and reports whether it was not over.
// It returns at once; the run is over when its work is.
func (s *runs) cancel(id string, cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.findLocked(id)
	if r == nil {
		return false
	}
	s.cancelLocked(r, cause)
	return true
}

// cancelLocked ends a run of the line. One that has not begun leaves it at once.
func (s *runs) cancelLocked(r *Run, cause error) {
	if r.stopped {
		return
	}
	r.stopped = true
	r.update(func(p *progress.Progress) { p.Status, r.more.Position = progress.StatusCancelling, 0 })
	r.cancel(cause)
	if !r.begun {
		s.leaveLocked(r)
	}
}

// leave takes a run out of the line, if it is there.
func (s *runs) leave(r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked(r)
}

func (s *runs) leaveLocked(r *Run) {
	i := slices.Index(s.line, r)
	if i < 0 {
		return
	}
	s.line = slices.Delete(s.line, i, i+1)
	if name := r.job.Name; !r.begun { // it was no start after all
		if i := slices.Index(s.starts[name], r.created); i >= 0 {
			s.starts[name] = slices.Delete(s.starts[name], i, i+1)
		}
	}
	s.settleLocked()
}

// find returns the run of that id, nil if there is none or it is over.
func (s *runs) find(id string) *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id)
}

func (s *runs) findLocked(id string) *Run {
	if i := slices.IndexFunc(s.line, func(r *Run) bool { return r.id == id }); i >= 0 {
		return s.line[i]
	}
	return nil
}

// count returns how many runs of a job are at work, and how many wait.
func (s *runs) count(job string) (running, queued int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.line {
		switch {
		case r.job.Name != job:
		case r.begun:
			running++
		default:
			queued++
		}
	}
	return running, queued
}

// outputOf returns the output of a run as far as this process has it: of every run that
// is not over, and of the newest one of each job.
func (s *runs) outputOf(id string) *Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.findLocked(id); r != nil {
		return r.output
	}
	for _, r := range s.newest {
		if r.id == id {
			return r.output
		}
	}
	return nil
}

// knownLocked reports whether a run can still be asked for.
func (s *runs) knownLocked(id string) bool {
	if s.findLocked(id) != nil {
		return true
	}
	_, _, ok := s.s.Lookup(id)
	return ok
}

// stop lets no further run start, ends those in the line and waits for them.
func (s *runs) stop() {
	s.mu.Lock()
	s.closed = true
	for _, r := range slices.Clone(s.line) {
		s.cancelLocked(r, errStopping)
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// forget drops what is remembered of jobs that are not configured any more.
func (s *runs) forget(configured func(name string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.newest {
		if !configured(name) && !slices.Contains(s.line, r) {
			delete(s.newest, name)
		}
	}
	for name := range s.starts {
		if !configured(name) {
			delete(s.starts, name)
		}
	}
}

// sameArgs reports whether two sets of bound arguments mean the same run.
func sameArgs(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return cmp.Or(errX, errY) == nil && bytes.Equal(x, y)
}
