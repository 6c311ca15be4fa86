package replica

import (
	"context"
	"errors"
	"strings"

	"github.com/tidewire/tidewire/snapshot"
)

// bury ends the entries of replicas that have died, so that they do not stay in the store.
func (r *Replica) bury(ctx context.Context) error {
	r.mu.Lock()
	var dead []snapshot.Entry
	for _, e := range r.dead {
		dead = append(dead, e)
	}
	r.mu.Unlock()
	for _, e := range dead {
		if err := r.end(ctx, e); err != nil {
			return err
		}
		r.mu.Lock()
		if r.dead[strings.TrimPrefix(e.Topic, prefix)].Run == e.Run {
			delete(r.dead, strings.TrimPrefix(e.Topic, prefix))
		}
		r.mu.Unlock()
	}
	return nil
}

// end ends the entry of a replica that has died, unless somebody else does.
func (r *Replica) end(ctx context.Context, e snapshot.Entry) error {
	claim, _, err := r.deps.Store.Claim(ctx, e.Topic, snapshot.ClaimOptions{Adopt: e.Run})
	if err != nil || claim == nil {
		return err
	}
	if err := claim.Finish(ctx, nil, 0); err != nil && !errors.Is(err, snapshot.ErrLost) {
		return err
	}
	r.deps.Log.Info("a replica has died, or was out of reach", "replica", strings.TrimPrefix(e.Topic, prefix))
	return nil
}
