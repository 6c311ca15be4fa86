// Package sse speaks Server-Sent Events (WHATWG HTML §9.2): it encodes and decodes events, and serves topics that keep
// their newest events as streams that slow readers cannot hurt.
//
// # Outline
//
// A [Hub] holds the [Topic]s of a program and serves them:
//
//	hub := sse.NewHub(ctx, nil)
//	tank := hub.Topic("tank", sse.TopicOptions{})
//
//	tank.Publish(sse.Event{Data: []byte(`{"level":12}`)})
//
//	http.HandleFunc("GET /tank", func(w http.ResponseWriter, r *http.Request) {
//		if err := hub.Serve(w, r, tank); err != nil {
//			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
//		}
//	})
//
// [Hub.ServeAll] puts many topics on one stream, since browsers open no more than six connections to an origin over
// HTTP/1.1. [Topic.Watch] reads a topic in process. [Manager] is for topics that exist while somebody watches them.
// [Client] reads such a stream through restarts of its server; [Decoder] and [Read] read one body.
//
// # Snapshots
//
// An event says all that there is to say about its topic at that time; so the newest one stands for all before it, and
// nothing queues. A topic keeps its newest event, encoded once, and a reader remembers the number of the one that it got
// last. For events that are not snapshots a topic can keep a [TopicOptions].Backlog, bounded in number and bytes; a reader that
// returns goes on in it where it was, after a deploy too (see [Topic.Restore]).
//
// # Runs
//
// What a topic publishes from [Topic.Open] to [Topic.Close] is a run, whose events have the ids `<run>-1`, `<run>-2` and so
// on, and whose terminal has `<run>-end`. The terminal cannot be lost: it is simply the newest event, and the last. A
// stream that was there before Close gets the newest snapshot and the terminal, even if both were published at once; a
// later one gets the terminal alone. Topics without an end are runs that go on for ever.
//
// # Ordering
//
// Each reader gets the events of a topic in the order in which they were published, without those that were replaced
// before it could take them. On a stream of many topics the order is that of all topics together, and the id that a
// client has never skips an event of another topic. Publishers of one topic are serialised.
//
// # Concurrency
//
// Everything may be used from any goroutine, except a Decoder. Publishing costs the same however many readers there are,
// and never waits for one: it swaps a pointer and leaves waking the readers to the hub. While a topic changes faster than its
// many readers can be served, the hub begins a round through them every 15 ms at most, so that publishers and clients have
// their share of the processors.
//
// # Slow readers
//
// A reader that is slower than its topic skips events. One that stops taking bytes is cut off when a write has made no
// progress for [HubOptions].StallTimeout; until then it costs one unfinished frame. No write deadline stands between
// writes, so idle streams live on, over HTTP/2 too. Silence is broken by a comment each [HubOptions].Heartbeat.
//
// # Control events
//
// State is always an unnamed event, which is what a page's onmessage sees. Three names are this package's own: gap (some
// events of a backlog were missed; data is their number, or empty), reset (forget everything, all follows) and bye (the server
// drains, or ends this stream: see [Hub.End]; come back after the retry time).
//
// # Engines
//
// A stream is carried by the server's goroutine, over any transport; or, through [StreamOptions].HandOff or [Hub.Handler], it gives that
// back with all of its buffers after the first events, and the hub's few dispatchers write to the connection, on Linux and
// over HTTP/1.x in clear text. What a client gets is the same. [NewListener] keeps the kernel from queueing what a slow
// client has no use for any more.
//
// # Callbacks
//
// What is told something ([Observer], [TopicOptions].OnWatched, a [Manager]'s services) may be called on a goroutine of the
// hub's own. A panic in it is logged, and ends neither a stream nor the process. What is asked something (OnSubscribe,
// Subject, ClientAddr, the pick of a Handler) is called on the goroutine of the request, before anything is written, or of
// the caller ([Hub.End]); a panic in it is that caller's, and leaves no stream behind.
//
// # Admission
//
// [HubOptions] bound streams in total, per client and per topic, ask an OnSubscribe hook who may read what, name the
// origins whose pages may (CORS), and take an [Observer] for metrics.
//
// # Shutdown
//
// A hub lives as long as its ctx; then streams end without a word. [Hub.Drain] comes first where clients should not all
// return at the same moment.
//
// # What is left to others
//
// Authentication and compression: a compressing middleware buffers, and streams say no-transform; behind one that compresses
// all the same, no connection is handed off. A writer that hides
// flushing or write deadlines is refused before the first byte (see [CheckWriter]).
package sse
