// Package sse speaks Server-Sent Events (WHATWG HTML §9.2): it encodes and decodes events, and serves topics that keep
// their newest events as streams that slow readers cannot hold up.
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
// HTTP/1.1. [Topic.Watch] reads a topic in process. [Manager] is for topics that exist only while they have readers.
// [Client] reads such a stream across restarts of its server; [Decoder] and [Read] read one body.
//
// # Snapshots
//
// An event holds the complete state of its topic, so the newest one replaces all earlier ones, and nothing queues up. A
// topic keeps its newest event, encoded once, and the hub remembers for each reader the number of the last event that
// it got. For events that are not snapshots a topic can keep a [TopicOptions].Backlog, bounded in number and bytes; a
// reader that comes back continues where it left off, even after a deployment (see [Topic.Restore]), a new one can
// begin with some of it (Replay), and [Topic.Recent] returns it.
//
// # Runs
//
// The events of a topic from [Topic.Open] to [Topic.Close] form a run. They have the ids `<run>-1`, `<run>-2` and so
// on, and the terminal has `<run>-end`. The terminal cannot be lost: it is simply the newest event, and the last. A
// stream that was open before Close gets the newest snapshot and the terminal, even if both were published at once; a
// later one gets only the terminal. Topics without an end are runs that never end.
//
// # Ordering
//
// Each reader gets the events of a topic in the order in which they were published, without those that were replaced
// before it could take them. A stream of many topics follows the order of all topics together, and a client's id never
// covers an event of another topic that it has not received. Publishers of one topic are serialised.
//
// # Concurrency
//
// Everything may be used from any goroutine, except a Decoder. Publishing costs the same for any number of readers, and
// waits neither for one nor for those that come and leave at once: it swaps a pointer and leaves waking the readers to
// the hub. While a topic is published so much faster than its readers can be served that its publisher cannot be
// pausing, the hub rests between its rounds through them, at most until 15 ms after a round began, so that publishers
// and clients get their share of the processors. It does not rest for a publisher that paces itself.
//
// # Slow readers
//
// A reader that is slower than its topic skips events. A reader that stops taking bytes is cut off when a write has
// made no progress for [HubOptions].StallTimeout; until then it costs one unfinished frame. No write deadline is set
// between writes, so idle streams stay open, over HTTP/2 too. An idle stream gets a comment every
// [HubOptions].Heartbeat.
//
// # Control events
//
// State is always an unnamed event, which reaches a page's onmessage. Four names are reserved: gap (events of a backlog
// were missed; data is their number, or empty), reset (discard everything; the complete state follows), refused (the
// topics whose names are in data are left out, see [StreamOptions].Partial) and bye (the server drains, has no room for
// this stream, or ends it, see [Hub.End]; reconnect after the retry time).
//
// # Engines
//
// A stream is carried through its ResponseWriter, over any transport, by goroutines that exist only while they write;
// or by the hub's few dispatchers, which write to a connection that was taken from its server after the first events,
// on Linux and over HTTP/1.x in clear text. A call that blocks then keeps its goroutine and little else; with
// [StreamOptions].HandOff or [Hub.Handler] it returns. The client sees no difference. [NewListener] keeps the kernel
// from queueing events that are outdated before a slow client reads them.
//
// # Callbacks
//
// Callbacks for notification ([Observer], [TopicOptions].OnWatched, a [Manager]'s services) may be called on a
// goroutine of the hub. A panic in one is logged, and ends neither a stream nor the process. Callbacks that return a
// decision (OnSubscribe, Subject, a Quota, the pick of a Handler) are called on the goroutine of the request,
// before anything is written, or of the caller ([Hub.End]); a panic in one reaches that caller and leaves no stream
// behind.
//
// # Admission
//
// [HubOptions] limit streams in total, per topic, and per client, user or any other key of a request ([Quota]); they
// authorise readers by an OnSubscribe hook, list the origins whose pages may read (CORS), and take an [Observer] for
// metrics.
//
// # Errors
//
// Serve and its like fail only before the first byte: with [ErrGone], [ErrForbidden] or a [*WriterError]. Publish fails
// with [ErrClosed] or a [*FieldError]. A Client's loop ends with a [*StatusError], [ErrTooLong] or the cause of its
// context; its OnRetry also gets [ErrSilent], [io.EOF] and errors of the network. All of them may be wrapped: use
// errors.Is and errors.As. What happens to a stream later is told to the [Observer], as a [Cause].
//
// # Shutdown
//
// A hub lives as long as its ctx; then streams end without notice. Call [Hub.Drain] first if clients should not all
// reconnect at the same moment.
//
// # What is left to others
//
// Authentication and compression: middleware that compresses also buffers, so streams are sent with no-transform;
// behind middleware that compresses nevertheless, no connection is taken. A writer that hides flushing or write
// deadlines is refused before the first byte (see [CheckWriter]).
package sse
