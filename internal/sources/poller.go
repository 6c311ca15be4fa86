package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/subscription"
	"github.com/tidewire/tidewire/internal/value"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// A poller is one configured source at work. Its state is changed by hooks of the scheduler alone,
// so it needs no lock.
type poller struct {
	*config.Source
	svc      *Service
	log      *slog.Logger // adds the source's name
	key      string       // of its task, its topic and its objects on the stream
	needs    int          // how many inputs must be fresh for the value to be fresh
	from     []string     // the names of the inputs of a computed source; nil for others
	fromSize int          // of these in a snapshot, in bytes
	upstream string       // the name of its upstream; empty: it has none
	fetcher  kind.Fetcher
	opened   kind.Fetcher // as opened by its kind: the fetcher, unless there is a subscription

	subscription *subscription.Subscription // receives values; nil: it is polled or computed
	released     bool                       // opened is closed

	secrets  *secret.Redactor       // hides secrets in errors and traces
	inValues *secret.Redactor       // hides credentials in values
	claim    snapshot.Claim         // of its topic; nil: another process polls it, and this one follows
	owned    atomic.Bool            // claim is not nil
	by       atomic.Pointer[string] // the replica that has published the snapshot which was read last; nil: none was
	polling  sync.RWMutex           // held by polls in progress, for reading, if sources can be given up
	show     wire.Show              // as snapshots have it

	answerUntil atomic.Pointer[time.Time] // until then answers are kept; nil: they are not
	answer      atomic.Pointer[string]    // the newest one; nil: none was kept

	taken atomic.Pointer[map[string][]byte] // the snapshots of its inputs at one moment, for the next poll; nil: the newest ones
	now   map[string][]byte                 // those that the poll in progress has taken; used by that alone

	topic  *sse.Topic
	limit  *smartpoll.Group      // of its upstream; nil: there is none
	inputs map[string]*sse.Topic // the topics of its inputs, by name

	// The fields below are used by hooks alone.

	parent    *poller            // the source of which it is a child; nil: none
	missing   time.Time          // of a child: since when its parent has no row for it; zero: it has
	children  map[string]*poller // of a source that is split, by row
	telling   bool               // of a child: it was told its row, and has not taken that yet
	tellings  int                // of a source that is split: how many children are
	settled   chan struct{}      // closed when s.isTelling is over, see [poller.settling]; nil: nobody waits
	untaken   map[string]row     // of its last poll: those that no child was told yet
	renamed   bool               // its children may have names that no row has any more
	left      snapshot.Entry     // what the owner before has left; without data: nothing
	uses      []*poller          // its inputs
	isTold    bool               // nobody can ask for its value, see [poller.findTold]
	splits    []*poller          // the sources that are split of which these, or their rows, are among its inputs
	heldSince time.Time          // since when it is not computed as rows of these are being told; zero: it is
	unfollow  []func()           // each ends the wakes by one input
	endFollow func()             // ends the wakes by its owner; nil: there are none
	removed   bool               // its tasks are gone; set within Service.mu, for inputChanged

	revision uint64 // counts the published snapshots, without those that differ in the next poll's time alone
	computed uint64 // the sum of its inputs' revisions when it was scheduled last

	published wire.Source // the newest snapshot; reading it back from the store costs a tenth of a poll

	told string  // the newest state but pending; empty: it was pending from the start
	aged *string // the error of a value that is too old as no process polled it meanwhile; nil: that is not so, or over

	alert *alert.Monitor // nil: it has none

	renewed     time.Time // the time of the value by the monotonic clock; zero: there is none yet
	oldestInput string    // the input from which renewed is taken; empty: it is the time of its own poll

	evaluateFrom time.Time // after a gap: until then neither its age nor the time of an alert's condition counts

	wanted         bool          // whether it had watchers at the last check
	unwatchedSince time.Time     // the check that found the last watcher gone; zero: it is watched, or never was
	valuePause     time.Duration // the pause that the value asks for; 0: none
	valueReason    string        // the condition by which it does
	waiting        string        // the reason why the next poll is late, after a failure
	notBefore      time.Time     // the end of that
}

// Key implements [reconcile.Thing].
func (s *poller) Key() string { return s.key }

// staleKey is the key of the task that marks a source stale when no poll has
// succeeded for its stale_after.
type staleKey string

