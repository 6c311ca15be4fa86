package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// People see the replicas: what they are, who does what, and what becomes of them.

// seeEvery is how often a replica looks how the others are.
const seeEvery = time.Second

// beginSeeing has the stream tell of the replicas from now on.
func (g *gateway) beginSeeing(ctx context.Context) {
	wake := make(chan struct{}, 1)
	g.replica.OnChange(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	g.seeing = lifecycle.Loop(ctx, func(ctx context.Context) {
		tick := time.NewTicker(seeEvery)
		defer tick.Stop()
		for {
			g.see()
			select {
			case <-wake:
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// see tells people what has changed.
func (g *gateway) see() {
	for _, n := range g.replica.News() {
		g.journal.ReplicaChanged(n.Name, n.ID, n.Became)
	}
	g.publishReplicas()
	g.sayZones()
	fault := ""
	if err := g.storeError(); err != nil {
		fault = err.Error()
	}
	if fault != g.storeFault {
		g.storeFault = fault
		g.faultChanged()
	}
}

// faultChanged has the loader tell whether state is stored and forwarded.
func (g *gateway) faultChanged() {
	select {
	case g.faults <- struct{}{}:
	default: // whoever takes it finds the newest state
	}
}

// replicasTopic returns the topic that has the [wire.Replicas], nil if the store is not shared.
func (g *gateway) replicasTopic() *sse.Topic {
	if g.replica == nil {
		return nil
	}
	return g.hub.Topic(wire.ReplicasKey, sse.TopicOptions{KeepData: true})
}

// publishReplicas tells the stream of the replicas if they are not as they were.
func (g *gateway) publishReplicas() {
	topic := g.replicasTopic()
	data, _ := json.Marshal(g.replicas()) // texts, numbers and times encode
	if before, ok := topic.Latest(); !ok || !bytes.Equal(before.Data, data) {
		_ = topic.Publish(sse.Event{Data: data}) // the topic is never removed
	}
}

// replicas lists the processes that share the store, this one included whether it does its part or not.
func (g *gateway) replicas() wire.Replicas {
	all := wire.Replicas{Key: wire.ReplicasKey, Replicas: []wire.Replica{}}
	if g.replica == nil {
		return all
	}
	members := g.replica.Members()
	self, isMember := g.replica.Self()
	if !isMember {
		members = append(members, self)
		slices.SortFunc(members, func(a, b replica.Member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	}
	polls := g.pollsOf(members, self.ID)
	starts := map[string]int{}
	for _, j := range g.jobs.List() {
		starts[g.jobs.Holder(j.Job)]++
	}
	for _, m := range members {
		one := wire.Replica{
			ID: m.ID, Name: m.Name, Version: m.Version, Format: m.Format, Since: m.Since, Self: m.ID == self.ID, State: wire.ReplicaOK,
			SameConfig: m.Agrees(&self), OtherZone: m.HasOtherZone(&self), Sources: polls[m.ID], Jobs: starts[m.ID],
		}
		if one.Self && !isMember {
			one.State, one.Sources, one.Jobs = wire.ReplicaAway, 0, 0
		} else if ago, silent := g.silence(m.ID); silent && !one.Self {
			one.State, one.SilentSince = wire.ReplicaSilent, new(g.clock.Wall().Add(-ago).UTC().Truncate(time.Second))
		}
		all.Replicas = append(all.Replicas, one)
	}
	return all
}

// pollsOf returns how many sources each replica polls, by ID. Sources have the names of replicas: if several others have one,
// as for a moment after one of them was killed and started again, the oldest of them counts.
func (g *gateway) pollsOf(members []replica.Member, self string) map[string]int {
	own, others := g.sources.Replicas()
	oldest := map[string]replica.Member{}
	for _, m := range members {
		if before, ok := oldest[m.Name]; m.ID != self && (!ok || m.Since.Before(before.Since)) {
			oldest[m.Name] = m
		}
	}
	polls := map[string]int{self: own}
	for name, n := range others {
		if m, ok := oldest[name]; ok {
			polls[m.ID] = n
		}
	}
	return polls
}

// silence returns how long nothing was heard of a replica, and whether that is longer than usual: it has missed two times
// at which it should have renewed its lease.
func (g *gateway) silence(id string) (ago time.Duration, silent bool) {
	if g.nats == nil {
		return 0, false
	}
	w, ok := g.nats.Writer(replica.TopicOf(id))
	return w.Silent, ok && w.Silent > w.Lease*2/3
}

// replicaStatus says how this process is among the replicas, but for what it does.
func (g *gateway) replicaStatus() *ReplicaStatus {
	status := &ReplicaStatus{Failing: g.storeError() != nil, LeaseAge: -1}
	self, _ := g.replica.Self()
	for _, m := range g.replica.Members() {
		if status.Count++; !m.Agrees(&self) {
			status.Differ++
		}
	}
	if g.nats != nil {
		store := g.nats.Status()
		status.Connected, status.Resyncs = store.Server != "", store.Resyncs
		if store.Owner != "" {
			status.LeaseAge = store.LeaseAge
		}
	}
	return status
}
