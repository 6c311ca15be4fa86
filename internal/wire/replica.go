package wire

import "time"

// A Replica is one of the processes that share a store.
type Replica struct {
	ID         string    `json:"id"` // another one after each start
	Name       string    `json:"name"`
	Version    string    `json:"version"`     // of the program
	Since      time.Time `json:"since"`       // when it started, by its clock
	Self       bool      `json:"self"`        // it has answered this request
	SameConfig bool      `json:"same_config"` // its configuration is that of the replica that answers
	Sources    int       `json:"sources"`     // how many it is to poll, as far as the one that answers knows
	Jobs       int       `json:"jobs"`        // how many jobs it is to start runs of, likewise
}

// Replicas are all of them, by name. There are none if the gateway shares its store with nobody.
type Replicas struct {
	Replicas []Replica `json:"replicas"`
}
