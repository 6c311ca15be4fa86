// Package problem answers HTTP requests with problem details (RFC 9457).
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// A Problem is an error answer. Only Status is required.
type Problem struct {
	Type       string `json:"type"`             // the end of a URI below Types, see Titles; empty: the status suffices
	Title      string `json:"title"`            // set by Write
	Status     int    `json:"status"`           // of the answer
	Detail     string `json:"detail,omitempty"` // what happened, and what to do about it
	Instance   string `json:"instance,omitempty"`
	Errors     []Part `json:"errors,omitempty"`      // with 422
	Run        string `json:"run,omitempty"`         // the run that is in the way
	RetryAfter int    `json:"retry_after,omitempty"` // seconds, as in the header; 0: unknown
}

// A Part describes what is wrong with a part of a body or a configuration.
type Part struct {
	Pointer string `json:"pointer,omitempty"` // JSON pointer (RFC 6901), as a URI fragment
	Detail  string `json:"detail"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1, like Column
	Column  int    `json:"column,omitempty"`
}

// Types is the prefix of the types of problems that are more specific than their status.
const Types = "https://github.com/tidewire/tidewire/problems/"

// KeyReused is the type for a request with the Idempotency-Key of a different request.
const KeyReused = "idempotency-key-reused"

// Titles maps the types to their titles. It must not be changed.
var Titles = map[string]string{
	KeyReused:           "The Idempotency-Key was used for something else",
	"invalid-arguments": "The arguments are not valid",
	"job-busy":          "The job is busy",
	"limit-reached":     "The job was started too often",
	"replica-away":      "The replica is away",
	"queue-full":        "The queue of the job is full",
	"stopping":          "Tidewire is stopping",
}

// Write answers with p. The answer must not be stored by caches.
func Write(w http.ResponseWriter, p Problem) {
	if title, ok := Titles[p.Type]; ok {
		p.Type, p.Title = Types+p.Type, title
	} else {
		p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	}
	h := w.Header()
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error means that the client has left: every problem can be encoded
}
