package sse

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"time"
)

// HubOptions configure a [Hub]. The zero value is the default.
type HubOptions struct {
	// Heartbeat is the silence after which a stream gets a comment, to within a second. Zero means 15 seconds.
	Heartbeat time.Duration
	// StallTimeout ends a stream whose write has made no progress for so long, to within a second. Zero means 15 seconds.
	StallTimeout time.Duration
	// DrainWindow is the time over which [Hub.Drain] spreads the ends of the streams. Zero means 5 seconds.
	DrainWindow time.Duration
	// MaxRequestTopics bounds the topics that exist because requests asked for them (see [Manager]). Zero means 1000.
	MaxRequestTopics int
	// Logger gets what no caller can see. Nil discards it.
	Logger *slog.Logger
}

// Hub holds topics and serves their streams.
type Hub struct {
	opts HubOptions
}

// NewHub returns a hub that lives as long as ctx. opts may be nil.
func NewHub(ctx context.Context, opts *HubOptions) *Hub { return &Hub{} }

// Topic returns the topic of that name, and makes it first if there is none; then opts count.
func (h *Hub) Topic(name string, opts TopicOptions) *Topic { return &Topic{hub: h, name: name, opts: opts} }

// Lookup returns the topic of that name if it has a run.
func (h *Hub) Lookup(name string) (*Topic, bool) { return nil, false }

// Topics returns the topics that have a run, in no order.
func (h *Hub) Topics() iter.Seq[*Topic] { return func(func(*Topic) bool) {} }

// Serve streams one topic: ids `<run>-<n>`; it ends with the run's terminal.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, t *Topic) error { return nil }

// ServeAll streams many topics on one stream: ids `<epoch>-<seq>`; it follows them across runs and never ends by itself.
func (h *Hub) ServeAll(w http.ResponseWriter, r *http.Request, topics ...*Topic) error { return nil }

// Drain ends all streams, spread over the drain window, and refuses new ones.
func (h *Hub) Drain(ctx context.Context) error { return nil }
