package progress

import (
	"encoding/json"
	"net/http"

	"github.com/tidewire/tidewire/internal/problem"
)

// answer is what a Handler says of a run to whoever starts or cancels it.
type answer struct {
	ID        string          `json:"id"`
	Coalesced bool            `json:"coalesced"`
	Events    string          `json:"events"`
	Snapshot  json.RawMessage `json:"snapshot"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	header(w.Header(), "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone; everything here encodes
}

func header(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

func failGone(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusNotFound, "there is no such run, or it ended so long ago that it was forgotten")
}

func failForbidden(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusForbidden, "this may not be watched by whoever asks")
}

// fail answers with a problem (RFC 9457).
func fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	problem.Write(w, problem.Problem{Status: status, Detail: detail, Instance: r.URL.Path})
}

// failForNow answers a request that may be repeated soon.
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
