package progress

import (
	"errors"
	"net/http"

	"github.com/tidewire/tidewire/sse"
)

// Streams serves streams of a [Tracker] with options. [Tracker.With] makes one. Its method may be called from any
// goroutine.
type Streams struct {
	tracker *Tracker
	opts    sse.StreamOptions
}

// With returns what serves t's streams with opts. [Tracker.Serve] is that of the zero StreamOptions.
func (t *Tracker) With(opts sse.StreamOptions) Streams { return Streams{t, opts} }

// Serve is [Tracker.Serve] with the options. With HandOff it does not block where the connection can be taken.
func (s Streams) Serve(w http.ResponseWriter, r *http.Request, topic string) error {
	if rec, ok := s.tracker.find(r.Context(), topic, ""); ok {
		// The hub attaches the stream, under the topic's lock, to the run that the topic has at that moment, or reports
		// that the topic is gone.
		if err := s.tracker.hub.With(s.opts).Serve(w, r, rec.topic); !errors.Is(err, sse.ErrGone) {
			return err
		}
	}
	if sse.ServeGone(w, r) {
		return nil
	}
	return ErrNoTopic
}
