package gateway_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
)

// A countingStore counts the claims of units.
type countingStore struct {
	snapshot.Store
	units atomic.Int64
}

func (s *countingStore) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	if strings.HasPrefix(topic, "unit/") {
		s.units.Add(1)
	}
	return s.Store.Claim(ctx, topic, opts)
}

// A replica takes no units, and so writes nothing, before it polls; then it takes each of its own once.
func TestReplicasTakeUnitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		store := &countingStore{Store: f.store}
		ctx, end := context.WithCancel(context.Background())
		m := &member{of: f, end: end}
		m.Gateway = gateway.NewGateway(t, ctx, load(t, sharedJobs), gateway.Replica(store, &f.questions))
		m.Ask(m)
		time.Sleep(2 * time.Second)
		if n := store.units.Load(); n != 0 {
			t.Errorf("before polling begins %d units are claimed, want none", n)
		}
		m.over = m.Start(ctx)
		time.Sleep(time.Minute)
		if n := store.units.Load(); n != 4 {
			t.Errorf("%d units are claimed, want 4", n)
		}
		m.leave()
	})
}
