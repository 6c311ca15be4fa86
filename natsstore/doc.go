// Package natsstore keeps the newest state of topics in NATS JetStream, where several processes share it: a
// [snapshot.Store] for programs of which more than one runs.
//
//	store, err := natsstore.Open(natsstore.Options{URL: "nats://nats-1:4222,nats://nats-2:4222", Replicas: 3})
//	tracker, err := progress.Open(ctx, store, nil) // what one process starts, readers of all see
//	...
//	store.Close(ctx)
//
// It needs nats-server 2.11 or newer with JetStream. The store makes its stream if there is none, and it is the only one
// that writes it.
//
// # Owners
//
// Each process holds one lease, whatever the number of its claims, and renews it at a third of its duration. If it
// cannot, it gives up all its claims, whose Lost channels are closed, when the lease would be over counted from before
// the last renewal that succeeded. Others watch its lease on their own clocks. Who has seen no renewal for that long asks
// the leader of the stream and then declares the lease dead, which makes a [snapshot.Orphan] of each of its entries, in
// all processes. A process that loses its lease takes another one, under another owner's name. No clock is compared with
// that of another machine.
//
// # Writing
//
// An entry is replaced only by whoever knows its revision, so of many that claim or adopt a topic one succeeds, and a
// process that was believed dead cannot change what somebody has adopted. There is one request in flight for each topic.
// What is put meanwhile, or within Options.Pace, replaces what was put before. A request that is not answered is
// repeated with the same id, so it counts once.
//
// # Following
//
// A store has one subscription for all its followers. Messages that it misses, because the connection was lost or a
// server stopped, are asked for by their sequence within a second. A stream that was deleted and made again is noticed:
// followers are told that what it lacks is Gone, and all claims are lost.
//
// # Questions
//
// [Store.Ask] asks another process something that need not be stored, by a name for which that one has called
// [Store.Answer]. Questions and answers come at most once, outside the stream.
//
// # Failures
//
// While servers cannot be reached, calls wait for them until their context ends, followers keep what they know, and
// [Store.Status] says what is wrong. If that is over before the lease, nothing is lost. The machine of the stream's
// leader can vanish: three servers need some 4 to 8 s to agree on another one.
//
// What servers promise is promised here. They write files at once but have the disk confirm it every two minutes, unless
// sync_interval says otherwise: with one server, or if the power of all fails, the newest entries can be lost.
//
// # Limits
//
// Data has at most [Store.MaxData] bytes, the name of a topic 8 KiB. Retentions are counted in whole seconds, rounded up.
// Each process keeps all entries in memory and receives all changes.
package natsstore
