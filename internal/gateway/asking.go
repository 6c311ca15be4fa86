package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
)

// A request about what another replica does is asked of that one, with the arguments that were checked and the identity
// that was authenticated where it came in. Alone, nothing is asked.

const (
	// startWithin bounds the time for the answer to a start, which has to be stored, and askWithin that for any other.
	startWithin = 10 * time.Second
	askWithin   = 3 * time.Second
	// holderWithin is how long a request waits for a replica that does what it is about: the units of one that stops are
	// another's before.
	holderWithin = 2 * time.Second
	holderAgain  = 50 * time.Millisecond
)

// What one replica asks another one.
const (
	toStart   = "start"
	toCancel  = "cancel"
	toOutput  = "output"
	toQueue   = "queue"
	toRefresh = "refresh"
	toPush    = "push"
	toPolls   = "polls"
	toPast    = "past"
	toHear    = "hear"
	toEvents  = "events"
	toFetch   = "fetch" // a question that is too large for one message, see [gateway.fetch]
	toPiece   = "piece" // a part of that

	toAcknowledge = "acknowledge"
)

// A question is what one replica asks another one, as JSON.
type question struct {
	Format  int              `json:"v"` // see package replica
	Op      string           `json:"op"`
	Job     string           `json:"job,omitempty"`
	Args    map[string]any   `json:"args,omitempty"` // as the client gave them, defaults included
	Like    string           `json:"like,omitempty"`
	Trigger string           `json:"trigger,omitempty"`
	Caller  *access.Identity `json:"caller,omitempty"`
	Key     string           `json:"key,omitempty"`
	ID      string           `json:"id,omitempty"`    // of the run that is to start; empty: a random one; or of a question to fetch
	After   *wire.RunRef     `json:"after,omitempty"` // the run whose end starts it
	Run     string           `json:"run,omitempty"`
	From    int64            `json:"from,omitempty"`
	Most    int              `json:"most,omitempty"`
	Source  string           `json:"source,omitempty"`
	Data    []byte           `json:"data,omitempty"`  // of a value
	Media   string           `json:"media,omitempty"` // its media type
	Alert   string           `json:"alert,omitempty"` // the key of its subject
	By      string           `json:"by,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Who     string           `json:"who,omitempty"`    // the ID of the replica that asks
	Events  []archive.Event  `json:"events,omitempty"` // that have happened to it
}

// An answer is that to a question. Ok is false if the replica cannot answer that.
type answer struct {
	OK      bool            `json:"ok"`
	Run     *wire.Run       `json:"run,omitempty"`
	Known   bool            `json:"known,omitempty"` // the key of a start has led to the run before
	Refusal *jobs.Refusal   `json:"refusal,omitempty"`
	Error   string          `json:"error,omitempty"`
	Output  *archive.Output `json:"output,omitempty"`
	Queue   []wire.Waiting  `json:"queue,omitempty"`
	Wait    time.Duration   `json:"wait,omitempty"`

	Alert *wire.AlertObject `json:"alert,omitempty"`

	NotAsked bool           `json:"not_asked,omitempty"` // the source cannot be asked for its value
	Push     *pushed        `json:"push,omitempty"`
	Polls    []archive.Poll `json:"polls,omitempty"` // which this replica has made
	Past     []byte         `json:"past,omitempty"`  // an [archive.Copy]
	Piece    []byte         `json:"piece,omitempty"` // of a question

	Events []archive.Event  `json:"events,omitempty"` // newest first
	Newest int64            `json:"newest,omitempty"` // the ID of the newest event that is known of the one that asks
	Heard  map[string]int64 `json:"heard,omitempty"`  // the same of all replicas
}

// refused is the refusal in an answer, as an error.
func (a *answer) refused() error {
	if a.Refusal == nil {
		return nil
	}
	return a.Refusal
}

// ask asks a replica. The error is [replica.ErrNoReplica], or wraps [replica.ErrNoAnswer].
func (g *gateway) ask(ctx context.Context, id string, q question) (a answer, err error) {
	if id == "" || id == g.replica.ID() {
		return a, replica.ErrNoReplica
	}
	began := time.Now()
	defer func() { g.observer.asked(q.Op, err, time.Since(began)) }()
	within := askWithin
	if q.Op == toStart {
		within = startWithin
	}
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	// A stop waits for requests, but not as long as for the answer to a start.
	defer context.AfterFunc(g.stopping, func() { time.AfterFunc(askWithin, done) })()
	q.Format = g.replica.Format()
	data, err := json.Marshal(q)
	if err == nil && len(data) > g.pieceSize() {
		where, drop := g.large.keep(data)
		defer drop()
		data, err = json.Marshal(question{Format: q.Format, Op: toFetch, Who: g.replica.ID(), ID: where, Most: len(data)})
	}
	if err != nil {
		return a, err
	}
	if data, err = g.replica.Ask(ctx, id, data); err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// askAgain waits before a replica is asked again, and reports whether that should be done: what one that stops does is soon
// another's.
func askAgain(ctx context.Context, end time.Time) bool {
	if !time.Now().Before(end) {
		return false
	}
	select {
	case <-time.After(holderAgain):
		return true
	case <-ctx.Done():
		return false
	}
}

// An asked is what a replica answers, or why it does not.
type asked struct {
	answer
	of  string // its ID
	err error
}

// askEach asks all other replicas at once, except for one.
func (g *gateway) askEach(ctx context.Context, q question, except string) []asked {
	members := slices.DeleteFunc(g.replica.Members(), func(m replica.Member) bool { return m.ID == except || m.ID == g.replica.ID() })
	all := make([]asked, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		all[i].of = m.ID
		asking.Go(func() { all[i].answer, all[i].err = g.ask(ctx, m.ID, q) })
	}
	asking.Wait()
	return all
}

// answer answers another replica.
func (g *gateway) answer(ctx context.Context, data []byte) []byte {
	ctx, done := context.WithTimeout(ctx, startWithin)
	defer done()
	var q question
	var a answer
	if json.Unmarshal(data, &q) == nil && g.replica.Reads(q.Format) == nil {
		a = g.answerTo(ctx, q)
	}
	data, err := json.Marshal(a)
	if err != nil {
		g.log.Error("a question of another replica was not answered", "op", q.Op, "err", err)
	}
	return data
}

func (g *gateway) answerTo(ctx context.Context, q question) (a answer) {
	switch q.Op {
	case toStart:
		return g.answerStart(ctx, q)
	case toCancel:
		a.OK = g.jobs.Cancel(q.Run)
	case toOutput:
		isHere := g.jobs.IsHere(q.Run) // if not, nothing that was printed here says nothing
		part, _, err := g.jobs.Output(ctx, q.Run, q.From, min(q.Most, maxOutputAsked))
		if a.OK = err == nil && (isHere || sharedJobs{g.jobs, g}.knows(ctx, q.Run, part)); a.OK {
			a.Output = &part
		}
	case toQueue:
		j := g.jobs.Job(q.Job) // without it none can wait
		a.OK, a.Queue = j == nil || g.jobs.Holder(j.Job) == g.replica.ID(), g.jobs.Queue(q.Job)
	case toAcknowledge:
		o, err := g.alerts.Acknowledge(q.Alert, q.By, q.Reason)
		if a.OK = err == nil; a.OK {
			a.Alert = &o
		}
	case toPolls:
		polls, err := g.past.samples.Polls(ctx, q.Source)
		a.OK, a.Polls = err == nil, polls
	case toPast:
		a.OK, a.Past = true, g.copyOf(q.Source)
	case toHear:
		a.OK, a.Newest = true, g.telling.hear(q.Who, q.Events)
	case toEvents:
		return g.telling.page(ctx, q.From)
	case toFetch:
		whole, err := g.fetch(ctx, q)
		if err != nil {
			g.log.Warn("a question of another replica was not answered: it could not be fetched", "replica", q.Who, "bytes", q.Most, "err", err)
			return a
		}
		return g.answerTo(ctx, whole)
	case toPiece:
		a.Piece = g.large.piece(q.ID, q.From, q.Most)
		a.OK = a.Piece != nil
	case toPush:
		return g.answerPush(ctx, q)
	case toRefresh:
		wait, err := g.sources.Refresh(ctx, q.Source)
		a.OK, a.Wait, a.NotAsked = err == nil, wait, errors.Is(err, kind.ErrNotAsked)
	}
	return a
}

// maxOutputAsked bounds the output in one answer, in bytes: as JSON, it is a third larger.
const maxOutputAsked = 256 << 10

// answerStart starts a run for a client of another replica.
func (g *gateway) answerStart(ctx context.Context, q question) (a answer) {
	j := g.jobs.Job(q.Job)
	if q.Caller == nil {
		return a
	}
	if j == nil {
		return answer{OK: true, Refusal: g.otherConfig("does not have this job")}
	}
	args, wrong := j.Bind(q.Args)
	if wrong != nil { // where they came from they were right; a value may be secret
		return answer{OK: true, Refusal: g.otherConfig("does not accept these arguments, such as " + wrong[0].Arg)}
	}
	var isNew atomic.Bool
	_, snap, err := g.jobs.Start(ctx, j, jobs.StartOptions{
		Trigger: q.Trigger, Args: args, Like: q.Like, Caller: *q.Caller, By: q.By, Key: q.Key, ID: q.ID, After: q.After,
		Audit: func(string, ...slog.Attr) { isNew.Store(true) }, // the replica that asks records it
	})
	switch {
	case err == nil:
		return answer{OK: true, Run: &snap, Known: !isNew.Load()}
	case isElsewhere(err):
		return a
	}
	if refusal, ok := errors.AsType[*jobs.Refusal](err); ok {
		return answer{OK: true, Refusal: refusal}
	}
	return answer{OK: true, Error: err.Error()}
}

// otherConfig is why a start comes to nothing that another replica, by its own configuration, had found right.
func (g *gateway) otherConfig(what string) *jobs.Refusal {
	return &jobs.Refusal{
		Code: jobs.Elsewhere, After: 5 * time.Second,
		Detail: fmt.Sprintf("replica %s, which starts the runs of this job, has another configuration, which %s: "+
			"give all replicas the same files", g.replica.Name(), what),
	}
}

func isElsewhere(err error) bool {
	refusal, ok := errors.AsType[*jobs.Refusal](err)
	return ok && refusal.Code == jobs.Elsewhere
}
