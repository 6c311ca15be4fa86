package jobs

import (
	"context"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/smartpoll"
)

// admitted waits until the limits of an upstream let one more request begin: in the order
// of the polls of its sources, as one of them, which ends with done.
func (s *Service) admitted(ctx context.Context, upstream *config.Upstream) (done func(), err error) {
	limit := s.Upstreams.Group(upstream.Name)
	if limit == nil {
		return func() {}, nil
	}
	turn, over := make(chan struct{}), make(chan struct{})
	key := admission{turn}
	err = s.Scheduler.Add(key, func(ctx context.Context) (smartpoll.TaskHook, error) {
		close(turn)
		select {
		case <-over:
		case <-ctx.Done(): // removed, or the end of all polls: the request goes on
		}
		return func(_ context.Context, internal *smartpoll.Internal) error {
			internal.Remove(key)
			return nil
		}, nil
	}, smartpoll.In(limit))
	if err != nil {
		return nil, err
	}
	s.Scheduler.Schedule(key, 0)
	select {
	case <-turn:
		return func() { close(over) }, nil
	case <-ctx.Done():
		s.Scheduler.Remove(key)
		return nil, context.Cause(ctx)
	}
}

// An admission is the key of the task by which a request waits for its turn.
type admission struct{ turn chan struct{} }
