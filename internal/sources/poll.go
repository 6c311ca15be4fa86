package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/subscription"
	"github.com/tidewire/tidewire/internal/value"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// A reading is what a poll got.
type reading struct {
	began      time.Time        // the start of the poll, by the monotonic clock
	value      any              // with the configured fields alone
	data       json.RawMessage  // value as JSON
	stale      string           // why value is not fresh although it was just computed; empty: it is fresh
	valuePause time.Duration    // the pause that value asks for; 0: none
	why        string           // the condition by which it does
	wait       time.Duration    // how long the upstream asks for no further request; 0: it does not ask
	alert      alert.Evaluation // of value
	took       time.Duration
	status     kind.Status // of the answer
	size       int         // of the answer, in bytes
	done       func(error) // is told when this is published; nil: nobody has to know
	rows       []row       // of a source that is split: value is their number
}

// poll gets the source's value. It runs on a goroutine of its own.
func (s *poller) poll(ctx context.Context) (got reading, err error) {
	got.began = s.svc.deps.Clock.Now()
	if s.Timeout > 0 { // 0: a computation, which jq bounds
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, clock.TimedOut{After: s.Timeout})
		defer cancel()
	}
	defer func() {
		got.took = s.svc.deps.Clock.Now().Sub(got.began)
		if err = s.secrets.Error(err); err != nil && got.wait > 0 {
			err = leaveAlone{err, got.wait}
		}
	}()
	ctx, done := value.WithAdmission(ctx)
	defer done()
	if taken := s.taken.Swap(nil); taken != nil {
		s.now = *taken
		defer func() { s.now = nil }()
	}
	if s.subscription != nil {
		s.subscription.Start(context.Background()) // until its end: it outlives this poll
	}
	raw, err := s.fetcher.Fetch(ctx)
	got.stale, got.wait, got.status, got.size, got.done = raw.Stale, raw.Wait, raw.Status, raw.Size, raw.Done
	if err != nil {
		return got, err
	}
	s.keepAnswer(raw.Value)
	if s.Split != nil {
		var wrong string
		got.rows, wrong, err = s.rowsOf(ctx, raw)
		got.stale = cmp.Or(got.stale, wrong)
		got.value = len(got.rows)
	} else {
		got.value, err = pick(ctx, s.Pick, raw)
	}
	if err != nil {
		return got, err
	}
	if got.valuePause, got.why, err = pauseByValue(ctx, s.When, got.value); err != nil {
		return got, err
	}
	got.alert = s.alert.Evaluate(ctx, got.value)
	if len(s.Deadband) > 0 {
		got.value = applyDeadband(s.Deadband, got.value, s.latest().Value)
	}
	if got.data, err = json.Marshal(got.value); err != nil {
		return got, fmt.Errorf("the value cannot be shown as JSON: %w", err)
	}
	got.data = s.inValues.Strings(got.data)
	if most := s.svc.deps.Store.MaxData() - besides - s.fromSize; len(got.data) > most {
		return got, fmt.Errorf("the value has %d bytes as JSON, and the store takes at most %d: pick less of it", len(got.data), most)
	}
	if c, ok := s.fetcher.(kind.Confirmer); ok {
		c.Confirm()
	}
	return got, nil
}

// besides is the room for all that a snapshot has besides its value and the names of its inputs.
const besides = 16 << 10

// observed returns s.poll, with the observer told of each poll if there is one.
func (s *poller) observed() func(context.Context) (reading, error) {
	poll := s.poll
	if s.svc.deps.Mine != nil {
		poll = func(ctx context.Context) (reading, error) {
			s.polling.RLock()
			defer s.polling.RUnlock()
			return s.poll(ctx)
		}
	}
	if s.svc.deps.Observer == nil || s.svc.deps.Observer.Polled == nil {
		return poll
	}
	p := Poll{Source: s.Name, Kind: s.Kind, Upstream: s.upstream}
	return func(ctx context.Context) (reading, error) {
		p := p
		got, err := poll(ctx)
		if p.Took, p.Err = got.took, err; !isNoNews(err) {
			s.svc.deps.Observer.Polled(p)
		}
		return got, err
	}
}

