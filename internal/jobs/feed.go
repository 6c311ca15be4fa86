package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// feedWithin bounds the time in which an expression makes choices of a value.
const feedWithin = 2 * time.Second

// A feeding has the choices that sources give the arguments of a job, as they were made last: a value is large, and a list
// of jobs is asked for more often than it changes.
type feeding struct {
	mu   sync.Mutex // guards the field below
	made map[string]fed
}

// A fed is what a source gives an argument.
type fed struct {
	of      string // the snapshot of the source: its id
	choices []string
	state   string // of the source
	err     error  // why there are no choices
}

var (
	errNoValue = errors.New("it has no value yet")
	errRemoved = errors.New("it is not there")
)

// feed returns what the newest value of a source gives an argument that has a Feed.
func (j *Job) feed(a *config.Arg) fed {
	event, ok := j.s.deps.Source(a.Feed.Source)
	if !ok {
		return fed{err: errRemoved}
	}
	j.feeds.mu.Lock()
	defer j.feeds.mu.Unlock()
	if known, ok := j.feeds.made[a.Name]; ok && known.of == event.ID {
		return known
	}
	now := fed{of: event.ID}
	var source wire.Source
	err := json.Unmarshal(event.Data, &source)
	now.state = source.State
	switch {
	case err != nil, source.State == wire.SourceRemoved:
		now.err = errRemoved
	case source.UpdatedAt == nil:
		now.err = errNoValue
	default:
		now.choices, now.err = choicesOf(a.Feed, source.Value)
	}
	if j.feeds.made == nil {
		j.feeds.made = map[string]fed{}
	}
	j.feeds.made[a.Name] = now
	return now
}

func choicesOf(feed *config.Feed, data json.RawMessage) ([]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // an id may have more digits than a float64
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	ctx, done := context.WithTimeout(context.Background(), feedWithin)
	defer done()
	return feed.Choices(ctx, value)
}

// Bind is [config.Job.Bind] where arguments with a Feed have to be among the choices that their source gives now. If the
// source is stale, those of its last value count.
func (j *Job) Bind(given map[string]any) (map[string]any, []*config.ArgError) {
	return j.BindFed(given, func(a *config.Arg) ([]string, *config.ArgError) {
		now := j.feed(a)
		if now.err != nil {
			return nil, &config.ArgError{
				Arg: a.Name, What: "the choices come from source " + a.Feed.Source + ", and " + whyNone(now), Want: "look at that source first",
			}
		}
		return now.choices, nil
	})
}

// whyNone is why a source gives no choices.
func whyNone(of fed) string {
	if errors.Is(of.err, errNoValue) || errors.Is(of.err, errRemoved) {
		return of.err.Error()
	}
	return "they cannot be made of its value: " + of.err.Error()
}

// fill adds to an argument for people the choices that a source gives now.
func (j *Job) fill(shown *wire.Arg, a *config.Arg) {
	now := j.feed(a)
	shown.From, shown.Values = a.Feed.Source, now.choices
	switch {
	case now.err != nil:
		shown.Why = "source " + a.Feed.Source + " gives no choices: " + whyNone(now)
	case len(now.choices) == 0:
		shown.Why = "source " + a.Feed.Source + " gives no choices now"
	case now.state == wire.SourceStale:
		shown.Why = "source " + a.Feed.Source + " is stale, so these may not be all"
	}
}
