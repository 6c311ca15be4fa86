package snapshot

import "context"

// ClaimOrAdopt takes topic for a writer that goes on with whatever is there: it is [Store.Claim], and adopts what a writer
// that is gone has left, if that is what stands. The entry has its data then, and none for a new run. The claim is nil if
// somebody else writes the topic, or adopted it a moment earlier, and with opts.KeepFinal for a retained end. opts.Adopt must
// not be set.
func ClaimOrAdopt(ctx context.Context, store Store, topic string, opts ClaimOptions) (Claim, Entry, error) {
	claim, entry, err := store.Claim(ctx, topic, opts)
	if err != nil || claim != nil || entry.State != Orphan {
		return claim, entry, err
	}
	return store.Claim(ctx, topic, ClaimOptions{Adopt: entry.Run})
}
