// Package progress shows people the last state of a job: start it or join it, publish snapshots, finish once, and
// keep the end for a while for those who come late.
//
//	tracker := progress.New(ctx, 30*time.Second, 30*time.Second, slog.Default())
//
//	job, isNew := tracker.Start("discovery/line-1") // on the request that triggers the work
//	if isNew {
//		go func() {
//			defer job.Finish(failed) // the safety net: the first Finish counts
//			job.Publish(state)
//			job.Finish(done)
//		}()
//	}
//
//	err := tracker.Serve(w, r, "discovery/line-1") // on the request that watches it
//
// [Job.Run] does the first half with a work function: it reports as a [Progress], recovers a panic into a failed
// terminal, and always finishes. [Handler] is all of it as one http.Handler, and [Client] its other end in Go.
//
// Use it for work with a definite end whose events are snapshots: each says everything that those before it said.
// Whether the end is good or bad is said in the payload.
//
// # Topics and runs
//
// A topic is a name, such as "discovery/line-1". It has at most one run at a time: nobody's until a Start, then
// running, then, from Finish on, retained for the Tracker's retention (30 seconds by default), then forgotten.
// [Tracker.Start] joins a running job and begins a new run in any other case, so that a trigger never takes an old
// result for its own; [Tracker.StartOrJoin] joins a retained one too, for work that is done once and shown to many.
// Of any number of callers at once one begins the run, the others join it.
//
// # Runs with more to say
//
// A run that has an id from elsewhere, keeps its end for a time of its own, or publishes more than a [Progress]
// begins with [Tracker.StartAs]. One that exists before it has a topic, waits in a queue, appears in several topics,
// or ends in its own way is published by a [Publisher] in place of [Job.Run]:
//
//	publisher := progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued})
//
//	own, _, err := tracker.StartAs(ctx, "run/"+id, progress.StartOptions{Run: id, Retention: keep, Payload: r.payload})
//	publisher.Show(own) // queued
//
//	opts := progress.StartOptions{Run: id, Retention: keep, Payload: r.withQueue}
//	job, isNew, err := tracker.StartAs(ctx, "job/"+name, opts)
//	publisher.Show(job) // the same state in a second topic
//
//	publisher.Update(func(p *progress.Progress) { p.Status = progress.StatusRunning; r.position = 0 })
//	publisher.Step(1, 2, "half way")                       // paced
//	publisher.Refresh("job/"+name, func() { r.queue = q })  // the second topic alone
//	err = publisher.End(func(p *progress.Progress) { p.Status = progress.StatusTimedOut })
//
// The Publisher's lock guards what r.payload and r.withQueue read. Whether the run was asked to stop, or lost its
// topic, the contexts of its Jobs say: context.AfterFunc(own.Context(), ...). The word cancelling is then the
// caller's to publish.
//
// # Streams
//
// A stream ([Tracker.Serve]) gets the newest snapshot at once, then what is published, then the terminal, and ends.
// It may skip snapshots if they come faster than it can send them, but never goes back and never misses the terminal.
// A stream that was there before Finish gets the last snapshot and the terminal, one that came later the terminal
// alone. Events are unnamed, one line of JSON each; their ids are `<run>-<n>`, the terminal's is `<run>-end`. A
// client that comes back with a terminal's id is told by 204 to stay away, even when the topic is long forgotten.
//
// # Cost and slow readers
//
// A payload is encoded once, in Publish, whatever the number of streams. Publish waits for no stream: a slow one
// skips, one that does not read at all is cut off by the [sse.Hub]. A Reporter publishes at most a burst of 20
// snapshots and then one each 50 ms, so that the work may report as often as it likes. A job that idles costs its
// newest snapshot and an entry in a few maps: no goroutine, no timer.
//
// # Where state lives
//
// A Tracker writes to a [snapshot.Store] and shows what the store tells it, nothing else. [New] makes one that keeps
// everything in the process. [Open] takes a store that may be shared: the Tracker then shows every entry of it,
// whoever wrote it. A run whose writer disappears from the store without a terminal is shown to end with
// `{"status":"lost",...}`, or with what [Options].Lost makes of its last snapshot.
//
// # Concurrency and shutdown
//
// All methods may be called from any goroutine. [Tracker.Shutdown] ends a Tracker in order: it refuses new runs, asks
// those of this process to stop, waits for their ends and for the streams that show them. A Tracker whose context ends
// just stops: its streams end without a terminal and all its entries leave. Handles stay safe to use.
//
// # What it leaves to others
//
// Mutual exclusion between topics, dropping equal payloads, and history: a stream sees the newest state, not each
// event.
package progress
