package gateway

import (
	"context"
	"errors"
	"net/http"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/smartpoll"
)

// A calling has what a call of a webhook by an upstream needs: of a receiver of messages, or of states.
type calling struct {
	upstreams *upstream.Pool
	scheduler *smartpoll.Scheduler // keeps the limits of upstreams
	shared    *http.Client         // of upstreams without a link of their own
}

func (g *gateway) calls() calling { return calling{&g.upstreams, g.scheduler, g.client} }

// admit waits until the limits of an upstream allow one more call, in one queue with the polls of its sources. The call is over
// when done is called. At a stop, when polling has ended, the last calls wait for no limit.
func (c calling) admit(ctx context.Context, name string) (done func(), err error) {
	limit := c.upstreams.Group(name)
	if limit == nil {
		return func() {}, nil
	}
	done, err = c.scheduler.Admit(ctx, limit)
	if errors.Is(err, smartpoll.ErrNotRunning) {
		return func() {}, nil
	}
	return done, err
}

// client returns the client for a call by an upstream: another one after a reload.
func (c calling) client(name string) *http.Client {
	return httpkind.ClientOf(c.upstreams.Link(name), c.shared)
}

// call is admit and client together, see [alert.Deps].
func (c calling) call(ctx context.Context, name string) (client *http.Client, done func(), err error) {
	if done, err = c.admit(ctx, name); err != nil {
		return nil, nil, err
	}
	return c.client(name), done, nil
}
