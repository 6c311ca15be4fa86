package sources

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
)

// Replicas share the sources by units: see package replica. A source that should be another's is given up, as soon as the
// poll in progress has ended, and followed from then on; one that should be this process's is taken when it is vacant.

// A source that is on one replica by its configuration is in a unit of that: while it is away, another one has the unit, and
// tells that by polls that fail.

// UnitOf returns the unit of a source. All sources of an upstream are in one, so that one process keeps its limits.
func UnitOf(s *config.Source) string {
	key := wire.SourceKey(cmp.Or(s.SplitFrom, s.Name)) // whoever has a source that is split has its rows
	switch {
	case s.On != "":
		return replica.UnitOn(s.On, key)
	case s.Upstream != nil:
		return "upstream/" + s.Upstream.Name
	}
	return key
}

// isMine reports whether this process should be the owner of a source.
func (svc *Service) isMine(s *config.Source) bool {
	return svc.deps.Mine == nil || svc.deps.Mine(UnitOf(s))
}

// standsIn reports whether a source can only be polled by another replica, whatever this one holds.
func (svc *Service) standsIn(s *config.Source) bool {
	return s.On != "" && svc.deps.Away != nil && s.On != svc.deps.Replica
}

// awayWithin is how long a replica has that comes, or learns of a source, to take it from one that stands in.
const awayWithin = time.Second

// away is the poll of a source by a replica that stands in for another one.
func (s *poller) away(ctx context.Context) (kind.Result, error) {
	select {
	case <-time.After(awayWithin):
	case <-ctx.Done():
	}
	if err := s.svc.deps.Away(s.On); err != nil {
		return kind.Result{}, err
	}
	return kind.Result{}, kind.ErrNothingYet // it will take the source
}

// Replicas returns how many sources this replica polls, and how many each other one does, by the names of these, as far as
// they have published something.
func (svc *Service) Replicas() (own int, others map[string]int) {
	others = map[string]int{}
	for _, s := range svc.all() {
		if s.owned.Load() {
			own++
		} else if by := s.by.Load(); by != nil {
			others[*by]++
		}
	}
	return own, others
}

// PublishedBy is the name of the replica that has published what is known of a source which another one polls; empty if that
// is not known.
func (svc *Service) PublishedBy(name string) string {
	s := svc.find(name)
	if s == nil || s.owned.Load() {
		return ""
	}
	if by := s.by.Load(); by != nil {
		return *by
	}
	return ""
}

// movedKey is the key of the task that looks which sources should have another owner.
type movedKey struct{}

// Moved is to be called when Deps.Mine may say something else than before. It neither blocks nor calls the store.
func (svc *Service) Moved() { svc.deps.Scheduler.Schedule(movedKey{}, 0) }

// checkMoved is the hook of Moved.
func (svc *Service) checkMoved(_ context.Context, internal *smartpoll.Internal) error {
	svc.checkClaims(internal) // a lease that is lost takes all of them
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for _, s := range svc.all() {
		switch mine := svc.isMine(s.Source); {
		case s.claim != nil && !mine:
			svc.toGiveUp = true
		case s.claim == nil && mine:
			svc.toFill = append(svc.toFill, snapshot.Entry{Topic: s.key}) // whoever holds it may have left it
		}
	}
	if len(svc.left) > 0 && svc.deps.Alike() {
		for _, e := range svc.left {
			svc.toFill = append(svc.toFill, e)
		}
		clear(svc.left)
	}
	svc.wakeLocked()
	return nil
}

// wakeLocked wakes fillAll if there is something to do for it.
func (svc *Service) wakeLocked() {
	if len(svc.toFill) > 0 || svc.toGiveUp {
		select {
		case svc.anyToFill <- struct{}{}:
		default:
		}
	}
}

// GiveUp gives up all sources that should be another process's, and returns when that one can take them.
func (svc *Service) GiveUp(ctx context.Context) error {
	unlock, err := svc.lockChanges(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c := &change{svc: svc, unlock: func() {}, isMove: true}
	err = svc.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		var all []*config.Source
		for _, s := range svc.all() {
			all = append(all, s.Source)
		}
		stays := func(s *poller, cfg *config.Source) bool { return s.claim == nil || svc.isMine(cfg) }
		key := func(c *config.Source) string { return wire.SourceKey(c.Name) }
		c.Diff = reconcile.Of(svc.all(), all, key, stays, svc.newPoller)
		if len(c.Fresh) > 0 {
			c.Apply()
		}
		return nil
	})
	if err == nil {
		c.Finish(ctx)
	}
	return err
}

// giveUp releases the topics of sources whose tasks are gone.
func (svc *Service) giveUp(ctx context.Context, all []*poller) {
	atOnce(all, func(s *poller) {
		s.polling.Lock() // until the poll in progress has ended, whose context has
		defer s.polling.Unlock()
		s.alert.Leave(ctx)
		if err := s.claim.Release(ctx); err != nil && !errors.Is(err, snapshot.ErrLost) {
			s.log.Warn("a source that another replica should poll was not given up cleanly", "err", err)
		}
	})
	if len(all) > 0 {
		svc.deps.Log.Info("sources are left to other replicas: they are not polled here any more", "count", len(all))
	}
}

// lockChanges keeps sources from being exchanged by others until unlock is called.
func (svc *Service) lockChanges(ctx context.Context) (unlock func(), err error) {
	select {
	case svc.changing <- struct{}{}:
		return sync.OnceFunc(func() { <-svc.changing }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// recordOwner adds what another replica has published of s to the past that this one keeps: each value and each failure,
// but not how the polls went that gave them.
func (s *poller) recordOwner(snap *wire.Source) {
	before := &s.published
	wall := s.svc.deps.Clock.Wall()
	if snap.State != before.State && snap.State != wire.SourcePending {
		s.svc.deps.Spans.Enter(s.Name, wall, snap.State, snap.Cause)
	}
	isNew := snap.UpdatedAt != nil && (before.UpdatedAt == nil || !snap.UpdatedAt.Equal(*before.UpdatedAt))
	if snap.State == wire.SourcePending || !isNew && snap.State == before.State {
		return
	}
	sample := archive.Sample{Poll: archive.Poll{At: wall, State: snap.State}, Followed: true}
	if isNew {
		sample.At = *snap.UpdatedAt
	}
	if snap.State == wire.SourceOK {
		if value, ok := archive.Decode(snap.Value); ok {
			sample.Value = archive.Few(value, s.Show.Value)
		}
	}
	s.svc.deps.Samples.Add(s.Name, sample)
}
