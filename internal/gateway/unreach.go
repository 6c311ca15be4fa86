package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/sse"
)

const (
	// syncWithin bounds the time in which a replica finds out what the store has, before a client comes back to another one.
	syncWithin = time.Second
	// noticedWithin is how long a balancer may take to notice that a replica is not ready. Whoever comes after that has no
	// other one.
	noticedWithin = 30 * time.Second
)

// isBehind reports whether a client should come back, to another replica through a balancer, rather than be told what this
// process knows: this one has lost its lease, and a balancer may not have noticed yet; or the client has seen something that
// is not the newest here, and it cannot be found out now whether that is newer. So what a client has seen does not go back.
// One that has seen nothing is told what there is.
func (g *gateway) isBehind(ctx context.Context, hasSeen bool) bool {
	if g.replica == nil {
		return false
	}
	if ago, isLost := g.replica.LostFor(); isLost && ago < noticedWithin {
		return true
	}
	switch {
	case !hasSeen:
		return false
	case !g.replica.IsMember(), g.storeError() != nil:
		return true
	}
	ctx, done := context.WithTimeout(ctx, syncWithin)
	defer done()
	return g.store.Sync(ctx) != nil
}

// turnAway is [gateway.isBehind] for streams.
func (g *gateway) turnAway(r *http.Request) bool {
	return g.isBehind(r.Context(), sse.RequestLastEventID(r) != "")
}

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
