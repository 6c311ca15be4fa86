package echosse

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidewire/tidewire/sse"
)

// The names of package sse that go with [Handler] and [NewPolling].
type (
	Manager        = sse.Manager
	HandlerOption  = sse.HandlerOption
	Publisher      = sse.Publisher
	PollingService = sse.PollingService
	Polling        = sse.Polling
	PollingOption  = sse.PollingOption
)

// The options of package sse.
var (
	WithCustomTopic           = sse.WithCustomTopic
	WithPollingService        = sse.WithPollingService
	WithPollingFunc           = sse.WithPollingFunc
	WithRepeats               = sse.WithRepeats
	WithCustomPollingInterval = sse.WithCustomPollingInterval
	WithCustomApiVersion      = sse.WithCustomApiVersion
	WithStopCondition         = sse.WithStopCondition
	WithStopCallback          = sse.WithStopCallback
	WithStreams               = sse.WithStreams
)

// NewManager is [sse.NewManager] with a printf-style logger, which may be nil.
func NewManager(ctx context.Context, lc Logger, heartbeat time.Duration) *Manager {
	return sse.NewManager(ctx, structured(lc), heartbeat)
}

// NewPolling is [sse.NewPolling] with a printf-style logger, which may be nil.
func NewPolling(lc Logger, fetch func(context.Context) (any, error), opts ...PollingOption) *Polling {
	return sse.NewPolling(structured(lc), fetch, opts...)
}

// Handler answers with a stream of m as [sse.Manager.Serve] does. If it returns an error, nothing is written and Echo
// answers.
//
// A handler that makes a [Polling] for each request must not use its [echo.Context], nor the request in it, for
// polling: the polling outlives both, and Echo reuses the context for other requests. [WithPollingFunc] provides a
// request that can be kept.
func Handler(m *Manager, opts ...HandlerOption) echo.HandlerFunc {
	opts = append(slices.Clip(opts), sse.WithStreams(sse.StreamOptions{HeartbeatBlock: true}))
	return func(c echo.Context) error {
		return stream(c, func(w http.ResponseWriter, r *http.Request) error {
			return m.Serve(w, r, opts...)
		})
	}
}

// ConstructSSETopic is [sse.TopicOf] the request of c: its path, not the route's
// pattern, and the query with its parameters in order.
func ConstructSSETopic(c echo.Context) string { return sse.TopicOf(c.Request()) }
