package progress

import (
	"encoding/json"
	"net/http"

	"github.com/tidewire/tidewire/internal/problem"
)

// answer is the body of a Handler's answer to a request that starts or cancels a run.
type answer struct {
	ID        string          `json:"id"`
	Coalesced bool            `json:"coalesced"`
	Events    string          `json:"events"`
	Snapshot  json.RawMessage `json:"snapshot"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	header(w.Header(), "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client has left: every answer can be encoded
}

func header(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

func failGone(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusNotFound, "no such run exists, or it ended too long ago to be kept")
}

func failForbidden(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusForbidden, "you may not watch this run")
}

// fail answers with a problem (RFC 9457).
func fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: r.URL.Path})
}

// failForNow answers a request that may be retried soon.
func failForNow(w http.ResponseWriter, r *http.Request, detail string) {
	problem.Write(w, problem.Problem{
		Status: http.StatusServiceUnavailable, Detail: detail, Instance: r.URL.Path, RetryAfter: 5,
	})
}

// idOf returns the id of a job, "" if there is none.
func idOf(job *Job) string {
	if job == nil {
		return ""
	}
	return job.run
}
