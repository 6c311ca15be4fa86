package wire

import (
	"encoding/json"
	"time"
)

// An Event is something that happened.
type Event struct {
	ID     string          `json:"id"` // a decimal number, larger than those of all events before
	Time   time.Time       `json:"time"`
	Kind   string          `json:"kind"`             // state, alert, told, run, reload, sign-in, sign-out, start, stop, store or replica
	Source string          `json:"source,omitempty"` // the source that it happened to
	Job    string          `json:"job,omitempty"`    // the job that it happened to
	Title  string          `json:"title,omitempty"`  // that of the source or the job now; the name of one that is not configured any more
	Run    string          `json:"run,omitempty"`    // the run of the job
	Who    string          `json:"who,omitempty"`    // who did it, for those who may manage the gateway
	Text   string          `json:"text"`             // a short text for people
	Data   json.RawMessage `json:"data"`             // an object whose members depend on the kind

	Replica string `json:"replica,omitempty"` // the name of the one to which it happened; empty: no others share the store
}

// Events is the answer with what happened, newest first.
type Events struct {
	Events []Event `json:"events"`
	Next   *string `json:"next"` // the cursor of the events before these; null: there are none
}