// newPoller returns a poller without a claim, whose tasks the scheduler does not have yet.
func (svc *Service) newPoller(cfg *config.Source) *poller {
	s := &poller{
		Source: cfg,
		key:    wire.SourceKey(cfg.Name),
		svc:    svc,
		log:    svc.deps.Log.With("source", cfg.Name),
		show:   showOf(cfg.Show),
	}
	secrets := cfg.Spec.Secrets()
	if cfg.Upstream != nil {
		secrets = secrets.And(cfg.Upstream.Spec.Secrets())
	}
	s.secrets, s.inValues = secret.New(secrets.Said...), secret.New(secrets.Values...)
	s.topic = svc.topicOf(cfg.Name)
	if computed, ok := cfg.Spec.(kind.Computed); ok {
		s.from, s.needs = computed.Inputs(), computed.Needed()
		s.inputs = make(map[string]*sse.Topic, len(s.from))
		for _, name := range s.from {
			s.inputs[name] = svc.topicOf(name)
			s.fromSize += len(name) + len(`"",`)
		}
	}
	if cfg.Upstream != nil {
		s.upstream = cfg.Upstream.Name
		s.limit = svc.deps.Upstreams.Group(s.upstream)
	}
	s.alert = svc.deps.Alerts.Monitor(alert.Subject{
		Key: s.key, Name: cfg.Name, Title: cfg.Title, Section: cfg.Section, Headline: cfg.Show.Value, Upstream: s.upstream, Secrets: s.secrets,
	}, cfg.Alert, func() { svc.deps.Scheduler.Schedule(alert.Key(s.key), 0) })
	var err error
	s.opened, err = cfg.Spec.Open(kind.Env{
		Secrets: s.secrets, Log: s.log, Client: svc.deps.Client, Parse: cfg.Parse, Input: s.input,
		Link: svc.deps.Upstreams.Link(s.upstream), Variables: cfg.Variables(), Last: s.last, Again: s.again,
	})
	if err != nil {
		s.opened = kind.Values(func(context.Context) (any, error) { return nil, err })
	}
	if svc.standsIn(cfg) {
		s.opened = kind.FetchFunc(s.away)
	}
	s.fetcher = s.opened
	if to, ok := s.opened.(kind.Subscriber); ok {
		s.subscribe(to)
	}
	if cfg.SplitFrom != "" {
		s.subscription = subscription.New(nil, subscription.Options{Log: s.log})
		s.fetcher = s.subscription
	}
	return s
}

// input returns the snapshot of an input from which the poll in progress computes: the newest one, unless s.taken had another.
func (s *poller) input(name string) []byte {
	if data, ok := s.now[name]; ok {
		return data
	}
	latest, _ := s.svc.deps.Store.Latest(s.inputs[name])
	return latest.Data
}

// addTasks adds the tasks of s to the scheduler, which does not start them by that.
func (s *poller) addTasks() {
	scheduler := s.svc.deps.Scheduler
	var options []smartpoll.TaskOption
	if s.Polled() { // for others the next attempt is the next poll of an input, or the next message
		backoff := smartpoll.Backoff{Min: s.Backoff.Min, Max: s.Backoff.Max, Jitter: s.Jitter}
		if s.Jitter == 0 {
			backoff.Jitter = -1 // none, as configured
		}
		options = append(options, smartpoll.Retry(backoff))
	}
	if s.limit != nil && s.subscription == nil { // a message asks for nothing
		options = append(options, smartpoll.In(s.limit))
	}
	task := func(hook smartpoll.TaskHook) smartpoll.Task {
		return func(context.Context) (smartpoll.TaskHook, error) { return hook, nil }
	}
	err := errors.Join(
		scheduler.Add(s.key, smartpoll.Poll(s.observed(), s.commit), options...),
		scheduler.Add(staleKey(s.key), task(s.expire)))
	if s.alert != nil {
		err = errors.Join(err, scheduler.Add(s.alert.Key(), task(s.alertElapsed)))
	}
	if err != nil {
		panic(fmt.Sprintf("sources: the tasks of %s: %v", s.key, err)) // keys are unique, options valid
	}
	for _, input := range s.inputs {
		s.unfollow = append(s.unfollow, input.OnPublish(func() { s.svc.inputChanged(s) }))
	}
}

