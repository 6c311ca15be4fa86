package sse

import (
	"context"
	"errors"
	"iter"
)

// ErrClosed is returned by [Topic.Publish] and [Topic.Close] when the topic's run has had its terminal.
var ErrClosed = errors.New("sse: the topic's run is closed")

// ErrGone is returned by [Hub.Serve] for a topic that was removed and has not been opened or published to since.
var ErrGone = errors.New("sse: the topic was removed")

// TopicOptions configure a [Topic] at its creation. The zero value is the default.
type TopicOptions struct {
	// Backlog is how many of its newest events the topic keeps. 0 and 1 mean the newest only.
	Backlog int
	// OnWatched, if not nil, is called with true when somebody begins to watch the topic (a stream or a
	// [Topic.Watch]), and with false when nobody does any more. Calls never overlap and alternate.
	OnWatched func(watched bool)
}

// Topic is a named place that keeps its newest event.
type Topic struct {
	hub  *Hub
	name string
	opts TopicOptions
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Open starts a run that has no event yet.
func (t *Topic) Open(run string) {}

// Publish makes ev the topic's newest event.
func (t *Topic) Publish(ev Event) error { return nil }

// Close publishes last as the terminal of the topic's run.
func (t *Topic) Close(last Event) error { return nil }

// Latest returns the newest event, and whether there is one. Its Data must not be modified.
func (t *Topic) Latest() (Event, bool) { return Event{}, false }

// Run returns the current run, "" if there is none.
func (t *Topic) Run() string { return "" }

// Ended reports whether the current run has had its terminal.
func (t *Topic) Ended() bool { return false }

// Remove forgets run, if it is still the current one, and reports whether it was.
func (t *Topic) Remove(run string) bool { return false }

// Watch returns the topic's events in process.
func (t *Topic) Watch(ctx context.Context) iter.Seq[Event] { return func(func(Event) bool) {} }
