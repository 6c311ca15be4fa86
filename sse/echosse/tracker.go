package echosse

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// Job is a [progress.Job].
type Job = progress.Job

// ErrNoTopic is [progress.ErrNoTopic].
var ErrNoTopic = progress.ErrNoTopic

// Tracker is a [progress.Tracker] whose streams are answers of Echo.
type Tracker struct {
	*progress.Tracker

	// Streams are the options of the streams of Subscribe, to be set before the first. Their heartbeats end with a blank
	// line in any case.
	Streams sse.StreamOptions
}

// New returns a Tracker that lives as long as ctx. A terminal is kept for
// retention, and a stream gets a comment after a silence of heartbeat; zero and
// less mean 30 s. lc may be nil.
func New(ctx context.Context, retention, heartbeat time.Duration, lc Logger) *Tracker {
	return &Tracker{Tracker: progress.New(ctx, retention, heartbeat, structured(lc))}
}

// Subscribe streams topic to the client of c as [progress.Tracker.Serve] does: the newest snapshot, what is published
// from then on, the terminal. It blocks until the stream ends and then returns nil. It fails only before anything is
// written: with [ErrNoTopic], or when a writer of some middleware hides flushing or write deadlines, which is also
// logged. Over HTTP/1.x in clear text the stream may take the connection from its server, unless
// Streams.KeepConnection is set.
func (t *Tracker) Subscribe(c echo.Context, topic string) error {
	return stream(c, func(w http.ResponseWriter, r *http.Request) error {
		opts := t.Streams
		opts.HeartbeatBlock = true
		return t.With(opts).Serve(w, r, topic)
	})
}
