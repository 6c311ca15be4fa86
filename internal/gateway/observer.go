package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// An Observer is told what a gateway does, for metrics and for who has started it. Funcs
// that are nil are free. They are called from many goroutines, and must not block.
type Observer struct {
	// Ready is called when the gateway polls and answers.
	Ready func()
	// Stopping is called when the gateway has begun to stop.
	Stopping func()
	// Alive is called every AliveEvery for as long as the loop of the polls takes turns. No
	// time means never.
	Alive      func()
	AliveEvery time.Duration
	// Late is called when a poll begins, with the time since it was due.
	Late func(late time.Duration)
	// Polled is called when a poll has ended.
	Polled func(sources.Poll)
	// RunEnded is called when a run has ended, with its last status and the time that it was
	// at work.
	RunEnded func(job, status string, took time.Duration)
	// Reloading is called with true before the configuration is read again, and with false
	// after.
	Reloading func(begins bool)
	// Reloaded is called when a configuration that was read again is at work, or with the
	// reason why it is not.
	Reloaded func(err error)
	// AuditFailed is called for each line that the audit log has lost.
	AuditFailed func()
	// Notified is called for each call of a webhook, with the error that it came to; NotifyLost for each message that was
	// given up.
	Notified   func(webhook string, err error)
	NotifyLost func(webhook string)
	// Streams is told what happens to the event streams. Nil means nobody is.
	Streams *sse.Observer
}

// withDefaults returns a copy of o in which no func is nil that is called rarely. What is
// called often stays as it is, and is left out where it is nil.
func (o *Observer) withDefaults() Observer {
	var d Observer
	if o != nil {
		d = *o
	}
	nothing := func() {}
	for _, f := range []*func(){&d.Ready, &d.Stopping, &d.Alive, &d.AuditFailed} {
		if *f == nil {
			*f = nothing
		}
	}
	if d.Notified == nil {
		d.Notified = func(string, error) {}
	}
	if d.NotifyLost == nil {
		d.NotifyLost = func(string) {}
	}
	if d.RunEnded == nil {
		d.RunEnded = func(string, string, time.Duration) {}
	}
	if d.Reloading == nil {
		d.Reloading = func(bool) {}
	}
	if d.Reloaded == nil {
		d.Reloaded = func(error) {}
	}
	return d
}

// A Status is what a gateway says of itself at one moment.
type Status struct {
	Sources   []sources.Status
	Jobs      []JobStatus
	Upstreams []string // their names
	Webhooks  []string // their names
	Config    ConfigStatus
}

// A JobStatus is how busy a job is.
type JobStatus struct {
	Name    string
	Running int
	Queued  int
}

// A ConfigStatus is what became of the configuration.
type ConfigStatus struct {
	LoadedAt time.Time // when the one was read that holds
	Good     bool      // false: a newer one was not taken
}

// States are the words for the state of a source.
func States() []string {
	return []string{wire.SourcePending, wire.SourceOK, wire.SourceStale, wire.SourceFailing}
}

// AlertStates are the words for the state of an alert.
func AlertStates() []string {
	return []string{wire.AlertClear, wire.AlertPending, wire.AlertFiring, wire.AlertUnknown}
}

// Ends are the words for the status of a run that has ended.
func Ends() []string {
	return []string{string(progress.StatusSucceeded), string(progress.StatusFailed), string(progress.StatusCancelled), string(progress.StatusTimedOut), string(progress.StatusLost)}
}

// schedulerOptions has the scheduler say how late polls begin.
func (o *Observer) schedulerOptions() []smartpoll.Option {
	if o.Late == nil {
		return nil
	}
	return []smartpoll.Option{smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(key any, late time.Duration) {
		if name, ok := key.(string); ok && strings.HasPrefix(name, wire.SourceKey("")) {
			o.Late(late)
		}
	}})}
}

// beat calls Alive while the loop takes turns, until ctx ends.
func (g *gateway) beat(ctx context.Context) {
	if g.observer.AliveEvery <= 0 {
		return
	}
	tick := time.NewTicker(g.observer.AliveEvery)
	defer tick.Stop()
	for {
		if g.scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error { return nil }) == nil {
			g.observer.Alive()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// status says how the gateway is now.
func (g *gateway) status() Status {
	cfg := g.cfg.Load()
	var now Status
	now.Sources = g.sources.Status()
	for _, j := range g.jobs.List() {
		running, queued := g.jobs.Count(j.Name)
		now.Jobs = append(now.Jobs, JobStatus{j.Name, running, queued})
	}
	for _, u := range cfg.Upstreams {
		now.Upstreams = append(now.Upstreams, u.Name)
	}
	for _, n := range cfg.Notify {
		now.Webhooks = append(now.Webhooks, n.Name)
	}
	var loaded wire.Config
	if latest, ok := g.loader.topic.Latest(); ok {
		_ = json.Unmarshal(latest.Data, &loaded) // what publish encoded decodes
	}
	now.Config.Good = loaded.Error == nil
	now.Config.LoadedAt = loaded.LoadedAt
	return now
}
