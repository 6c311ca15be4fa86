package events

import "github.com/tidewire/tidewire/internal/archive"

// A replicaData is the data of a [Replica].
type replicaData struct {
	State   string `json:"state"`
	Replica string `json:"replica"` // its name
	ID      string `json:"id"`
}

// ReplicaChanged records what has become of a gateway that shares the store, given its name and ID: joined, left, died, away
// or back.
func (j *Journal) ReplicaChanged(name, id, state string) {
	said := map[string]string{
		"joined": "joined", "left": "stopped", "died": "has died, or is out of reach: the others do its work",
		"away": "has lost the store: the others do its work", "back": "is back",
	}[state]
	j.add(archive.Event{Kind: Replica, Text: name + " " + said}, replicaData{State: state, Replica: name, ID: id})
}

// StoreChanged records that the state cannot be stored now, and why, or that it can again.
func (j *Journal) StoreChanged(why error) {
	c := change{State: "ok", Before: "failing"}
	if why != nil {
		c = change{State: "failing", Before: "ok", Error: new(brief(why.Error()))}
	}
	j.changed(subject{kind: Store}, c)
}
