package jobs

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/smartpoll"
)

// admit waits until the limits of an upstream allow one more request, in one queue with the polls of its sources. The
// request is over when done is called.
func (s *Service) admit(ctx context.Context, upstream string) (done func(), err error) {
	limit := s.deps.Upstreams.Group(upstream)
	if limit == nil {
		return func() {}, nil
	}
	done, err = s.deps.Scheduler.Admit(ctx, limit)
	if errors.Is(err, smartpoll.ErrNotRunning) {
		<-ctx.Done() // polling has ended: so will the run, which should say why
	}
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	return done, err
}
