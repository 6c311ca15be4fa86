package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
)

// Of the processes that share a store one polls a source: it owns the topic. The others follow: they show what that one
// puts there, and wait for the topic to become vacant.

const (
	claimAgain     = 100 * time.Millisecond // the pause after a store that failed, doubled after each further time
	claimAgainMost = 30 * time.Second
)

// Open begins to follow the store, so that topics which their owners have left are taken over. It returns once all that
// the store holds is known. What it has started ends with ctx, or with [Service.Stop].
func (svc *Service) Open(ctx context.Context) error {
	var err error
	svc.following, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return svc.deps.Store.Follow(ctx, svc.heard, started)
	})
	if err != nil {
		return fmt.Errorf("follow the sources in the store: %w", err)
	}
	svc.taking = lifecycle.Loop(ctx, svc.fillAll)
	return nil
}

// closeOwners ends what Open has started, and waits for it.
func (svc *Service) closeOwners() {
	for _, s := range []*lifecycle.Service{svc.taking, svc.following} {
		if s != nil {
			_ = s.Stop()
		}
	}
}

// heard takes note of topics without an owner. It is called within the store's locks.
func (svc *Service) heard(e snapshot.Entry) {
	switch {
	case !strings.HasPrefix(e.Topic, wire.SourceKey("")):
		return
	case e.State == snapshot.Live:
		svc.forgetLeft(e.Topic)
		return
	case e.State != snapshot.Orphan && svc.find(nameOf(e.Topic)) == nil:
		svc.forgetLeft(e.Topic)
		return // it is not configured, and has its end
	}
	e.Data = nil
	svc.noteVacant(e)
}

// forgetLeft takes note that a topic has an owner, or its end.
func (svc *Service) forgetLeft(topic string) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	delete(svc.left, topic)
}

// vacantKey is the key of the task that looks after topics without an owner.
type vacantKey struct{}

// noteVacant has somebody look after a topic whose newest entry, as far as is known, is e: without data, and without a
// state if nothing is known.
func (svc *Service) noteVacant(e snapshot.Entry) {
	svc.mu.Lock()
	svc.vacant[e.Topic] = e
	svc.mu.Unlock()
	svc.deps.Scheduler.Schedule(vacantKey{}, 0)
}

// checkVacant is the hook that finds out which of these topics need an owner: those that this process follows, and those
// of sources that are not configured, whose end somebody has to tell. While another process has another configuration, its
// sources are left alone.
func (svc *Service) checkVacant(context.Context, *smartpoll.Internal) error {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	alike := svc.deps.Alike == nil || svc.deps.Alike()
	for topic, e := range svc.vacant {
		s := svc.find(nameOf(topic))
		delete(svc.left, topic)
		switch {
		case s == nil && e.State == snapshot.Orphan && !alike:
			svc.left[topic] = e // whoever has it configured goes on with it
		case s == nil && e.State == snapshot.Orphan, s != nil && s.claim == nil && svc.isMine(s.Source):
			svc.toFill = append(svc.toFill, e)
		}
	}
	clear(svc.vacant)
	svc.wakeLocked()
	return nil
}

func nameOf(topic string) string { return strings.TrimPrefix(topic, wire.SourceKey("")) }

