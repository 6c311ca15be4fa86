package progress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Causes of the end of a [Job.Context], for [context.Cause].
var (
	// ErrCancelled means that [Tracker.Cancel] or [Tracker.CancelContext] was called.
	ErrCancelled = errors.New("progress: the job was cancelled")

	// ErrLost means that the run lost its topic: its claim could not be renewed, or the entry was removed from the
	// store. The worker should stop, since another run may have begun.
	ErrLost = errors.New("progress: the job lost its topic")
)

// finishWithin bounds the time for storing a terminal.
const finishWithin = 30 * time.Second

// Job is the handle of one run. It belongs to the caller for whom [Tracker.Start] returned isNew. Callers that join get
// the same Job if the run is in their process, and otherwise a Job that only names the run: publishing to it does
// nothing.
//
// Its methods may be called from any goroutine, even after the Tracker has ended.
type Job struct {
	// Lock order: the store's own locks, Tracker.mu, then mu; Publish and Finish take none of the
	// Tracker's locks.

	tracker  *Tracker
	topic    string
	run      string
	claim    snapshot.Claim     // nil: the run belongs to another process, or could not begin
	payload  func(Progress) any // see StartOptions.Payload
	err      error              // why the run could not begin
	over     atomic.Bool        // set by the first Finish, or by the end of the run
	unstored atomic.Bool        // the store has not taken the terminal, so there will be none

	mu sync.Mutex // guards the fields below

	ctx       context.Context // nil until first needed
	cancel    context.CancelCauseFunc
	lost      bool          // the run lost its topic before it was finished
	ended     time.Duration // from Tracker.born to the end of the run; zero until then
	retention time.Duration // of the terminal; does not change once the run is over
}

// ID returns the unique id of the run: ASCII letters and digits. It is "" if Err is not nil.
func (j *Job) ID() string { return j.run }

// Err returns why [Tracker.Start] could neither begin nor join a run: the store's error, or one that wraps [ErrEnded].
// It is nil for every other Job, whatever the outcome of its run.
func (j *Job) Err() error { return j.err }

// Publish makes data, encoded as JSON, the newest snapshot of the job. It waits for no reader, and data may be changed
// afterwards. After Finish it does nothing. Nil is a valid payload: null. If data cannot be encoded, panics when it is, or
// is more than the store takes ([snapshot.Store].MaxData), that is logged and the previous snapshot stays.
func (j *Job) Publish(data any) {
	if j.claim == nil || j.over.Load() {
		return
	}
	payload, err := j.encode(data)
	if err != nil {
		j.tracker.log.Error("payload dropped: it cannot be encoded", "topic", j.topic, "run", j.run, "err", err)
		return
	}
	j.claim.Put(payload)
}

// Retain sets for how long the end of this run is kept, instead of the Tracker's retention, whatever ends it: Finish,
// [Job.Run] or a [Publisher]. With zero or less it is not kept: streams and loops of [Tracker.Watch] that are open get
// the terminal, and whoever comes later finds no run. (So clients of a [Handler], which ask in one request after the
// other, may miss it.)
//
// The last call before the end counts. After the end Retain does nothing; see [Tracker.Forget]. It is for the worker,
// like Publish: on a Job that only names the run of another process it does nothing.
func (j *Job) Retain(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.claim != nil && !j.over.Load() { // finish sets over before it reads the retention under mu
		j.retention = d
	}
}

// retained returns the retention of the terminal.
func (j *Job) retained() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.retention
}

// Finish ends the job with data as its terminal, which is kept for the Tracker's retention, or for that of
// [Job.Retain]; data tells success from failure. The first Finish counts, later ones do nothing, so a deferred one is a
// safety net. If data cannot be encoded or stored, as for Publish, that is logged, and the terminal is `{"status":"failed","error":"..."}` with
// the reason.
//
// With a store in the process it returns at once. Another store may be out of reach: then Finish keeps trying for the
// Tracker's retention, but at most 30 seconds, and logs the failure; the run is eventually shown as lost.
func (j *Job) Finish(data any) {
	if j.claim == nil || j.over.Load() {
		return
	}
	j.finishOrLog(j.encodeEnd(data))
}

// encodeEnd returns data as a terminal, or a terminal with the reason why data cannot be encoded.
func (j *Job) encodeEnd(data any) []byte {
	payload, err := j.encode(data)
	if err != nil {
		j.tracker.log.Error("terminal replaced: it cannot be encoded", "topic", j.topic, "run", j.run, "err", err)
		return terminal("failed", "progress: the result cannot be encoded: "+err.Error())
	}
	return payload
}

