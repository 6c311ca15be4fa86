package gateway

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/history"
	"github.com/tidewire/tidewire/sse"
)

// served is the sources as the API serves them. It implements [api.Sources].
type served struct{ *sources }

func (s served) Topics() []*sse.Topic { return s.topics() }

func (s served) Topic(name string) *sse.Topic {
	if p := s.find(name); p != nil {
		return p.topic
	}
	return nil
}

func (s served) Definition(name string) *config.Source {
	if p := s.find(name); p != nil {
		return p.Source
	}
	return nil
}

func (s served) History(name string) *history.History {
	if p := s.find(name); p != nil {
		return p.history
	}
	return nil
}

func (s served) Refresh(ctx context.Context, name string) (time.Duration, error) {
	if p := s.find(name); p != nil {
		return s.g.refresh(ctx, p)
	}
	return 0, nil
}
