package view

import (
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// A ReplicaRow is one of the gateways that share a store.
type ReplicaRow struct {
	ID, Name, Version string
	State, Word       string
	Why               string // what is wrong with it; empty: nothing
	Self              bool   // it has answered
	Since             time.Time
	Clock             string
	Work              string // what it does
}

// Replicas lays out the gateways that share a store.
func (l Look) Replicas(all []wire.Replica) (rows []ReplicaRow) {
	names := map[string]int{}
	for _, r := range all {
		names[r.Name]++
	}
	for _, r := range all {
		row := ReplicaRow{
			ID: r.ID, Name: Shown(r.Name, 60), Version: Shown(r.Version, 80), State: "ok", Word: "ok", Self: r.Self, Since: r.Since, Clock: l.Clock(r.Since),
			Work: Plural(r.Sources, "source", "sources") + ", " + Plural(r.Jobs, "job", "jobs"),
		}
		switch {
		case r.State == wire.ReplicaSilent:
			row.State, row.Word, row.Why = "lost", "silent", "nothing is heard of it"
			if r.SilentSince != nil {
				row.Why = "nothing has been heard of it for " + l.Since(*r.SilentSince)
			}
		case r.State == wire.ReplicaAway:
			row.State, row.Word, row.Why = "failing", "away", "it does no work: it does not reach the store, or is stopping"
		case r.OtherZone:
			row.State, row.Word, row.Why = "stale", "differs", "another local time zone, and the configuration has timetables without zone"
		case !r.SameConfig:
			row.State, row.Word, row.Why = "stale", "differs", "another configuration than the one that answers"
		case names[r.Name] > 1:
			row.State, row.Word, row.Why = "stale", "twice", "two replicas have this name: give each its own by store.nats.name"
		}
		rows = append(rows, row)
	}
	return rows
}
