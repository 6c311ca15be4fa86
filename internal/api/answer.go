package api

import (
	"encoding/json"
	"net/http"

	"github.com/tidewire/tidewire/internal/wire"
)

// healthy answers a health check.
func healthy(w http.ResponseWriter, ok bool) {
	if !ok {
		answer(w, http.StatusServiceUnavailable, wire.Health{Status: wire.HealthUnavailable})
		return
	}
	answer(w, http.StatusOK, wire.Health{Status: wire.HealthOK})
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // everything here encodes
	answerJSON(w, status, body)
}

// answerJSON writes a value that is JSON already, in one piece or several, which it leaves as they are.
func answerJSON(w http.ResponseWriter, status int, body ...[]byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	for _, piece := range append(body, []byte{'\n'}) {
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
	}
}

// scrape answers with the metrics, if somebody counts.
func (a *API) scrape(w http.ResponseWriter, r *http.Request) {
	if a.Metrics == nil {
		fail(w, r, http.StatusNotFound, "this gateway has no metrics")
		return
	}
	a.Metrics.ServeHTTP(w, r)
}
