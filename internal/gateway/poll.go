package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/history"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// A poller is one configured source at work. Its snapshot lives in its topic alone;
// only hooks of the scheduler change it, so they need no lock.
type poller struct {
	*config.Source
	key      string   // names its task, its topic and its objects on the stream
	needs    int      // how many of from must be fresh
	from     []string // what it is computed from; nil: it is polled
	upstream string   // the name of its upstream; empty: it has none
	fetcher  kind.Fetcher
	secrets  *secret.Redactor // of which people see nothing in errors and traces
	inValues *secret.Redactor // of which they see nothing in values either
	claim    snapshot.Claim
	show     wire.Show // as snapshots have it
	topic    *sse.Topic
	clock    *clock.Clock          // of the gateway
	history  *history.History      // nil: nothing is remembered
	limit    *smartpoll.Group      // of its upstream; nil: none
	inputs   map[string]*sse.Topic // of what it is computed from, by name
	uses     []*poller             // the same as they are now; used by hooks alone
	unfollow []func()              // end that the inputs wake it; used by hooks alone
	store    *own.Store            // knows its newest snapshot, and those of its inputs

	// The fields below are used by hooks alone.

	removed bool // its tasks are gone

	published wire.Source // the newest one; reading it back from the store costs a tenth of a poll

	alert *alert.Monitor // nil: it has none

	renewed time.Time // when the value was got; zero: never. Its time for people is in published
	oldest  string    // the input that says so; empty: none

	judgeFrom time.Time // after a gap: before then it is not judged by its age, nor by how long a condition holds

	wanted    bool          // as was found when the watchers were last looked at
	left      time.Time     // when it was found that the last one has left; zero: it is watched, or never was
	asked     time.Duration // the pause that the value asks for; 0: none
	waiting   string        // what the next poll waits for after a failure
	notBefore time.Time     // when that is over
}

// Key implements [reconcile.Thing].
func (s *poller) Key() string { return s.key }

// staleKey is the key of the task that marks a source stale when no poll has
// succeeded for its stale_after.
type staleKey string

// newPoller makes what polls a source. It has no claim yet, and its tasks are not
// the scheduler's.
func (g *gateway) newPoller(cfg *config.Source) *poller {
	s := &poller{
		Source: cfg, key: wire.SourceKey(cfg.Name), clock: g.clock, store: g.store, show: showOf(cfg.Show),
	}
	secrets := cfg.Spec.Secrets()
	s.secrets, s.inValues = secret.New(secrets.Said...), secret.New(secrets.Values...)
	s.alert = g.alerts.Monitor(alert.Subject{Name: cfg.Name, Title: cfg.Title, Headline: cfg.Show.Value, Secrets: s.secrets}, cfg.Alert)
	s.topic = g.sourceTopic(cfg.Name)
	if span := cfg.Show.History; span > 0 {
		s.history = history.New(span)
	}
	if computed, ok := cfg.Spec.(kind.Computed); ok {
		s.from, s.needs = computed.Inputs(), computed.Needed()
		s.inputs = make(map[string]*sse.Topic, len(s.from))
		for _, name := range s.from {
			s.inputs[name] = g.sourceTopic(name)
		}
	}
	if cfg.Upstream != nil {
		s.upstream = cfg.Upstream.Name
		s.limit = g.upstreams.Group(s.upstream)
	}
	var err error
	s.fetcher, err = cfg.Spec.Open(kind.Env{
		Secrets: s.secrets, Log: g.log.With("source", s.Name), Client: g.client, Parse: string(cfg.Parse), Input: s.input,
	})
	if err != nil {
		s.fetcher = kind.Values(func(context.Context) (any, error) { return nil, err })
	}
	return s
}

// input returns the newest snapshot of one of the sources that s is computed from.
func (s *poller) input(name string) []byte {
	latest, _ := s.store.Latest(s.inputs[name])
	return latest.Data
}

// addTasks adds the tasks of s to the scheduler, which does not start them by that.
func (g *gateway) addTasks(s *poller) {
	var options []smartpoll.TaskOption
	if s.from == nil { // else the next poll of an input is the next attempt
		options = append(options, smartpoll.Retry(smartpoll.Backoff{Min: s.Backoff.Min, Max: s.Backoff.Max, Jitter: s.Jitter}))
	}
	if s.limit != nil {
		options = append(options, smartpoll.In(s.limit))
	}
	err := errors.Join(
		g.scheduler.Add(s.key, smartpoll.Poll(g.observed(s), g.committer(s)), options...),
		g.scheduler.Add(staleKey(s.key), func(context.Context) (smartpoll.TaskHook, error) { return g.expire(s), nil }))
	if s.alert != nil {
		err = errors.Join(err, g.scheduler.Add(s.alert.Key(), func(context.Context) (smartpoll.TaskHook, error) { return g.alertElapsed(s), nil }))
	}
	if err != nil {
		panic(fmt.Sprintf("gateway: the tasks of %s: %v", s.key, err)) // keys are unique, options valid
	}
	for _, input := range s.inputs {
		s.unfollow = append(s.unfollow, input.OnPublish(func() { g.sources.inputChanged(s) }))
	}
}