// isNoNews reports whether a poll that ended with err had nothing to get a value from.
func isNoNews(err error) bool {
	return errors.Is(err, kind.ErrNothingYet) || errors.Is(err, subscription.ErrConnected)
}

// leaveAlone is the failure of a poll whose answer was accepted, but asked for a pause by Retry-After.
type leaveAlone struct {
	error
	wait time.Duration
}

func (e leaveAlone) Unwrap() error             { return e.error }
func (e leaveAlone) RetryAfter() time.Duration { return e.wait }

// pick returns the configured fields of a result, or its value if no field is configured.
func pick(ctx context.Context, fields []config.Field, got kind.Result) (any, error) {
	if len(fields) == 0 {
		return got.Value, nil
	}
	picked := make(map[string]any, len(fields))
	for _, f := range fields {
		result, err := f.Expr.RunWith(ctx, got.Value, got.Variables)
		switch {
		case err != nil && f.Name == "":
			return nil, fmt.Errorf("pick: %w", err)
		case err != nil:
			return nil, fmt.Errorf("pick %s: %w", f.Name, err)
		case f.Name == "":
			return result, nil
		}
		picked[f.Name] = result
	}
	return picked, nil
}

// commit is the hook that turns the result of a poll into the source's next snapshot. A failure
// becomes state, never an error that would end all polling: the last good value stays, marked
// stale, and the scheduler has already set the time of the next attempt by the backoff or the
// upstream's Retry-After.
func (s *poller) commit(_ context.Context, internal *smartpoll.Internal, got reading, err error) error {
	defer s.endPoll(internal)
	if s.claim == nil { // it was lost during the poll
		internal.Schedule(s.key, -1)
		return nil
	}
	if got.done != nil {
		defer got.done(err)
	}
	if errors.Is(err, kind.ErrNothingYet) {
		s.publishNext(internal)
		return nil // the first poll of an input starts another computation
	}
	s.svc.followClock(internal)
	if errors.Is(err, subscription.ErrConnected) {
		s.connected()
		return nil
	}
	if err != nil && s.subscription == nil && got.began.Before(s.svc.deps.Clock.Woke()) && !kind.Refused(err) {
		// The process stood still, or the machine slept: the upstream is not to blame.
		internal.Schedule(s.key, s.spreadDelay(s.svc.deps.Clock.Now()))
		return nil
	}
	now := s.svc.deps.Clock.Now()
	before := s.published
	after := before
	if err != nil {
		s.failed(internal, &after, got, err)
		if s.parent == nil && (before.State == wire.SourceOK || before.State == wire.SourcePending) {
			s.log.Warn("poll failed", "err", err)
		}
		if s.Split != nil {
			s.splitFailed(internal, err)
		}
	} else {
		backedOff := s.waiting == wire.WaitingBackoff
		if !s.succeeded(internal, now, &after, got) {
			return nil
		}
		if backedOff && s.upstream != "" {
			s.svc.upstreamIsBack(internal, s.upstream, now)
		}
		if s.parent == nil && after.State == wire.SourceOK && (before.State == wire.SourceStale || before.State == wire.SourceFailing) {
			s.log.Info("poll recovered")
		}
		if s.Split != nil {
			s.split(internal, now, got.rows)
		}
	}
	after.NextAt, after.Waiting = s.next(internal)
	s.alertOn(&after, true, got.alert)
	if !s.Polled() && sameSource(&after, &before) {
		return nil
	}
	s.put(after)
	return nil
}

