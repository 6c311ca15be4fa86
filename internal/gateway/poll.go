package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/source"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// The states of a source.
const (
	statePending = "pending" // not polled yet
	stateOK      = "ok"
	stateStale   = "stale"   // a good value, but the last poll failed or it is too old
	stateFailing = "failing" // polled without ever getting a good value
)

// A sourceSnapshot is the whole state of a source as the API answers it, the streams
// send it and the store holds it.
type sourceSnapshot struct {
	Key       string          `json:"key"`
	Name      string          `json:"name"`
	Title     string          `json:"title"`
	State     string          `json:"state"`
	Value     json.RawMessage `json:"value"`
	Show      config.Show     `json:"show"`
	UpdatedAt *time.Time      `json:"updated_at"` // when the value was got
	NextAt    *time.Time      `json:"next_at"`    // when the next poll is due
	Error     *string         `json:"error"`
}

// A poller is one configured source at work. Its snapshot lives in its topic alone;
// only hooks of the scheduler change it, so they need no lock.
type poller struct {
	*config.Source
	key        string // names its task, its topic and its objects on the stream
	fetch      func(context.Context) (any, error)
	claim      snapshot.Claim
	topic      *sse.Topic
	history    *history // nil: nothing is remembered
	dependents []string // keys of the sources that are computed from this one
}

// staleKey is the key of the task that marks a source stale when no poll has
// succeeded for its stale_after.
type staleKey string

// openSources claims the topics of p's sources and builds the scheduler that polls them.
func (g *gateway) openSources(ctx context.Context, p *plan) error {
	client := source.NewClient()
	groups := make(map[*config.Upstream]*smartpoll.Group)
	for _, u := range p.cfg.Upstreams {
		if u.Limit > 0 {
			groups[u] = smartpoll.NewGroup(smartpoll.GroupConfig{Rate: rate.Limit(u.Limit), Burst: u.Burst})
		}
	}
	for _, cfg := range p.cfg.Sources {
		s := &poller{Source: cfg, key: "source/" + cfg.Name}
		if span := time.Duration(cfg.Show.History); span > 0 {
			s.history = newHistory(span)
		}
		s.topic = g.hub.Topic(s.key, sse.TopicOptions{})
		switch {
		case cfg.HTTP != nil:
			s.fetch = source.HTTP{Client: client, URL: cfg.HTTP.URL, Header: cfg.HTTP.Header, Parse: string(cfg.Parse)}.Fetch
		case cfg.Exec != nil:
			s.fetch = source.Exec{Argv: cfg.Exec, Parse: string(cfg.Parse)}.Fetch
		}
		var err error
		if s.claim, _, err = g.store.Claim(ctx, s.key, snapshot.ClaimOptions{}); err != nil {
			return fmt.Errorf("claim %s: %w", s.key, err)
		}
		p.sources = append(p.sources, s)
	}

	options := []smartpoll.Option{
		smartpoll.WithDynamic(),
		smartpoll.WithRunHook(p.firstPolls),
		smartpoll.WithDrain(smartpoll.Drain{Wait: goodbye}),
	}
	for _, s := range p.sources {
		if s.From != nil {
			var inputs []*poller
			for _, name := range s.From {
				input := p.source(name)
				input.dependents = append(input.dependents, s.key)
				inputs = append(inputs, input)
			}
			s.fetch = combine(inputs, s.Source)
		}
		taskOptions := []smartpoll.TaskOption{smartpoll.Retry(smartpoll.Backoff{Min: s.Backoff.Min, Max: s.Backoff.Max, Jitter: s.Jitter})}
		if s.HTTP != nil && groups[s.HTTP.Upstream] != nil {
			taskOptions = append(taskOptions, smartpoll.In(groups[s.HTTP.Upstream]))
		}
		options = append(options,
			smartpoll.WithTask(s.key, smartpoll.Poll(s.poll, g.committer(s)), taskOptions...),
			smartpoll.WithTask(staleKey(s.key), func(context.Context) (smartpoll.TaskHook, error) { return s.expire, nil }))
		s.put(sourceSnapshot{State: statePending})
	}
	var err error
	g.scheduler, err = smartpoll.New(options...)
	return err
}

// firstPolls schedules every source that polls at once; the limits of the upstreams
// spread them. A source computed from others follows its inputs.
func (p *plan) firstPolls(_ context.Context, internal *smartpoll.Internal) error {
	for _, s := range p.sources {
		if s.From == nil {
			internal.Schedule(s.key, 0)
		}
	}
	return nil
}

// A reading is what a poll got.
type reading struct {
	value any             // what is picked
	data  json.RawMessage // value as JSON
}