// removeTasks ends the polling of s, also a poll in progress.
func (g *gateway) removeTasks(s *poller) {
	s.removed = true
	for _, stop := range s.unfollow {
		stop()
	}
	g.sources.forgetChanged(s)
	g.scheduler.Remove(s.key)
	g.scheduler.Remove(staleKey(s.key))
	g.scheduler.Remove(alert.Key(s.Name))
}

// A reading is what a poll got.
type reading struct {
	began time.Time        // when the poll did, by the monotonic clock
	value any              // what is picked
	data  json.RawMessage  // value as JSON
	stale string           // why it is not fresh although it was just computed; empty: it is
	asked time.Duration    // the pause that value asks for; 0: none
	wish  time.Duration    // for how long the upstream asks to be left alone; 0: it does not
	alert alert.Evaluation // of value
}

// poll gets the source's value. It runs on a goroutine of its own.
func (s *poller) poll(ctx context.Context) (got reading, err error) {
	got.began = s.clock.Now()
	if s.Timeout > 0 { // what is computed is bounded by jq
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, clock.TimedOut{After: s.Timeout})
		defer cancel()
	}
	defer func() {
		if err = s.secrets.Error(err); err != nil && got.wish > 0 {
			err = leaveAlone{err, got.wish}
		}
	}()
	ctx, done := value.InTurn(ctx)
	defer done()
	raw, err := s.fetcher.Fetch(ctx)
	got.stale, got.wish = raw.Stale, raw.Wait
	if err != nil {
		return got, err
	}
	if got.value, err = pick(ctx, s.Pick, raw.Value); err != nil {
		return got, err
	}
	if got.asked, err = askedBy(ctx, s.When, got.value); err != nil {
		return got, err
	}
	got.alert = s.alert.Evaluate(ctx, got.value)
	got.value = steady(s.Deadband, got.value, s.latest().Value)
	if got.data, err = json.Marshal(got.value); err != nil {
		return got, fmt.Errorf("the value cannot be shown as JSON: %w", err)
	}
	got.data = s.inValues.Strings(got.data)
	if c, ok := s.fetcher.(kind.Confirmer); ok {
		c.Confirm()
	}
	return got, nil
}

// leaveAlone is the failure of a poll whose answer counted and asked, by Retry-After, for that time.
type leaveAlone struct {
	error
	wish time.Duration
}

func (e leaveAlone) Unwrap() error             { return e.error }
func (e leaveAlone) RetryAfter() time.Duration { return e.wish }

