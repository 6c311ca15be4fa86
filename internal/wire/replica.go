package wire

import "time"

// ReplicasKey is the key of [Replicas].
const ReplicasKey = "replicas"

// The states of a replica.
const (
	ReplicaOK     = "ok"
	ReplicaSilent = "silent" // nothing is heard of it: it has died, or it or the one that says so is cut off
	ReplicaAway   = "away"   // of the one that says so: it does no work, as it has lost its lease or is stopping
)

// A Replica is one of the processes that share a store.
type Replica struct {
	ID          string     `json:"id"`           // another one after each start
	Name        string     `json:"name"`         // sources, jobs and runs have it as their replica
	Version     string     `json:"version"`      // of the program
	Format      int        `json:"format"`       // the newest one of what replicas share that it reads
	Since       time.Time  `json:"since"`        // when it started, by its clock
	Self        bool       `json:"self"`         // it has answered this request
	State       string     `json:"state"`        // one of ReplicaOK ... ReplicaAway
	SilentSince *time.Time `json:"silent_since"` // when it was heard of last; null unless it is silent
	SameConfig  bool       `json:"same_config"`  // its configuration is that of the replica that answers, and not OtherZone
	OtherZone   bool       `json:"other_zone"`   // its local time zone is another one, and its configuration follows that
	Sources     int        `json:"sources"`      // how many it polls, of those that the one that answers has
	Jobs        int        `json:"jobs"`         // how many jobs it starts runs of, likewise
}

// Replicas is the snapshot of all of them, by name. There are none if the gateway shares its store with nobody.
type Replicas struct {
	Key      string    `json:"key"` // ReplicasKey
	Replicas []Replica `json:"replicas"`
}
