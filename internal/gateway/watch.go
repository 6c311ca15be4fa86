package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

// linger is how long a source counts as watched after the last stream of it has ended: a
// page that is loaded again, and a client between two long polls, have not left.
const linger = 5 * time.Second

// watchersKey is the key of the task that looks who watches what.
type watchersKey struct{}

// sourceTopic is the topic of a source, of all its definitions. It has the watchers looked
// at when the first one comes and when the last one leaves.
func (g *gateway) sourceTopic(name string) *sse.Topic {
	return g.hub.Topic(wire.SourceKey(name), sse.TopicOptions{
		OnWatched: func(bool) { g.scheduler.Schedule(watchersKey{}, 0) },
		KeepData:  true,
	})
}

// lookAtWatchers is the hook that gives the sources the pace that their watchers want. A
// watched source that is computed from others has these watched.
func (g *gateway) lookAtWatchers(_ context.Context, internal *smartpoll.Internal) error {
	now := g.clock.Now()
	sources := g.sources.all()
	for _, s := range sources {
		switch {
		case s.topic.Watched():
			s.left = time.Time{}
		case s.wanted && s.left.IsZero():
			s.left = now
			internal.ScheduleSooner(watchersKey{}, linger)
		}
	}
	for _, s := range sources {
		if wanted := s.isWanted(now); wanted != s.wanted {
			s.wanted = wanted
			s.repace(internal, now)
		}
	}
	return nil
}

// isWanted says whether s is watched itself, or through what is computed from it.
func (s *poller) isWanted(now time.Time) bool {
	return s.topic.Watched() || !s.left.IsZero() && now.Sub(s.left) < linger ||
		slices.ContainsFunc(s.dependents, func(d *poller) bool { return d.isWanted(now) })
}