// failed updates a snapshot of s after a failed poll.
func (s *poller) failed(internal *smartpoll.Internal, snap *wire.Source, got reading, err error) {
	text := err.Error()
	snap.State, snap.Error, snap.Cause = wire.SourceFailing, &text, kind.Cause(err)
	if snap.UpdatedAt != nil {
		snap.State = wire.SourceStale
	}
	got.value = nil
	s.record(s.svc.deps.Clock.Wall(), snap, got)
	s.waiting, s.notBefore = waitingAfter(err), internal.Next(s.key)
	if s.pause() == config.Never {
		internal.Schedule(s.key, -1)
	}
}

// succeeded updates a snapshot of s after a successful poll. A computed value is as old as the
// inputs that it needs. It reports false if an input has lost its value since the computation
// began: then there will be another one.
func (s *poller) succeeded(internal *smartpoll.Internal, now time.Time, snap *wire.Source, got reading) bool {
	oldest, at := s.oldestNeeded(), s.svc.deps.Clock.People(now)
	switch {
	case oldest == nil:
		s.renewed, s.oldestInput, snap.UpdatedAt = now, "", at
	case oldest.renewed.IsZero():
		return false
	default:
		s.renewed, s.oldestInput, snap.UpdatedAt = oldest.renewed, oldest.Name, oldest.published.UpdatedAt
	}
	snap.State, snap.Value, snap.Error, snap.Cause = wire.SourceOK, got.data, nil, ""
	if s.StaleAfter > 0 {
		left := s.staleIn(now)
		if left == 0 && got.stale == "" {
			got.stale = s.staleReason()
		}
		internal.Schedule(staleKey(s.key), left)
	}
	if got.stale != "" {
		snap.State, snap.Error, snap.Cause = wire.SourceStale, &got.stale, got.stale
		got.value = nil // a gap in the history
	}
	s.record(*at, snap, got) // as the snapshot has it, to the millisecond
	s.valuePause, s.valueReason = got.valuePause, s.secrets.Text(got.why)
	s.waiting, s.notBefore = "", time.Time{}
	s.schedule(internal, now)
	if next := internal.Next(s.key); got.wait > 0 && next.Before(now.Add(got.wait)) {
		s.waiting, s.notBefore = wire.WaitingRateLimit, now.Add(got.wait)
		if !next.IsZero() { // zero: it is not polled while nobody watches it
			internal.Schedule(s.key, got.wait)
		}
	}
	return true
}

// record adds a poll to the past of the source, which is now as snap says.
func (s *poller) record(at time.Time, snap *wire.Source, got reading) {
	sample := archive.Sample{Poll: archive.Poll{
		At: at, Took: got.took, Status: got.status.Code, HasStatus: got.status.Known, Size: got.size, State: snap.State,
	}, Value: archive.Few(got.value, s.Show.Value)}
	sample.Error = snap.Cause // what was asked is always the same
	s.svc.deps.Samples.Add(s.Name, sample)
}

// expire is the hook that marks the value of the source as stale because of its age. A source to which values are sent fails
// if none ever has come.
func (s *poller) expire(_ context.Context, internal *smartpoll.Internal) error {
	s.svc.followClock(internal)
	before := s.published
	awaited := s.Pushed() && (before.State == wire.SourcePending || s.isAged(&before))
	if before.State != wire.SourceOK && !awaited || s.claim == nil { // it was due when the claim was lost: its owner says that
		return nil
	}
	now := s.svc.deps.Clock.Now()
	if left := s.staleIn(now); left > 0 {
		internal.Schedule(staleKey(s.key), left)
		return nil
	}
	text := s.staleReason()
	after := before
	after.State, after.Error, after.Cause = wire.SourceStale, &text, text
	if after.UpdatedAt == nil {
		after.State = wire.SourceFailing
	}
	s.svc.deps.Samples.Gap(s.Name, s.svc.deps.Clock.Wall())
	s.alertOn(&after, false, alert.Evaluation{})
	s.put(after)
	return nil
}
