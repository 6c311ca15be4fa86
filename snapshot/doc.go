// Package snapshot stores the newest state of each topic: one entry per topic, replaced by newer ones.
//
// A [Store] gives a topic to exactly one writer at a time. The winner of [Store.Claim] holds a [Claim] and writes
// through it; all other callers learn which run to join. [Store.Follow] reports every change, so that the state can be
// published to readers.
//
//	claim, entry, err := store.Claim(ctx, "job/scan", snapshot.ClaimOptions{})
//	if claim == nil { ... join entry.Run ... }
//	claim.Put(data)                                // newest wins
//	claim.Finish(ctx, last, 30*time.Second)        // kept for half a minute, then gone
//
// # Life of a topic
//
// A topic has no entry, or one that is [Live], [Orphan] or [Final]. A claim makes it Live with a new run and N = 0,
// without data. Each Put adds one to N and replaces the data. Finish makes it Final; after its retention, or by
// [Store.Forget], the entry is forgotten, which followers see as [Gone]. A new claim may replace a Final entry before
// that: the follower then sees the new run's Live entry at once, and never a Gone of the run before it.
//
// A run whose writer is gone, or has released it, becomes an Orphan: its state stands, and no claim replaces it. Whoever
// adopts the run (ClaimOptions.Adopt) makes it Live again and goes on, or gives it an end. [ClaimOrAdopt] is for writers
// that go on with whatever is there.
//
// # Order and loss
//
// A snapshot replaces all earlier ones, so a follower may miss intermediate states. It never misses the last one, it
// never sees N of a run go down, and it never sees a run again after that run's Final or Gone or a newer run. There is
// no order between topics.
//
// # Data
//
// Bytes passed to a Claim belong to the store and must not be modified afterwards; the bytes of an [Entry] are shared
// by all its readers and must not be modified either. Nothing is copied.
//
// # Implementations
//
// [Memory] keeps everything in the process, package natsstore in NATS JetStream, for several processes. Package
// snapshottest contains the suite that every Store must pass.
package snapshot
