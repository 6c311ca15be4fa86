package replica

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/snapshot"
)

// store writes one record.
func (r *Records) store(ctx context.Context, key string, data []byte) error {
	r.mu.Lock()
	h := r.held[key]
	r.mu.Unlock()
	topic := r.opts.Prefix + key
	if most := r.opts.Store.MaxData(); len(data) > most { // tried again, it would hold up all others
		r.opts.Log.Error("a record is too large for the store, and stays as it was", "record", topic, "bytes", len(data), "most", most)
		return nil
	}
	if h != nil {
		select {
		case <-h.claim.Lost(): // it is up to another replica now
			r.drop(key)
			return nil
		default:
		}
	}
	switch keep := r.retain(key, data); {
	case data == nil && h != nil:
		r.drop(key)
		return ignoreLost(h.claim.Finish(ctx, nil, 0))
	case data == nil:
		return r.remove(ctx, key)
	case keep > 0:
		claim, err := r.claim(ctx, topic)
		if claim == nil || err != nil {
			return err
		}
		return ignoreLost(claim.Finish(ctx, data, keep))
	case h == nil:
		claim, err := r.claim(ctx, topic)
		if err != nil || claim == nil {
			return err
		}
		h = &heldRecord{claim: claim}
	}
	r.mu.Lock()
	r.held[key], h.last = h, data
	r.mu.Unlock()
	h.claim.Put(data)
	return nil
}

// remove removes a record that this process does not hold, unless another one holds it.
func (r *Records) remove(ctx context.Context, key string) error {
	if err := r.opts.Store.Sync(ctx); err != nil { // it may have been written a moment ago
		return err
	}
	r.mu.Lock()
	known := r.known[key]
	r.mu.Unlock()
	switch known.State {
	case snapshot.Final:
		return r.opts.Store.Forget(ctx, r.opts.Prefix+key, known.Run)
	case snapshot.Orphan:
		claim, _, err := r.opts.Store.Claim(ctx, r.opts.Prefix+key, snapshot.ClaimOptions{Adopt: known.Run})
		if claim != nil && err == nil {
			err = ignoreLost(claim.Finish(ctx, nil, 0))
		}
		return err
	}
	return nil
}

func (r *Records) drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, key)
}

// claim takes a topic, or adopts it. The claim is nil if another replica holds it.
func (r *Records) claim(ctx context.Context, topic string) (snapshot.Claim, error) {
	claim, entry, err := snapshot.ClaimOrAdopt(ctx, r.opts.Store, topic, snapshot.ClaimOptions{})
	if err == nil && claim == nil && len(entry.Data) == 0 {
		err = errors.New("another replica is about to write it, or to end it")
	}
	return claim, err
}

func ignoreLost(err error) error {
	if errors.Is(err, snapshot.ErrLost) || errors.Is(err, snapshot.ErrOver) {
		return nil
	}
	return err
}
