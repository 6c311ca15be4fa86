package progress

import (
	"encoding/json"
	"time"
)

// Status is the state of a run in one word. A run begins as queued or running, may be cancelling, and ends with one of
// the others.
type Status string

// The values of a [Status].
const (
	StatusQueued     Status = "queued"     // waits for other runs
	StatusRunning    Status = "running"    // is being worked on
	StatusCancelling Status = "cancelling" // was asked to stop, and has not stopped yet
	StatusSucceeded  Status = "succeeded"
	StatusFailed     Status = "failed"
	StatusCancelled  Status = "cancelled"
	StatusTimedOut   Status = "timed_out"
	StatusLost       Status = "lost" // its process is gone, and its outcome is unknown
)

// Ended reports whether s is the status of a run that has ended.
func (s Status) Ended() bool {
	switch s {
	case StatusSucceeded, StatusFailed, StatusCancelled, StatusTimedOut, StatusLost:
		return true
	}
	return false
}

// Progress is the conventional payload of a job: [Job.Run] and its [Reporter] publish it, and a program that shows jobs
// of many kinds can rely on it. In JSON, percent is null while it is unknown, and other fields without a value are left
// out.
type Progress struct {
	Status    Status          `json:"status"`
	Percent   *float64        `json:"percent"` // 0 to 100, nil while unknown
	Stage     string          `json:"stage,omitempty"`
	Message   string          `json:"message,omitempty"`
	StartedAt time.Time       `json:"started_at,omitzero"` // UTC, like UpdatedAt
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	ETA       *float64        `json:"eta,omitempty"` // seconds from UpdatedAt to the end, at least 0; nil while unknown
	Result    json.RawMessage `json:"result,omitempty"`
	Error     string          `json:"error,omitempty"` // why it did not succeed
}