// finish ends the job with an encoded terminal, and returns the error if that could not be stored: ErrLost if the run has
// lost its topic before.
func (j *Job) finish(payload []byte) error {
	if j.claim == nil {
		return nil
	}
	if !j.over.CompareAndSwap(false, true) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.lost {
			return ErrLost
		}
		return nil
	}
	ctx, cancel := j.tracker.finishing()
	defer cancel()
	err := j.claim.Finish(ctx, payload, j.retained())
	if err != nil {
		j.unstored.Store(true)
		j.tracker.notify()
	}
	j.end(nil)
	return err
}

// finishing returns the context for storing a terminal. It is not under that of the Tracker: a worker that stops because
// that has ended can still store its terminal for other processes.
func (t *Tracker) finishing() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.ctx), min(t.retention, finishWithin))
}

func (j *Job) finishOrLog(payload []byte) {
	if err := j.finish(payload); err != nil {
		j.tracker.log.Error("terminal not stored", "topic", j.topic, "run", j.run, "err", err)
	}
}

// lazy makes a payload when it is encoded, so that a panic in it counts as a panic of the encoding.
type lazy func() any

// payloadOf returns the payload that a Publisher publishes for p.
func (j *Job) payloadOf(p Progress) any {
	if j.payload == nil {
		return p
	}
	return lazy(func() any { return j.payload(p) })
}

// encode returns data as JSON, or an error if that is more than the store can take. A panic in the methods of data is
// logged and returned as an error, because a run must not be left without an end.
func (j *Job) encode(data any) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.tracker.log.Error(
				"encoding panicked", "topic", j.topic, "run", j.run, "panic", p, "stack", string(debug.Stack()))
			payload, err = nil, errors.New("its encoding panicked")
		}
	}()
	if made, ok := data.(lazy); ok {
		data = made()
	}
	if payload, err = json.Marshal(data); err != nil {
		return nil, errors.New(err.Error()) // an error that it wraps may panic when printed later
	}
	if most := j.tracker.maxData; len(payload) > most {
		return nil, fmt.Errorf("it has %d bytes as JSON, and the store takes at most %d", len(payload), most)
	}
	return payload, nil
}

// terminal returns a terminal with the given status and error.
func terminal(status, reason string) []byte {
	b, err := json.Marshal(struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	}{status, reason})
	if err != nil {
		panic("progress: two strings cannot be encoded: " + err.Error())
	}
	return b
}

// Context returns a context for the work. It ends when [Tracker.Cancel] is called (with the cause [ErrCancelled]),
// when the run loses its topic ([ErrLost]), after Finish, when [Tracker.Shutdown] is called ([ErrEnded]), and with the
// Tracker.
func (j *Job) Context() context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.contextLocked()
}

func (j *Job) contextLocked() context.Context {
	if j.ctx != nil {
		return j.ctx
	}
	j.ctx, j.cancel = context.WithCancelCause(j.tracker.ctx)
	if j.claim == nil || j.claim.Lost() == nil {
		return j.ctx
	}
	go func(ctx context.Context, cancel context.CancelCauseFunc) { // ends with the context, and so with the run
		select {
		case <-j.claim.Lost():
			cancel(ErrLost)
		case <-ctx.Done():
		}
	}(j.ctx, j.cancel)
	return j.ctx
}

// requestCancel asks the worker to stop because of cause, and reports whether this process has the worker.
func (j *Job) requestCancel(cause error) bool {
	if j.claim == nil || j.over.Load() {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.contextLocked()
	j.cancel(cause)
	return true
}

// end marks the run as over, and ends the job's context with cause unless that has ended before.
func (j *Job) end(cause error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over.CompareAndSwap(false, true) { // under mu: finish looks at lost then
		j.lost = cause == ErrLost
	}
	j.contextLocked()
	j.cancel(cause)
	if j.ended == 0 {
		j.ended = max(time.Since(j.tracker.born), 1)
	}
}

// forgotten reports whether the retention of the job's terminal is over, and the Tracker's too: a client may repeat its
// request when a terminal that was not kept has gone.
func (j *Job) forgotten() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended > 0 && time.Since(j.tracker.born)-j.ended > max(j.retention, j.tracker.retention)
}
