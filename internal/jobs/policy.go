package jobs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/sse/progress"
)

// retryFullQueue is how long a caller should wait before it asks a full queue again.
const retryFullQueue = 5 * time.Second

// decideLocked decides what becomes of a start. While the job has runs in the queue, its on_busy decides:
//
//   - A run with equal arguments that is not cancelled is joined if it has not been admitted, unless on_busy is
//     reject: a new one could do nothing else. With on_busy join, one that is at work is joined too. Nobody joins a
//     run of a job with secret arguments, because that would confirm a guessed secret.
//   - join and reject refuse everything else.
//   - queue adds a run, as long as fewer than the job's queue wait.
//   - replace cancels the older runs, and adds one that waits until they have ended.
//
// Of a job with parallel_by, all of this is about the runs in the lane of the start.
//
// A run that takes the place of one which waited is not refused because of the queue, of its job or of its limit: the start before it
// was accepted, whatever has come since. With on_busy replace, what has come since replaces it.
//
// A group has no part in this: a job whose group is busy waits in the queue, and on_busy is about its own runs alone.
func (q *queue) decideLocked(j *Job, opts StartOptions, now time.Time) (started, error) {
	if q.closed {
		return started{}, &Refusal{Code: Stopping, Detail: errStopping.Error(), After: 5 * time.Second}
	}
	lane, lanes := laneOf(j.Job, opts.Args), map[string]bool{}
	var own []*Run // of the lane of the start
	queued := 0    // of the job
	for _, r := range q.runs {
		if r.job.Name != j.Name {
			continue
		}
		if r.mayBeJoined(j) && sameArgs(r.args, opts.Args) {
			r.update(func(*progress.Progress) { r.more.Requests++ })
			return started{id: r.id, run: r, coalesced: true}, nil
		}
		if lanes[r.lane] = true; r.lane == lane || r.lane == "" || lane == "" {
			own = append(own, r)
		}
		if !r.admitted {
			queued++
		}
	}
	if len(own) == 0 && len(lanes) >= maxLanes {
		return started{}, &Refusal{Code: QueueFull, After: retryFullQueue,
			Detail: fmt.Sprintf("%d runs with other values of %s are in progress, and no more at a time", len(lanes), strings.Join(j.ParallelBy, ", "))}
	}
	if refusal := refusalOf(j, own, queued, opts); refusal != nil {
		return started{}, refusal
	}
	if size := sizeOfFiles(opts.Args); size > 0 && q.filesLocked()+size > maxAllFiles {
		return started{}, &Refusal{Code: QueueFull, After: retryFullQueue,
			Detail: fmt.Sprintf("the files of the runs that wait or are in progress may have %d bytes together, and there is no room for %d more", maxAllFiles, size)}
	}
	if at := q.availableLocked(j, now); at != nil && !takesPlace(j.Job, opts) {
		return started{}, &Refusal{Code: Limited, After: at.Sub(now),
			Detail: fmt.Sprintf("%d in %s is the limit of starts: the next one is possible at %s",
				j.Limit.Starts, clock.Words(j.Limit.Per), q.clock.People(*at).Format(time.RFC3339))}
	}
	if j.OnBusy == config.BusyReplace {
		for _, r := range own {
			q.cancelLocked(r, errReplaced)
		}
	}
	r := q.addLocked(j, opts, now)
	return started{id: r.id, run: r}, nil
}

// maxAllFiles bounds the files that the starts of all runs that are not over have given, in bytes: they are in memory.
const maxAllFiles = 256_000_000

// filesLocked is how many bytes these files have.
func (q *queue) filesLocked() (size int) {
	for _, r := range q.runs {
		size += sizeOfFiles(r.args)
	}
	return size
}

// sizeOfFiles is how many bytes the files among bound arguments have together.
func sizeOfFiles(args map[string]any) (size int) {
	for _, v := range args {
		if f, ok := v.(*config.File); ok {
			size += f.Size
		}
	}
	return size
}

// mayBeJoined reports whether a start of j with equal arguments may join the run. The caller holds queue.mu.
func (r *Run) mayBeJoined(j *Job) bool {
	if r.cancelled || hasSecrets(j.Job) {
		return false
	}
	return j.OnBusy == config.BusyJoin || !r.admitted && j.OnBusy != config.BusyReject
}

// refusalOf returns why a job refuses one more run, nil if it does not. Own are its runs in the queue; queued is how
// many of them wait.
func refusalOf(j *Job, own []*Run, queued int, opts StartOptions) error {
	switch {
	case !takesPlace(j.Job, opts):
	case len(own) > 0 && j.OnBusy == config.BusyReplace:
		return &Refusal{Code: Busy, Run: own[0].id, Detail: errReplaced.Error()}
	default:
		return nil
	}
	if len(own) == 0 || j.OnBusy == config.BusyReplace || j.OnBusy == config.BusyQueue && queued < j.Queue {
		return nil
	}
	refusal := &Refusal{Code: Busy, Run: own[0].id}
	switch {
	case j.OnBusy == config.BusyQueue:
		refusal.Code, refusal.After = QueueFull, retryFullQueue
		refusal.Detail = fmt.Sprintf("the queue is full: %d wait already", queued)
	case j.OnBusy == config.BusyReject:
		refusal.Detail = "a run is in progress: wait for its end or cancel it"
	case hasSecrets(j.Job):
		refusal.Detail = "a run is in progress, and a job with secret arguments joins none: wait for its end or cancel it"
	case sameArgs(own[0].args, opts.Args):
		refusal.Detail = "the run in progress is being cancelled: wait for its end"
	default:
		refusal.Detail = "a run with other arguments is in progress: wait for its end or cancel it"
	}
	return refusal
}

// sameArgs reports whether two sets of bound arguments mean the same run.
func sameArgs(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return cmp.Or(errX, errY) == nil && bytes.Equal(x, y)
}

// availableLocked returns when the limit of j lets it start again, nil if it does now.
func (q *queue) availableLocked(j *Job, now time.Time) *time.Time {
	if j.Limit.Starts == 0 {
		return nil
	}
	starts := slices.DeleteFunc(q.starts[j.Name], func(at time.Time) bool { return now.Sub(at) >= j.Limit.Per })
	q.starts[j.Name] = starts
	if len(starts) < j.Limit.Starts {
		return nil
	}
	at := starts[len(starts)-j.Limit.Starts].Add(j.Limit.Per)
	return &at
}

// availableAt returns when people are told that j can start again, nil if it can now.
func (q *queue) availableAt(j *Job) *time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.peopleOf(q.availableLocked(j, q.clock.Now()))
}