// fillAll finds owners for the topics that need one, until ctx ends.
func (svc *Service) fillAll(ctx context.Context) {
	pause := time.Duration(0)
	for {
		select {
		case <-svc.anyToFill:
		case <-ctx.Done():
			return
		}
		svc.mu.Lock()
		list, giveUp := svc.toFill, svc.toGiveUp
		svc.toFill, svc.toGiveUp = nil, false
		svc.mu.Unlock()
		if giveUp {
			_ = svc.GiveUp(ctx) // fails if polling has ended, or with ctx
		}
		again, failed := svc.fillSome(ctx, list)
		if failed == nil {
			pause = 0
			continue
		}
		pause = min(max(2*pause, claimAgain), claimAgainMost)
		if ctx.Err() == nil {
			svc.deps.Log.Error("sources that nobody polls were not taken over", "count", len(again), "again", pause, "err", failed)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		for _, e := range again {
			svc.noteVacant(e)
		}
	}
}

// fillSome finds owners for topics, and returns those for which that has failed.
func (svc *Service) fillSome(ctx context.Context, list []snapshot.Entry) (again []snapshot.Entry, failed error) {
	var mu sync.Mutex // guards the results and taken
	taken := 0
	atOnce(list, func(e snapshot.Entry) {
		isTaken, err := svc.fill(ctx, e)
		mu.Lock()
		defer mu.Unlock()
		if isTaken {
			taken++
		}
		if err != nil {
			again, failed = append(again, e), err
		}
	})
	if taken > 0 {
		svc.deps.Log.Info("sources are polled here now: nobody else does any more", "count", taken)
	}
	return again, failed
}

// fill finds an owner for a topic: this process if the source is configured, which isTaken reports, and nobody if it is not.
func (svc *Service) fill(ctx context.Context, e snapshot.Entry) (isTaken bool, err error) {
	if svc.find(nameOf(e.Topic)) != nil {
		return svc.takeVacant(ctx, nameOf(e.Topic))
	}
	if e.State == snapshot.Orphan {
		return false, svc.remove(ctx, e)
	}
	return false, nil
}

// takeVacant makes this process the owner of a source that it follows, if nobody else is.
func (svc *Service) takeVacant(ctx context.Context, name string) (isTaken bool, err error) {
	claim, left, err := snapshot.ClaimOrAdopt(ctx, svc.deps.Store, wire.SourceKey(name), snapshot.ClaimOptions{})
	if claim == nil || err != nil {
		return false, err
	}
	s := svc.find(name)
	if s != nil && s.Alert != nil { // what its owner before has told of the alert is known then
		if err := svc.deps.Store.Sync(ctx); err != nil {
			return false, errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
		}
	}
	_ = svc.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		if s = svc.find(name); s != nil {
			s.claim, s.left = claim, left
			s.begin(nil)
		}
		return nil
	})
	if s == nil { // it was removed meanwhile, or polling has ended
		return false, claim.Release(context.WithoutCancel(ctx))
	}
	if left.Data != nil {
		svc.deps.Observer.adopted(name)
	}
	return true, nil
}

// remove ends the topic of a source that is not configured, which its owner has left.
func (svc *Service) remove(ctx context.Context, e snapshot.Entry) error {
	claim, left, err := svc.deps.Store.Claim(ctx, e.Topic, snapshot.ClaimOptions{Adopt: e.Run})
	if claim == nil || err != nil {
		return err
	}
	last := wire.Source{Key: e.Topic, Name: nameOf(e.Topic)}
	_ = json.Unmarshal(left.Data, &last) // or it has put nothing
	data, err := json.Marshal(wire.Source{
		Key: last.Key, Name: last.Name, Title: last.Title, Section: last.Section, Show: last.Show,
		State: wire.SourceRemoved, Value: json.RawMessage("null"),
	})
	if err == nil {
		err = claim.Finish(ctx, data, 0)
	}
	if err != nil {
		return errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
	}
	svc.forgetMeaning(last.Name)
	if slash := strings.LastIndexByte(last.Name, '/'); last.Kind == config.KindSplit && slash > 0 {
		svc.rowLeft(last.Name[:slash], last.Name)
	}
	svc.deps.Log.Info("a source was removed that is not configured any more", "source", last.Name)
	return nil
}

// checkClaims is the hook that looks whether claims of this process are lost. Their sources are followed then.
func (svc *Service) checkClaims(internal *smartpoll.Internal) {
	lost := 0
	for _, s := range svc.all() {
		if s.claim == nil {
			continue
		}
		select {
		case <-s.claim.Lost():
			s.claim = nil
			s.owned.Store(false)
			internal.Cancel(s.key) // another process may poll it by now
			internal.Schedule(s.key, -1)
			internal.Schedule(staleKey(s.key), -1)
			s.setTelling(false)
			s.alert.Lost()
			s.followOwner()
			lost++
		default:
		}
	}
	if lost > 0 {
		svc.deps.Log.Warn("the store has taken sources away: they are not polled here any more", "count", lost)
	}
}

