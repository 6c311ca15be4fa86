package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/wire"
)

// StartOptions describe a start of a job.
type StartOptions struct {
	Trigger string          // one of the triggers of package wire
	Args    map[string]any  // as [config.Job.Bind] has made them
	Like    string          // the run whose arguments are among them; empty: none
	Caller  access.Identity // who asks
	By      string          // the same as people know them; empty: the timetable
	Key     string          // the Idempotency-Key; empty: none
	ID      string          // for a new run; empty: a random one
	After   *wire.RunRef    // the run that has led to it; nil: none
	unit    *unit           // of the job; set by the queue

	// Audit records the start as soon as there is a run that it makes or joins, and before a new one begins to work.
	// Nil means that it is not recorded.
	Audit func(action string, attrs ...slog.Attr)
}

// Recorded records that the start led to a run.
func (o StartOptions) Recorded(snap wire.Run) {
	if o.Audit == nil {
		return
	}
	args, _ := json.Marshal(snap.Args) // texts, numbers and truths encode
	o.Audit("trigger", slog.String("job", snap.Job), slog.String("run", snap.ID),
		slog.Any("args", json.RawMessage(args)), slog.Bool("coalesced", snap.Coalesced))
}

// Start starts a run of j, joins one, or finds the one to which the same Idempotency-Key has led before, and returns
// its state. It returns when readers can see the run, which need not have begun to work. The Run is nil if it is over
// already.
//
// The error is a [*Refusal], that of the store or the archive, or the cause of ctx's end, after which there may be a run all the same.
func (s *Service) Start(ctx context.Context, j *Job, opts StartOptions) (*Run, wire.Run, error) {
	if !s.units.holds(j.Job) {
		return nil, wire.Run{}, errElsewhere
	}
	if refusal := j.away(); refusal != nil {
		return nil, wire.Run{}, refusal
	}
	to, err := s.queue.start(j, opts, s.deps.Clock.Now())
	if err != nil {
		return nil, wire.Run{}, err
	}
	if to.run == nil {
		record, err := s.Lookup(ctx, to.id)
		switch {
		case errors.Is(err, ErrNoRun), errors.Is(err, ErrExpired):
			return nil, wire.Run{}, &Refusal{Code: Expired, Detail: "the run of this Idempotency-Key has expired"}
		case err != nil:
			return nil, wire.Run{}, err
		}
		snap := record.Run
		snap.Coalesced = to.coalesced
		return nil, snap, nil
	}
	select {
	case <-to.run.visible:
	case <-ctx.Done():
		return nil, wire.Run{}, context.Cause(ctx)
	}
	if to.run.err != nil {
		return nil, wire.Run{}, to.run.err
	}
	snap := to.run.Snapshot()
	if snap.Coalesced = to.coalesced; to.coalesced {
		s.keepKey(to.unit, j, opts, snap.ID)
		switch err := s.units.stored(ctx, to.unit); {
		case errors.Is(err, errLost):
			return nil, wire.Run{}, errElsewhere // the next holder may not know of it
		case err != nil:
			return nil, wire.Run{}, err
		}
		opts.Recorded(snap)
	}
	s.noteMade(to, j, opts, snap.ID)
	return to.run, snap, nil
}
