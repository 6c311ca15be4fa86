package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/forward"
	"github.com/tidewire/tidewire/internal/kind/nats"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/upstream"
)

// forwardWithin bounds the time for publishing the last states at a stop.
const forwardWithin = time.Second

var errNoLink = errors.New("there is no connection to NATS")

// A forwarding is the part of a configuration that says where states are published.
type forwarding struct {
	to        *forward.Forwarder
	upstreams *upstream.Pool
	current   *config.Config // nil before the first one
}

// A forwardingChange leads from one forwarding to another.
type forwardingChange struct {
	*forwarding
	from, next *config.Config
}

// Prepare implements [part].
func (f *forwarding) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	return forwardingChange{f, f.current, cfg}, nil
}

// Difference implements [reconcile.Change].
func (c forwardingChange) Difference() (d reconcile.Difference) {
	if c.from != nil && !config.Same(c.from.Forward, c.next.Forward) {
		d.Changed = append(d.Changed, "forward")
	}
	return d
}

// Apply implements [reconcile.Change].
func (c forwardingChange) Apply() {
	c.current = c.next
	if c.next.Forward == nil {
		c.to.To(nil)
		return
	}
	to := *c.next.Forward.NATS
	c.to.To(func(ctx context.Context, name string, data []byte) error {
		link, ok := c.upstreams.Link(to.Upstream.Name).(*nats.Link) // another one after a reload
		if !ok {
			return errNoLink
		}
		return link.Publish(ctx, to.Subject+"."+name, data)
	})
}

// Finish implements [reconcile.Change].
func (c forwardingChange) Finish(context.Context) {}

// Withdraw implements [reconcile.Change].
func (c forwardingChange) Withdraw(context.Context) {}

// endForwarding publishes the last states.
func (g *gateway) endForwarding(live context.Context) {
	ctx, done := context.WithTimeout(live, forwardWithin)
	defer done()
	g.forwarder.Close(ctx)
}
