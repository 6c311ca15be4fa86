package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// An Observer is told what a gateway does, for metrics and for the service manager that has
// started it. A nil Observer and nil fields are fine. Funcs are called from many goroutines, and
// must not block.
type Observer struct {
	// Ready is called when the gateway polls and answers.
	Ready func()
	// Stopping is called when the gateway has begun to stop.
	Stopping func()
	// Alive is called every AliveEvery for as long as the loop of the polls takes turns. No
	// time means never.
	Alive      func()
	AliveEvery time.Duration
	// Reloading is called with true before the configuration is read again, and with false
	// after.
	Reloading func(begins bool)
	// Reloaded is called when a configuration that was read again is in effect, or with the
	// reason why it is not.
	Reloaded func(err error)
	// AuditFailed is called for each line that the audit log has lost.
	AuditFailed func()
	// StoreWritten is called with the time that each transaction of a store on disk took.
	StoreWritten func(took time.Duration)

	// Asked is called when another replica was asked for something, one of Asks, with what came of that, one of
	// AskOutcomes, and the time that it took.
	Asked func(what, outcome string, took time.Duration)

	// The domains have observers of their own.

	Sources *sources.Observer
	Jobs    *jobs.Observer
	Alerts  *alert.Observer
	Streams *sse.Observer
}

// call calls f unless it is nil.
func call(f func()) {
	if f != nil {
		f()
	}
}

func (o *Observer) ready()       { call(o.Ready) }
func (o *Observer) stopping()    { call(o.Stopping) }
func (o *Observer) auditFailed() { call(o.AuditFailed) }

func (o *Observer) reloading(begins bool) {
	if o.Reloading != nil {
		o.Reloading(begins)
	}
}

func (o *Observer) reloaded(err error) {
	if o.Reloaded != nil {
		o.Reloaded(err)
	}
}

func (o *Observer) asked(what string, err error, took time.Duration) {
	if o.Asked == nil {
		return
	}
	outcome := askedFailed
	switch {
	case err == nil:
		outcome = askedAnswered
	case errors.Is(err, replica.ErrNoReplica) && !errors.Is(err, replica.ErrBusy):
		outcome = askedNobody
	case errors.Is(err, context.DeadlineExceeded):
		outcome = askedTimeout
	}
	o.Asked(what, outcome, took)
}

// What comes of a question to another replica.
const (
	askedAnswered = "answered"
	askedNobody   = "nobody"  // there is no such replica, or it does not listen
	askedTimeout  = "timeout" // it did not answer in time
	askedFailed   = "error"   // it could not be asked
)

// Asks are the words for what replicas ask each other.
func Asks() []string {
	return []string{toStart, toCancel, toOutput, toQueue, toRefresh, toPush, toAcknowledge, toPolls, toPast, toHear, toEvents}
}

// AskOutcomes are the words for what comes of that.
func AskOutcomes() []string {
	return []string{askedAnswered, askedNobody, askedTimeout, askedFailed}
}

// A Status is what a gateway says of itself at one moment.
type Status struct {
	Sources   []sources.Status
	Jobs      []JobStatus
	Upstreams []string // their names
	Receivers []wire.Receiver
	Silences  int // how many people have made
	Forwards  []ForwardStatus
	Config    ConfigStatus
	Store     *StoreStatus   // nil: it is in memory
	Replicas  *ReplicaStatus // nil: no other process shares the store
}

// A ReplicaStatus says how a process is among those that share its store.
type ReplicaStatus struct {
	Count   int  // how many there are, this one included
	Differ  int  // how many of them have another configuration than this one
	Sources int  // how many this one polls
	Jobs    int  // how many this one starts runs of
	Failing bool // the store cannot be reached, or has taken the lease away

	Connected bool          // to a server of the store
	LeaseAge  time.Duration // how long ago the lease was renewed; negative: there is none
	Resyncs   uint64        // how often all was read again, as something may have been missed
}

// A ForwardStatus is how one of those is to whom states are published.
type ForwardStatus struct {
	To      string // nats or http
	Waiting int    // sources and jobs whose newest state it has not got
	Failing bool   // it could not be told of the last ones
}

// A JobStatus is how busy a job is.
type JobStatus struct {
	Name    string
	Running int
	Queued  int
	Alert   string // one of AlertStates; empty: it has none
}

// A ConfigStatus is what became of the configuration.
type ConfigStatus struct {
	LoadedAt time.Time // when the one was read that holds
	Good     bool      // false: a newer one was not taken
}

// A StoreStatus is how a store on disk is.
type StoreStatus struct {
	Failing bool   // it cannot be written now
	Bytes   int64  // that it has on disk
	Dropped uint64 // records that were not stored
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
	return []string{
		string(progress.StatusSucceeded), wire.StatusWarned, string(progress.StatusFailed), string(progress.StatusCancelled),
		string(progress.StatusTimedOut), string(progress.StatusLost),
	}
}

// beat calls Alive while the loop takes turns, until ctx ends.
func (g *gateway) beat(ctx context.Context) {
	if g.observer.AliveEvery <= 0 || g.observer.Alive == nil {
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

// values are the newest snapshots of all sources, whichever process polls them, in the order of the configuration.
func (g *gateway) values() []wire.Source {
	topics := g.sources.Topics()
	all := make([]wire.Source, 0, len(topics))
	for _, topic := range topics {
		var s wire.Source
		if latest, ok := g.store.Latest(topic); ok && json.Unmarshal(latest.Data, &s) == nil && s.State != wire.SourceRemoved {
			all = append(all, s)
		}
	}
	return all
}

// status says how the gateway is now.
func (g *gateway) status() Status {
	cfg := g.cfg.Load()
	var now Status
	now.Sources = g.sources.Status()
	if g.replica != nil { // each replica tells of what it does
		now.Sources = slices.DeleteFunc(now.Sources, func(s sources.Status) bool { return !s.Owned })
		now.Replicas = g.replicaStatus()
		now.Replicas.Sources = len(now.Sources)
	}
	alerts := g.alerts.Alerts()
	now.Receivers = alerts.Receivers
	for _, one := range alerts.Silences {
		if one.ID != "" { // else it is a quiet time of the configuration
			now.Silences++
		}
	}
	alertOf := map[string]string{}
	for _, a := range alerts.Alerts {
		alertOf[a.Key] = a.State
	}
	for _, j := range g.jobs.List() {
		if g.replica != nil && g.jobs.Holder(j.Job) != g.replica.ID() {
			continue
		}
		running, queued := g.jobs.Count(j.Name)
		status := JobStatus{Name: j.Name, Running: running, Queued: queued}
		if j.Alert != nil {
			status.Alert = cmp.Or(alertOf[wire.JobKey(j.Name)], wire.AlertClear)
		}
		now.Jobs = append(now.Jobs, status)
	}
	if now.Replicas != nil {
		now.Replicas.Jobs = len(now.Jobs)
	}
	for _, u := range cfg.Upstreams {
		now.Upstreams = append(now.Upstreams, u.Name)
	}
	var loaded wire.Config
	if latest, ok := g.loader.topic.Latest(); ok {
		_ = json.Unmarshal(latest.Data, &loaded) // what publish encoded decodes
	}
	now.Config.Good = loaded.Error == nil
	now.Config.LoadedAt = loaded.LoadedAt
	now.Store = g.storeStatus()
	now.Forwards = g.forwarders.status()
	return now
}
