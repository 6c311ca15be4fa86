package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// The statuses of a run.
const (
	statusRunning    = "running"
	statusCancelling = "cancelling"
	statusSucceeded  = "succeeded"
	statusFailed     = "failed"
	statusCancelled  = "cancelled"
	statusTimedOut   = "timed_out"
)

const (
	keptRuns     = 50       // ended runs of a job that can be asked for
	outputTail   = 16 << 10 // bytes of a run's output kept
	messageLimit = 200      // characters of a progress message
)

var (
	// errBusy is the answer to a trigger while a run with other arguments is in progress.
	errBusy = errors.New("a run with other arguments is in progress")
	// errCancelled is why a run ends that somebody cancelled.
	errCancelled = errors.New("cancelled")
)

// A runSnapshot is the whole state of a run as the API answers it, the streams send it
// and the store holds it.
type runSnapshot struct {
	Key        string          `json:"key"`
	ID         string          `json:"id"`
	Job        string          `json:"job"`
	Status     string          `json:"status"`
	Coalesced  bool            `json:"coalesced"` // this answer joined a run that was in progress
	Requests   int             `json:"requests"`  // triggers that share the run
	Percent    *float64        `json:"percent"`   // 0 to 100, null while unknown
	Message    string          `json:"message"`
	Args       map[string]any  `json:"args"`
	StartedAt  *time.Time      `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	Events     string          `json:"events"`
	Result     json.RawMessage `json:"result"`
	Error      *string         `json:"error"`
	ExitCode   *int            `json:"exit_code"` // of the command; null before it has exited, and if a signal ended it
	Output     string          `json:"output"`    // the end of what the run printed, once it is over
}

// ended reports whether the run is over.
func (r *runSnapshot) ended() bool { return r.Status != statusRunning && r.Status != statusCancelling }

// A job is one definition of a job at work. A run ends under the definition by which
// it began.
type job struct {
	*config.Job
	*runner
}

// A runner has the runs of the jobs of one name, whatever their definition is. The newest
// state of the last run is in its topic, job/NAME; the ends of earlier runs are in topics
// run/NAME/ID. It stays when the job is no longer configured: its runs can be asked for.
type runner struct {
	g     *gateway
	name  string
	key   string
	topic *sse.Topic

	latest atomic.Pointer[config.Job] // the newest definition: it says who may cancel

	mu      sync.Mutex // guards current; makes joining, starting and cancelling one step each
	current *run       // the run in progress, nil if none
}

// A run is one execution of a job. The goroutine started by trigger owns it and ends it.
type run struct {
	job    *job
	handle *progress.Job
	cancel context.CancelCauseFunc

	mu   sync.Mutex // guards snap; after job.mu
	snap runSnapshot
}

func newJob(g *gateway, cfg *config.Job) *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.runners[cfg.Name]
	if r == nil {
		r = &runner{g: g, name: cfg.Name, key: "job/" + cfg.Name}
		r.topic = g.hub.Topic(r.key, sse.TopicOptions{})
		g.runners[cfg.Name] = r
	}
	r.latest.Store(cfg)
	return &job{cfg, r}
}

// trigger starts a run, or joins the one in progress if it has the same arguments.
func (j *job) trigger(args map[string]any) (runSnapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.current; r != nil {
		if !sameArgs(r.snapshot().Args, args) {
			return r.snapshot(), errBusy
		}
		r.update(func(snap *runSnapshot) { snap.Requests++ })
		snap := r.snapshot()
		snap.Coalesced = true
		return snap, nil
	}
	if !j.g.startRun() {
		return runSnapshot{}, errStopping
	}
	handle, isNew, err := j.g.tracker.StartContext(j.g.stopping, j.key)
	if err != nil || !isNew {
		j.g.runs.Done()
		return runSnapshot{}, cmp.Or(err, errBusy)
	}
	ctx, cancel := context.WithCancelCause(handle.Context())
	r := &run{job: j, handle: handle, cancel: cancel, snap: runSnapshot{
		Key:       j.key,
		ID:        handle.ID(),
		Job:       j.Name,
		Status:    statusRunning,
		Requests:  1,
		Args:      args,
		StartedAt: utc(time.Now()),
		Events:    j.g.runPath(handle.ID()) + "/events",
	}}
	r.update(func(*runSnapshot) {}) // the first snapshot
	j.current = r
	go r.execute(ctx)
	return r.snapshot(), nil
}

// cancel ends the run in progress, for every caller that joined it, if it is the one
// with the given id; no id means whichever it is. It returns at once; the run is over
// when its command is.
func (j *runner) cancel(id string, cause error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.current
	if r == nil || id != "" && r.handle.ID() != id {
		return false
	}
	if over := r.snapshot(); over.ended() {
		return false // its end is being stored just now
	}
	r.update(func(snap *runSnapshot) { snap.Status = statusCancelling })
	r.cancel(cause)
	return true
}

// execute runs the command to its end and publishes what it says on the way.
func (r *run) execute(ctx context.Context) {
	j := r.job
	log := j.g.log.With("job", j.Name, "run", r.handle.ID())
	defer j.g.runs.Done()
	defer r.cancel(nil)
	defer func() {
		if p := recover(); p != nil {
			log.Error("run panicked", "panic", p, "stack", string(debug.Stack()))
			r.finish(command.Result{}, fmt.Errorf("internal error: %v", p))
		}
	}()
	ctx, stop := context.WithTimeoutCause(ctx, j.Timeout, errTimedOut{j.Timeout})
	defer stop()
	log.Info("run started")
	result, err := (&command.Command{
		Argv:      j.Argv(r.snapshot().Args),
		Stdout:    r.line,
		Stderr:    r.line,
		MaxOutput: outputTail,
	}).Run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.finish(result, err)
	if err != nil {
		log.Warn("run ended", "err", err)
		return
	}
	log.Info("run ended")
}

// errTimedOut is why a run ends that took longer than its job allows.
type errTimedOut struct{ after time.Duration }

func (e errTimedOut) Error() string { return fmt.Sprintf("timed out after %v", e.after) }

// sameArgs reports whether two sets of bound arguments mean the same run.
func sameArgs(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// finish stores how the run ended: first the record that stays, then the job's topic,
// so that at no moment the run is unknown.
func (r *run) finish(result command.Result, err error) {
	r.mu.Lock()
	snap := &r.snap
	snap.FinishedAt = utc(time.Now())
	snap.Output = string(result.Tail)
	if exit := new(command.ExitError); err == nil || errors.As(err, &exit) && exit.Signal == "" {
		snap.ExitCode = &result.ExitCode
	}
	switch {
	case err == nil:
		full := 100.0
		snap.Status, snap.Percent = statusSucceeded, &full
	case errors.As(err, new(errTimedOut)):
		snap.Status = statusTimedOut
	case errors.Is(err, errCancelled), errors.Is(err, errStopping):
		snap.Status = statusCancelled
	default:
		snap.Status = statusFailed
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "command: ") // people read it beside the job's name
		snap.Error = &text
	}
	final := *snap
	r.mu.Unlock()

	r.job.record(final)
	r.job.g.auditRun(&final)
	r.job.mu.Lock()
	defer r.job.mu.Unlock()
	r.job.current = nil
	r.handle.Finish(final)
}

// record keeps the end of a run under its id, and forgets the oldest ones beyond keptRuns.
func (j *runner) record(final runSnapshot) {
	ctx := context.WithoutCancel(j.g.stopping)
	data, err := json.Marshal(final)
	if err == nil {
		err = j.keep(ctx, final.ID, data, retention)
	}
	if err != nil {
		j.g.log.Error("the end of a run was not recorded", "job", j.name, "run", final.ID, "err", err)
		return
	}
	var ended []runSnapshot
	for topic := range j.g.hub.Topics() {
		if !strings.HasPrefix(topic.Name(), j.recordTopic("")) {
			continue
		}
		if snap, ok := latestRun(topic); ok {
			ended = append(ended, snap)
		}
	}
	if len(ended) <= keptRuns {
		return
	}
	slices.SortFunc(ended, func(a, b runSnapshot) int { return a.FinishedAt.Compare(*b.FinishedAt) })
	for _, old := range ended[:len(ended)-keptRuns] {
		if err := j.keep(ctx, old.ID, nil, 0); err != nil {
			j.g.log.Error("an old run was not forgotten", "job", j.name, "run", old.ID, "err", err)
		}
	}
}

// keep stores data as the end of run id for the given time; no time forgets it.
func (j *runner) keep(ctx context.Context, id string, data []byte, retention time.Duration) error {
	claim, _, err := j.g.store.Claim(ctx, j.recordTopic(id), snapshot.ClaimOptions{Run: id})
	if err != nil {
		return err
	}
	if claim == nil {
		return errors.New("it is recorded already")
	}
	return claim.Finish(ctx, data, retention)
}

// recordTopic names the topic that holds the end of run id.
func (j *runner) recordTopic(id string) string { return "run/" + j.name + "/" + id }

// run finds the newest state of the run with the given id and the topic it is in.
func (g *gateway) run(id string) (*runner, *sse.Topic, runSnapshot, bool) {
	g.mu.Lock()
	runners := slices.Collect(maps.Values(g.runners))
	g.mu.Unlock()
	for _, j := range runners {
		for _, name := range []string{j.key, j.recordTopic(id)} {
			topic, ok := g.hub.Lookup(name)
			if !ok || topic.Run() != id {
				continue
			}
			if snap, ok := latestRun(topic); ok && snap.ID == id {
				return j, topic, snap, true
			}
		}
	}
	return nil, nil, runSnapshot{}, false
}

// latestRun reads the newest run of a topic.
func latestRun(topic *sse.Topic) (snap runSnapshot, ok bool) {
	latest, ok := topic.Latest()
	if !ok || json.Unmarshal(latest.Data, &snap) != nil {
		return runSnapshot{}, false
	}
	return snap, true
}

// snapshot returns the run's state now.
func (r *run) snapshot() runSnapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap
}

// update changes the run's state and publishes it.
func (r *run) update(change func(*runSnapshot)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.snap)
	r.handle.Publish(r.snap)
}

// line takes one line of the command's output. "::progress 42 text" and "::result JSON"
// are understood always, the job's own pattern beside them; without a pattern any other
// line is the message.
func (r *run) line(line string) {
	if rest, ok := strings.CutPrefix(line, "::result "); ok {
		if result := json.RawMessage(strings.TrimSpace(rest)); json.Valid(result) {
			r.update(func(snap *runSnapshot) { snap.Result = bytes.Clone(result) })
			return
		}
	}
	percent, message, ok := "", "", false
	if rest, found := strings.CutPrefix(line, "::progress "); found {
		percent, message, _ = strings.Cut(strings.TrimSpace(rest), " ")
		ok = true
	} else if pattern := r.job.Progress; pattern == nil {
		message, ok = line, strings.TrimSpace(line) != ""
	} else if match := pattern.FindStringSubmatch(line); match != nil {
		if i := pattern.SubexpIndex("percent"); i >= 0 {
			percent = match[i]
		}
		if i := pattern.SubexpIndex("message"); i >= 0 {
			message = match[i]
		}
		ok = true
	}
	if !ok {
		return
	}
	r.update(func(snap *runSnapshot) {
		if p, err := strconv.ParseFloat(percent, 64); err == nil && !math.IsNaN(p) {
			p = min(max(p, 0), 100)
			snap.Percent = &p
		}
		snap.Message = shorten(strings.TrimSpace(message))
	})
}

// shorten cuts s to what a card shows.
func shorten(s string) string {
	if runes := []rune(s); len(runes) > messageLimit {
		return string(runes[:messageLimit-1]) + "…"
	}
	return s
}
