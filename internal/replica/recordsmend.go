package replica

import (
	"context"
	"maps"

	"github.com/tidewire/tidewire/snapshot"
)

// heardFallenLocked takes note of a record whose process has died after it had claimed the topic, and before it had written
// anything. What was there before is still there.
func (r *Records) heardFallenLocked(key string, e *snapshot.Entry) {
	if e.State != snapshot.Orphan || len(e.Data) > 0 {
		delete(r.fallen, key)
		return
	}
	r.fallen[key] = e.Run
	e.Data = r.known[key].Data
}

// Moved is to be called when [RecordsOptions.Mine] may say something else than before. It does not block.
func (r *Records) Moved() { poke(r.anyToWrite) }

// mend ends what processes have left in the middle of writing it: with what was there before, if this process knows that and
// nobody holds such records, or else without anything, as it would stay in the store for ever.
func (r *Records) mend(ctx context.Context) error {
	if r.opts.Mine == nil {
		return nil
	}
	r.mu.Lock()
	fallen := maps.Clone(r.fallen)
	r.mu.Unlock()
	for key, run := range fallen {
		topic := r.opts.Prefix + key
		if !r.opts.Mine(topic) {
			continue
		}
		claim, _, err := r.opts.Store.Claim(ctx, topic, snapshot.ClaimOptions{Adopt: run})
		if err != nil {
			return err
		}
		r.mu.Lock()
		if r.fallen[key] == run {
			delete(r.fallen, key)
		}
		data := r.known[key].Data
		r.mu.Unlock()
		if claim == nil {
			continue // somebody else does
		}
		keep := r.retain(key, data)
		if data == nil || keep == 0 {
			data, keep = nil, 0
		}
		if err := ignoreLost(claim.Finish(ctx, data, keep)); err != nil {
			return err
		}
	}
	return nil
}
