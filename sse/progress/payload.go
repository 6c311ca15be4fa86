package progress

import (
	"encoding/json"
	"time"
)

// Status says in one word how far a run is. A run begins as queued or running, may be cancelling, and ends as any of the others.
type Status string

// The words of a [Status].
const (
	StatusQueued     Status = "queued"     // waits for its turn
	StatusRunning    Status = "running"    // at work
	StatusCancelling Status = "cancelling" // was asked to stop, and has not yet
	StatusSucceeded  Status = "succeeded"
	StatusFailed     Status = "failed"
	StatusCancelled  Status = "cancelled"
	StatusTimedOut   Status = "timed_out"
	StatusLost       Status = "lost" // its process is gone, and its end unknown
)

// Ended reports whether s is a word for an end.
func (s Status) Ended() bool {
	switch s {
	case StatusSucceeded, StatusFailed, StatusCancelled, StatusTimedOut, StatusLost:
		return true
	}
	return false
}

// Progress is the conventional payload of a job: what [Job.Run] and its [Reporter] publish, and what a program that shows jobs of many
// kinds can count on. In JSON, percent is null while it is unknown, and other fields without a value are left out.
type Progress struct {
	Status    Status          `json:"status"`
	Percent   *float64        `json:"percent"` // 0 to 100, nil while unknown
	Stage     string          `json:"stage,omitempty"`
	Message   string          `json:"message,omitempty"`
	StartedAt time.Time       `json:"started_at,omitzero"` // UTC, as is UpdatedAt
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	ETA       *float64        `json:"eta,omitempty"` // seconds from UpdatedAt to the end, never negative; nil while unknown
	Result    json.RawMessage `json:"result,omitempty"`
	Error     string          `json:"error,omitempty"` // why it ended otherwise than well
}