// pick takes the configured fields of a value, all of it where none is configured.
func pick(ctx context.Context, fields []config.Field, v any) (any, error) {
	if len(fields) == 0 {
		return v, nil
	}
	picked := make(map[string]any, len(fields))
	for _, f := range fields {
		result, err := f.Expr.Run(ctx, v)
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

// committer returns the hook that turns the result of a poll into the source's next
// snapshot. A failure is state here, never an error that would end all polling: the
// last good value stays, marked stale, and the scheduler has already put the next
// attempt where the backoff, or the upstream's Retry-After, wants it.
func (g *gateway) committer(s *poller) func(context.Context, *smartpoll.Internal, reading, error) error {
	return func(_ context.Context, internal *smartpoll.Internal, got reading, err error) error {
		if errors.Is(err, kind.ErrNothingYet) {
			return nil // the first poll of an input has it computed again
		}
		g.followClock(internal)
		if err != nil && got.began.Before(g.clock.Woke()) && !kind.Refused(err) {
			internal.Schedule(s.key, s.soon(g.clock.Now())) // the process stood still, or the machine slept: that says nothing of the upstream
			return nil
		}
		now := g.clock.Now()
		before := s.published
		after := before
		if err != nil {
			s.failed(internal, &after, err)
			if before.State == wire.SourceOK || before.State == wire.SourcePending {
				g.log.Warn("poll failed", "source", s.Name, "err", err)
			}
		} else {
			if !s.succeeded(internal, now, &after, got) {
				return nil
			}
			if after.State == wire.SourceOK && (before.State == wire.SourceStale || before.State == wire.SourceFailing) {
				g.log.Info("poll recovered", "source", s.Name)
			}
		}
		after.NextAt, after.Waiting = s.next(internal)
		s.alertOn(&after, got.alert)
		if s.from != nil && sameSource(&after, &before) {
			return nil
		}
		s.put(after)
		return nil
	}
}

// failed brings the snapshot of s to what a poll that failed says.
func (s *poller) failed(internal *smartpoll.Internal, snap *wire.Source, err error) {
	text := err.Error()
	snap.State, snap.Error = wire.SourceFailing, &text
	if snap.UpdatedAt != nil {
		snap.State = wire.SourceStale
	}
	s.history.Add(s.clock.Wall(), nil)
	s.waiting, s.notBefore = waitingAfter(err), internal.Next(s.key)
	if s.pause() == config.Never {
		internal.Schedule(s.key, -1)
	}
}

// succeeded brings the snapshot of s to what a poll has got, which is as old as the inputs
// that it needs, and reports false if these are others by now.
func (s *poller) succeeded(internal *smartpoll.Internal, now time.Time, snap *wire.Source, got reading) bool {
	decides, at := s.decides(), s.clock.People(now)
	switch {
	case decides == nil:
		s.renewed, s.oldest, snap.UpdatedAt = now, "", at
	case decides.renewed.IsZero():
		return false
	default:
		s.renewed, s.oldest, snap.UpdatedAt = decides.renewed, decides.Name, decides.published.UpdatedAt
	}
	snap.State, snap.Value, snap.Error = wire.SourceOK, got.data, nil
	if s.StaleAfter > 0 {
		left := s.tooOldIn(now)
		if left == 0 && got.stale == "" {
			got.stale = s.tooOld()
		}
		internal.Schedule(staleKey(s.key), left)
	}
	if got.stale != "" {
		snap.State, snap.Error = wire.SourceStale, &got.stale
		got.value = nil // a gap in the history
	}
	s.history.Add(*at, got.value) // as the snapshot has it, to the millisecond
	s.asked, s.waiting, s.notBefore = got.asked, "", time.Time{}
	s.schedule(internal, now)
	if next := internal.Next(s.key); got.wish > 0 && next.Before(now.Add(got.wish)) {
		s.waiting, s.notBefore = wire.WaitingRateLimit, now.Add(got.wish)
		if !next.IsZero() { // it is polled while nobody looks, or somebody does
			internal.Schedule(s.key, got.wish)
		}
	}
	return true
}

// expire returns the hook that marks the value of a source as too old.
func (g *gateway) expire(s *poller) smartpoll.TaskHook {
	return func(_ context.Context, internal *smartpoll.Internal) error {
		g.followClock(internal)
		before := s.published
		if before.State != wire.SourceOK {
			return nil
		}
		now := g.clock.Now()
		if left := s.tooOldIn(now); left > 0 {
			internal.Schedule(staleKey(s.key), left)
			return nil
		}
		text := s.tooOld()
		after := before
		after.State, after.Error = wire.SourceStale, &text
		s.history.Add(g.clock.Wall(), nil)
		s.alertOn(&after, alert.Evaluation{})
		s.put(after)
		return nil
	}
}

// latest reads the source's newest snapshot back. Hooks have it in published.
func (s *poller) latest() (snap wire.Source) {
	if latest, ok := s.store.Latest(s.topic); ok {
		// What put encoded decodes.
		_ = json.Unmarshal(latest.Data, &snap)
	}
	return snap
}

// put hands the source's next snapshot to the store.
func (s *poller) put(snap wire.Source) {
	s.published = snap
	s.claim.Put(s.encode(snap))
}

// encode completes a snapshot of the source.
func (s *poller) encode(snap wire.Source) []byte {
	snap.Key, snap.Name, snap.Title, snap.Show = s.key, s.Name, s.Title, s.show
	if s.StaleAfter > 0 && snap.UpdatedAt != nil {
		snap.StaleAt = new(snap.UpdatedAt.Add(s.StaleAfter))
	}
	if snap.Value == nil {
		snap.Value = json.RawMessage("null")
	}
	data, err := json.Marshal(snap)
	if err != nil {
		panic(fmt.Sprintf("gateway: a snapshot of %s cannot be encoded: %v", s.key, err)) // every field was encoded before
	}
	return data
}

// showOf is how the configuration has a value presented, as snapshots have it.
func showOf(show config.Show) wire.Show {
	return wire.Show{
		Value: show.Value, Unit: show.Unit, Min: show.Min, Max: show.Max,
		Decimals: show.Decimals, History: wire.Span(show.History),
	}
}