// poll gets the source's value. It runs on a goroutine of its own.
func (s *poller) poll(ctx context.Context) (got reading, err error) {
	if s.Timeout > 0 { // what is computed is bounded by jq
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("timed out after %v", s.Timeout))
		defer cancel()
	}
	raw, err := s.fetch(ctx)
	if err != nil {
		return got, err
	}
	if got.value, err = pick(ctx, s.Pick, raw); err != nil {
		return got, err
	}
	if got.data, err = json.Marshal(got.value); err != nil {
		return got, fmt.Errorf("the value cannot be shown as JSON: %w", err)
	}
	return got, nil
}

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

// combine computes a value from the newest snapshots of other sources.
func combine(inputs []*poller, cfg *config.Source) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		all := make(map[string]any, len(inputs))
		for _, s := range inputs {
			latest, _ := s.topic.Latest()
			var object any
			if err := json.Unmarshal(latest.Data, &object); err != nil {
				return nil, fmt.Errorf("input %s: %w", s.Name, err)
			}
			all[s.Name] = object
		}
		if cfg.Combine == nil {
			return all, nil
		}
		value, err := cfg.Combine.Run(ctx, all)
		if err != nil {
			return nil, fmt.Errorf("combine: %w", err)
		}
		return value, nil
	}
}

// committer returns the hook that turns the result of a poll into the source's next
// snapshot. A failure is state here, never an error that would end all polling: the
// last good value stays, marked stale, and the scheduler has already put the next
// attempt where the backoff, or the upstream's Retry-After, wants it.
func (g *gateway) committer(s *poller) func(context.Context, *smartpoll.Internal, reading, error) error {
	return func(_ context.Context, internal *smartpoll.Internal, got reading, err error) error {
		now := time.Now()
		before := s.snapshot()
		after := before
		if err != nil {
			text := err.Error()
			after.Error = &text
			s.history.add(now, nil)
			after.State = stateFailing
			if before.UpdatedAt != nil {
				after.State = stateStale
			}
			if before.State == stateOK || before.State == statePending {
				g.log.Warn("poll failed", "source", s.Name, "err", err)
			}
		} else {
			after.State, after.Value, after.Error = stateOK, got.data, nil
			after.UpdatedAt = utc(now)
			s.history.add(now, got.value)
			if s.Every > 0 {
				internal.Schedule(s.key, s.Every+time.Duration(rand.Float64()*s.Jitter*float64(s.Every)))
			}
			if s.StaleAfter > 0 {
				internal.Schedule(staleKey(s.key), s.StaleAfter)
			}
			if before.State == stateStale || before.State == stateFailing {
				g.log.Info("poll recovered", "source", s.Name)
			}
		}
		after.NextAt = utc(internal.Next(s.key))
		changed := after.State != before.State || !bytes.Equal(after.Value, before.Value)
		if s.From != nil && !changed {
			return nil // what is computed is published when it changes
		}
		s.put(after)
		if changed {
			s.notify(internal)
		}
		return nil
	}
}

// expire is the hook that marks a value as too old.
func (s *poller) expire(_ context.Context, internal *smartpoll.Internal) error {
	snap := s.snapshot()
	if snap.State != stateOK {
		return nil
	}
	text := fmt.Sprintf("no successful poll for %v", s.StaleAfter)
	snap.State, snap.Error = stateStale, &text
	s.history.add(time.Now(), nil)
	s.put(snap)
	s.notify(internal)
	return nil
}

// notify has everything that is computed from s computed again.
func (s *poller) notify(internal *smartpoll.Internal) {
	for _, key := range s.dependents {
		internal.Schedule(key, 0)
	}
}

// snapshot reads the source's newest snapshot back from its topic.
func (s *poller) snapshot() (snap sourceSnapshot) {
	if latest, ok := s.topic.Latest(); ok {
		// What put encoded decodes.
		_ = json.Unmarshal(latest.Data, &snap)
	}
	return snap
}

// put hands the source's next snapshot to the store.
func (s *poller) put(snap sourceSnapshot) {
	snap.Key, snap.Name, snap.Title, snap.Show = s.key, s.Name, s.Title, s.Show
	if snap.Value == nil {
		snap.Value = json.RawMessage("null")
	}
	data, err := json.Marshal(snap)
	if err != nil {
		panic(fmt.Sprintf("gateway: a snapshot of %s cannot be encoded: %v", s.key, err)) // every field was encoded before
	}
	s.claim.Put(data)
}

// utc is t for JSON: in UTC, to the millisecond, null where there is none.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
