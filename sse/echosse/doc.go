// Package echosse serves packages sse and progress on Echo v4, with the names and
// signatures of IOTechSystems/go-mod-edge-utils: its pkg/sse and its
// pkg/sse/progress are both this package. A program that uses Tracker and Job, or
// Manager, Handler and Polling, changes its import paths only. What differs:
//
//   - There is no WriteSSEHeaders, HandleSSE or Broadcaster. A handler that writes a
//     stream of its own serves an [sse.Topic] instead; [sse.Hub.Serve] writes the head.
//   - A topic that is made of a request has the parameters of its query in order of
//     their names, so that ?a=1&b=2 and ?b=2&a=1 are one topic; [Manager.Publish]
//     orders those of the topic that it is given in the same way.
//   - A stream begins with the newest value, and its events have ids.
//
// For example:
//
//	tracker := echosse.New(ctx, 30*time.Second, 30*time.Second, lc)
//	e.GET("/scan/events", func(c echo.Context) error {
//		return tracker.Subscribe(c, "scan")
//	})
//
// # What Echo sees
//
// A stream is written through [echo.Response]: Committed, Status and Size are true,
// hooks run, and Echo never appends an error as JSON to a stream that has begun.
// Errors are returned only before the first byte, with the response's headers as
// they were; Echo turns them into 5xx, or the handler into what it likes.
//
// # Middleware
//
// A middleware that replaces the response's Writer must leave a way to the server's
// own, by a method Unwrap() http.ResponseWriter, for flushing and write deadlines.
// Otherwise the stream is refused before its first byte, and what is missing and
// the type that hides it are logged. Echo's Gzip does leave one; its Timeout, which
// holds responses back, does not.
//
// # Wire
//
// Cache-Control is no-cache, over HTTP/1 Connection is keep-alive, and a heartbeat
// is a colon and a blank line. The rest is that of [sse.Hub.Serve].
//
// # Concurrency
//
// The types are those of packages sse and progress: safe for any goroutine.
// Subscribe and the handlers block as long as their stream lasts.
package echosse
