// Package progress shows people the latest state of a job: start it or join it, publish snapshots, finish once, and
// keep the end for a while for late readers.
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
// terminal, and always finishes. [Handler] offers all of this as an http.Handler, and [Client] is its counterpart in
// Go.
//
// Use it for work with a definite end whose events are snapshots: each one replaces all earlier ones. The payload tells
// success from failure.
//
// # Topics and runs
//
// A topic is a name, such as "discovery/line-1". It has at most one run at a time: no run until a Start; then a running
// one; from Finish on a retained one, for the Tracker's retention (30 seconds by default) or that of [Job.Retain]; then
// it is forgotten, or before that by [Tracker.Forget]. [Tracker.Start] joins a running job and begins a new run in any
// other case, so that a trigger never takes an old result for its own; [Tracker.StartOrJoin] also joins a retained one,
// for work that is done once and shown to many. Of any number of concurrent callers exactly one begins the run, and the
// others join it.
//
// # Runs with more to say
//
// A run with an id from elsewhere, or a payload with more than a [Progress], begins with [Tracker.StartAs]. A run that
// exists before it has a topic, waits in a queue, appears in several topics, or ends in its own way is published by a
// [Publisher] instead of [Job.Run]:
//
//	publisher := progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued})
//
//	own, _, err := tracker.StartAs(ctx, "run/"+id, progress.StartOptions{Run: id, Payload: r.payload})
//	own.Retain(24 * time.Hour)
//	publisher.Show(own) // queued
//
//	job, isNew, err := tracker.StartAs(ctx, "job/"+name, progress.StartOptions{Run: id, Payload: r.withQueue})
//	publisher.Show(job) // the same state in a second topic
//
//	publisher.Update(func(p *progress.Progress) { p.Status = progress.StatusRunning; r.position = 0 })
//	publisher.Step(1, 2, "half way")                       // paced
//	publisher.Refresh("job/"+name, func() { r.queue = q })  // the second topic alone
//	err = publisher.End(func(p *progress.Progress) { p.Status = progress.StatusTimedOut })
//
// The Publisher's lock guards the data that r.payload and r.withQueue read. The contexts of its Jobs end when the run
// is asked to stop or loses its topic: context.AfterFunc(own.Context(), ...). It is then up to the caller to publish
// the status cancelling.
//
// # Streams
//
// A stream ([Tracker.Serve]) gets the newest snapshot at once, then later ones, then the terminal, and ends. It may
// skip snapshots if they come faster than it can send them, but never goes back and never misses the terminal. A stream
// that was open before Finish gets the last snapshot and the terminal; a later one gets only the terminal. Events are
// unnamed, one line of JSON each; their ids are `<run>-<n>`, the terminal's is `<run>-end`. A client that comes back
// with a terminal's id gets 204 and stops reconnecting, even when the topic is long forgotten.
//
// # Cost and slow readers
//
// A payload is encoded once, in Publish, for any number of streams. Publish never waits for a stream: a slow one skips
// snapshots, and one that does not read at all is cut off by the [sse.Hub]. A Reporter publishes at most a burst of 20
// snapshots and then one every 50 ms, so the work may report as often as it likes. An idle job costs its newest
// snapshot and an entry in a few maps, and neither a goroutine nor a timer.
//
// # Where state lives
//
// A Tracker writes to a [snapshot.Store] and shows only what the store reports. [New] makes one that keeps everything
// in the process. [Open] takes a store that may be shared: the Tracker then shows all of its entries, including those
// of other processes, which it can cancel ([Tracker.CancelContext]). Names of topics that begin with a NUL byte and
// "cancel/" are kept for that.
//
// A run whose process dies becomes an Orphan in the store. A Tracker on the store, of another process or the next one,
// adopts it and gives it the terminal `{"status":"lost",...}`, or the one that [Options].Lost makes of its last snapshot,
// under its own id: readers get it as any other, and it is kept for a while. A start on its topic does that first, so a
// crash stands in nobody's way. If an entry disappears from the store without a terminal, the readers that are there get
// the same one.
//
// # Concurrency and shutdown
//
// All methods may be called from any goroutine. [Tracker.Shutdown] ends a Tracker in order: it refuses new runs, asks
// those of this process to stop, waits for their ends and for the streams that show them. A Tracker whose context ends
// just stops: its streams end without a terminal and its entries leave the hub. Handles stay safe to use.
//
// # Errors
//
// A topic without a run is [ErrNoTopic], a Tracker that begins no more runs [ErrEnded], an attempt to forget a run that
// has not ended [ErrRunning]; any other error of a start, of [Tracker.CancelContext], of [Tracker.Forget] or of
// [Publisher.End] is the store's. [Tracker.Serve] also fails as [sse.Hub.Serve] does. Why a worker should stop is the
// cause of [Job.Context]: [ErrCancelled], [ErrLost] or ErrEnded. Errors of a [Client] are those of [sse.Client], and also
// ErrNoTopic if the server does not have the run any more. Payloads that cannot be encoded are logged.
//
// # What it leaves to others
//
// Mutual exclusion between topics, dropping equal payloads, and history: a stream shows the newest state, not every
// event.
package progress
