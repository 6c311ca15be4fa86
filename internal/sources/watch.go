package sources

import (
	"context"
	"strings"
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

// topicOf is the topic of a source, of all its definitions.
func (svc *Service) topicOf(name string) *sse.Topic {
	return svc.Hub.Topic(wire.SourceKey(name), svc.TopicOptions(wire.SourceKey(name)))
}

// TopicOptions are the options of the topic of that name in the hub, whoever makes it first. That
// of a source has the watchers looked at when the first one comes and when the last one leaves.
func (svc *Service) TopicOptions(name string) sse.TopicOptions {
	options := sse.TopicOptions{KeepData: true}
	if strings.HasPrefix(name, wire.SourceKey("")) {
		options.OnWatched = func(bool) { svc.Scheduler.Schedule(watchersKey{}, 0) }
	}
	return options
}

// lookAtWatchers is the hook that gives the sources the pace that their watchers want. A
// watched source that is computed from others has these watched.
func (svc *Service) lookAtWatchers(_ context.Context, internal *smartpoll.Internal) error {
	now := svc.Clock.Now()
	sources := svc.all()
	for _, s := range sources {
		switch {
		case s.topic.Watched():
			s.left = time.Time{}
		case s.wanted && s.left.IsZero():
			s.left = now
			internal.ScheduleSooner(watchersKey{}, linger)
		}
	}
	wanted := make(map[*poller]bool)
	for _, s := range sources {
		if s.topic.Watched() || !s.left.IsZero() && now.Sub(s.left) < linger {
			s.want(wanted)
		}
	}
	for _, s := range sources {
		if wanted[s] != s.wanted {
			s.wanted = wanted[s]
			s.repace(internal, now)
		}
	}
	return nil
}

// want adds s and what it is computed from to those that are wanted.
func (s *poller) want(wanted map[*poller]bool) {
	if wanted[s] {
		return
	}
	wanted[s] = true
	for _, input := range s.uses {
		input.want(wanted)
	}
}