// followOwner has s follow what its owner puts into its topic.
func (s *poller) followOwner() {
	s.endFollow = s.topic.OnPublish(func() { s.svc.inputChanged(s) })
	s.svc.inputChanged(s)
	s.svc.noteVacant(snapshot.Entry{Topic: s.key}) // it may be: nobody has listened for s until now
}

// readOwner brings s to what its owner has published, for what is computed from s.
func (s *poller) readOwner() {
	latest, ok := s.svc.deps.Store.Latest(s.topic)
	var snap wire.Source
	if !ok || json.Unmarshal(latest.Data, &snap) != nil {
		return
	}
	if s.svc.deps.Mine != nil {
		s.recordOwner(&snap)
	}
	if s.by.Load() == nil || snap.Replica != s.published.Replica {
		s.by.Store(&snap.Replica)
	}
	s.published = snap
	s.revision++
	s.renewAt(snap.UpdatedAt)
}

// renewAt sets the age of the value of s, which was got at that time by a wall clock; nil: there is none.
func (s *poller) renewAt(at *time.Time) {
	s.renewed, s.oldestInput = time.Time{}, ""
	if at != nil {
		s.renewed = s.monotonic(*at)
	}
}

// monotonic returns the reading of the monotonic clock at a time that people are shown, now if that is in the future.
func (s *poller) monotonic(at time.Time) time.Time {
	now := s.svc.deps.Clock.Now()
	return now.Add(-max(0, s.svc.deps.Clock.People(now).Sub(at)))
}

// resume returns the snapshot with which s goes on where the process before it was, whose last one s.left has: its value,
// stale if that is too old by now, and its error. Without that, or if its values meant something else, it returns one that
// is pending. Its alert goes on by the
// record that package alert keeps.
func (s *poller) resume() wire.Source {
	var last wire.Source
	data := s.left.Data
	s.left = snapshot.Entry{}
	if data == nil || json.Unmarshal(data, &last) != nil {
		return wire.Source{State: wire.SourcePending}
	}
	s.missing = time.Time{}
	if last.Missing != nil {
		s.missing = s.monotonic(*last.Missing)
	}
	snap := wire.Source{
		State: last.State, Since: last.Since, Value: last.Value, UpdatedAt: last.UpdatedAt, Error: last.Error, Cause: last.Cause,
	}
	if s.told = last.State; s.told == wire.SourcePending {
		s.told = ""
	}
	if !s.isMeant() {
		return wire.Source{State: wire.SourcePending}
	}
	s.renewAt(last.UpdatedAt)
	if now := s.svc.deps.Clock.Now(); s.svc.deps.Mine != nil && last.Waiting == wire.WaitingRateLimit && last.NextAt != nil {
		s.waiting, s.notBefore = last.Waiting, now.Add(last.NextAt.Sub(*s.svc.deps.Clock.People(now))) // as its upstream has asked
	}
	if s.StaleAfter > 0 && snap.State == wire.SourceOK {
		by, left := s.origin(), s.staleIn(s.svc.deps.Clock.Now())
		if left == 0 {
			text := s.staleReason()
			snap.State, snap.Error, snap.Cause = wire.SourceStale, &text, text
			snap.Since = new(last.UpdatedAt.Add(s.StaleAfter))
			if by.Polled() || by.Pushed() {
				s.aged = &text
			}
		}
		if left > 0 && by.Polled() || by.Pushed() { // it was good enough when the process before ended: the next value has its time
			within := by.firstPollWithin()
			s.evaluateFrom, left = s.svc.deps.Clock.Now().Add(within), max(left, within)
		}
		s.svc.deps.Scheduler.Schedule(staleKey(s.key), left)
	}
	return snap
}

// firstPollWithin returns how long the poll that follows at once may take before the age of the value counts. A value that is
// sent has all its time: nothing could come while there was no process.
func (s *poller) firstPollWithin() time.Duration {
	if s.Pushed() {
		return s.StaleAfter
	}
	patience := min(s.Timeout, longestWait)
	if s.limit != nil {
		patience += s.limit.Delay(s.svc.deps.Clock.Now())
	}
	return patience
}