// removeTasks ends the polling of s, also a poll in progress.
func (s *poller) removeTasks() {
	s.svc.forgetChanged(s)
	s.settle()
	if s.subscription != nil {
		s.subscription.End()
	}
	for _, stop := range s.unfollow {
		stop()
	}
	if s.endFollow != nil {
		s.endFollow()
	}
	scheduler := s.svc.deps.Scheduler
	scheduler.Remove(s.key)
	scheduler.Remove(staleKey(s.key))
	scheduler.Remove(alert.Key(s.key))
}

// latest reads the source's newest snapshot back from the store. It may be called from any goroutine.
func (s *poller) latest() (snap wire.Source) {
	if latest, ok := s.svc.deps.Store.Latest(s.topic); ok {
		// What put encoded decodes.
		_ = json.Unmarshal(latest.Data, &snap)
	}
	return snap
}

// last returns the newest value as the API answers it, nil before there is one.
func (s *poller) last() any {
	data := s.latest().Value
	if len(data) == 0 {
		return nil
	}
	v, _ := value.Parse(context.Background(), value.JSON, data) // it is JSON, and small enough for the store
	return v
}

// again waits until a poll may ask the upstream once more, as its limits and its gap have it.
func (s *poller) again(ctx context.Context) error {
	if s.limit == nil {
		return nil
	}
	wait := max(s.limit.Reserve(), s.limit.Info().Limit.Gap)
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// put publishes the source's next snapshot.
func (s *poller) put(snap wire.Source) {
	s.revision++
	if !s.isAged(&snap) {
		s.tell(snap)
	}
	s.publish(snap)
}

// isAged reports whether a snapshot is stale only because no process polled the source meanwhile. That is neither an event
// nor an outage: what the source is, the first poll says.
func (s *poller) isAged(snap *wire.Source) bool { return s.aged != nil && snap.Error == s.aged }

// tell tells of a change of the state. That a source is ok at first is what is expected.
func (s *poller) tell(snap wire.Source) {
	before := s.told
	if snap.State == wire.SourcePending || snap.State == before {
		return
	}
	if s.told = snap.State; before != "" || snap.State != wire.SourceOK {
		s.svc.deps.Changed(s.Name, before, snap.State, snap.Error)
	}
}

// publish is put for a snapshot that differs in the time of the next poll alone: no source that
// is computed from this one has to be computed again.
func (s *poller) publish(snap wire.Source) {
	aged := s.isAged(&snap)
	if !aged && (s.aged != nil || snap.State != s.published.State) {
		s.svc.deps.Spans.Enter(s.Name, s.svc.deps.Clock.Wall(), snap.State, snap.Cause)
	}
	if !aged {
		s.aged = nil
	}
	if snap.State != s.published.State && snap.Since == s.published.Since { // nobody knows better when that began
		snap.Since = s.svc.deps.Clock.People(s.svc.deps.Clock.Now())
	}
	snap.Every, snap.Pace = s.pace()
	s.published = snap
	s.claim.Put(s.encode(snap))
}

// encode completes a snapshot of the source and returns it as JSON.
func (s *poller) encode(snap wire.Source) []byte {
	snap.Key, snap.Name, snap.Title, snap.Section, snap.Show = s.key, s.Name, s.Title, s.Section, s.show
	if snap.State != wire.SourceRemoved {
		snap.Kind, snap.Upstream, snap.Told, snap.Inputs = s.Kind, s.upstream, s.isTold, s.from
		if !s.missing.IsZero() {
			snap.Missing = s.svc.deps.Clock.People(s.missing)
		}
	}
	snap.Replica = s.svc.deps.Replica
	if s.StaleAfter > 0 && snap.UpdatedAt != nil {
		snap.StaleAt = new(snap.UpdatedAt.Add(s.StaleAfter))
	}
	if snap.Value == nil {
		snap.Value = json.RawMessage("null")
	}
	data, err := json.Marshal(snap)
	if err != nil {
		panic(
			fmt.Sprintf("sources: a snapshot of %s cannot be encoded: %v", s.key, err),
		) // every field was encoded before
	}
	return data
}

// showOf returns how a value is presented, as snapshots have it.
func showOf(show config.Show) wire.Show {
	return wire.Show{
		Value: show.Value, Unit: show.Unit, Min: show.Min, Max: show.Max,
		Decimals: show.Decimals, History: wire.Span(show.History),
	}
}
