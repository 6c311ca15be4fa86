package sources

import (
	"context"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

// linger is how long a source counts as watched after its last stream has ended, so that a page that
// is reloaded and a client between two long polls do not change its pace.
const linger = 5 * time.Second

// watchersKey is the key of the task that checks which sources are watched.
type watchersKey struct{}

// topicOf returns the topic of a source, which all its definitions share.
func (svc *Service) topicOf(name string) *sse.Topic {
	return svc.deps.Hub.Topic(wire.SourceKey(name), svc.TopicOptions(wire.SourceKey(name)))
}

// TopicOptions returns the options that the topic of that name must have in the hub, whoever makes
// it. The topic of a source starts a check when its first watcher comes and when its last one leaves.
func (svc *Service) TopicOptions(name string) sse.TopicOptions {
	options := sse.TopicOptions{KeepData: true}
	if strings.HasPrefix(name, wire.SourceKey("")) {
		options.OnWatched = func(bool) { svc.deps.Scheduler.Schedule(watchersKey{}, 0) }
	}
	return options
}

// checkWatchers is the hook that adjusts the pace of sources to their watchers. The inputs of a
// watched source count as watched.
func (svc *Service) checkWatchers(_ context.Context, internal *smartpoll.Internal) error {
	now := svc.deps.Clock.Now()
	sources := svc.all()
	for _, s := range sources {
		switch {
		case s.topic.Watched():
			s.unwatchedSince = time.Time{}
		case s.wanted && s.unwatchedSince.IsZero() && !svc.isWatchedElsewhere(s.Name):
			s.unwatchedSince = now
		}
	}
	wanted := make(map[*poller]bool)
	var here []string
	for _, s := range sources {
		isHere := s.topic.Watched()
		if left := linger - now.Sub(s.unwatchedSince); !s.unwatchedSince.IsZero() && left > 0 {
			isHere = true
			internal.ScheduleSooner(watchersKey{}, left) // by each check: this one may have come in the place of that
		}
		if isHere && svc.deps.Watched != nil {
			here = append(here, s.Name)
		}
		if isHere || svc.isWatchedElsewhere(s.Name) {
			s.want(wanted)
		}
	}
	if svc.deps.Watched != nil {
		svc.deps.Watched(here)
	}
	for _, s := range sources {
		if wanted[s] != s.wanted {
			s.wanted = wanted[s]
			s.adjustPace(internal, now)
		}
	}
	return nil
}

// WatchedElsewhere tells which sources are watched at other replicas. They count as watched.
func (svc *Service) WatchedElsewhere(names map[string]bool) {
	svc.elsewhere.Store(&names)
	svc.deps.Scheduler.Schedule(watchersKey{}, 0)
}

func (svc *Service) isWatchedElsewhere(name string) bool {
	elsewhere := svc.elsewhere.Load()
	return elsewhere != nil && (*elsewhere)[name]
}

// want adds s and its inputs to wanted.
func (s *poller) want(wanted map[*poller]bool) {
	if wanted[s] {
		return
	}
	wanted[s] = true
	for _, input := range s.uses {
		input.want(wanted)
	}
}
