// Package echosse serves packages sse and progress on Echo v4, with the names and signatures of
// IOTechSystems/go-mod-edge-utils: its pkg/sse and its pkg/sse/progress are both this package. A program that uses
// Tracker and Job, or Manager, Handler and Polling, only needs to change its import paths. The differences:
//
//   - There is no WriteSSEHeaders, HandleSSE or Broadcaster. A handler that wrote
//     its own stream serves an [sse.Topic] instead, by hub.Serve(c.Response(),
//     c.Request(), topic) or echo.WrapHandler(hub.Handler(pick)); [sse.Hub.Serve]
//     writes the head.
//   - A topic derived from a request has the parameters of its query sorted by name, so that ?a=1&b=2 and ?b=2&a=1 are
//     one topic; [Manager.Publish] sorts those of its topic in the same way.
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
// A stream is written through [echo.Response]: Committed, Status and Size are true, hooks run, and Echo never appends
// an error as JSON to a stream that has begun. Errors are returned only before the first byte, with the response's
// headers unchanged; Echo turns them into 5xx unless the handler handles them.
//
// # Middleware
//
// Middleware that replaces the response's Writer must give access to the
// server's own, by a method Unwrap() http.ResponseWriter, for flushing and
// write deadlines. Otherwise the stream is refused before its first byte, and
// the log names the missing method and the type that hides it. Echo's Gzip has
// that method; its Timeout, which holds responses back, does not.
//
// Over HTTP/1.x in clear text a stream may take the connection from its server once the
// head and the first events are written, although Subscribe and the handlers block (see
// [sse.StreamOptions]): middleware then sees those, and nothing that comes later. Behind
// middleware that compresses no connection is taken. Middleware that changes what is
// written in a way that cannot be seen needs KeepConnection, in [Tracker].Streams or by
// [WithStreams].
//
// # Wire
//
// Cache-Control is no-cache, over HTTP/1 Connection is keep-alive, or close
// where the hub takes the connection (see [sse.StreamOptions]), and a heartbeat is a colon and a blank line.
// Everything else is as in [sse.Hub.Serve].
//
// # Concurrency
//
// The types, those of packages sse and progress, are safe for concurrent use. Subscribe and the handlers block for as
// long as their stream lasts.
package echosse
