package gateway

import "context"

// unreachable is the reason with which streams end when this replica does not know any more what the others do.
const unreachable = `{"reason":"store"}`

// moveStreams ends all streams when the store has taken the lease of this replica away, until ctx ends: what it shows does
// not change from then on. Their readers come back soon, through a balancer to a replica that is ready.
func (g *gateway) moveStreams(ctx context.Context) {
	if g.replica == nil {
		return
	}
	changed := make(chan struct{}, 1)
	g.replica.OnChange(func() {
		select {
		case changed <- struct{}{}:
		default: // it is looked at soon
		}
	})
	for was := g.replica.IsMember(); ; {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		is := g.replica.IsMember()
		if was && !is {
			g.hub.End(func(any) bool { return true }, unreachable)
		}
		was = is
	}
}
