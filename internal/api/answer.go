package api

import (
	"encoding/json"
	"net/http"

	"github.com/tidewire/tidewire/internal/wire"
)

// health answers a health check.
func health(w http.ResponseWriter, ok bool) {
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

// answerJSON writes a value that is JSON already, in one or several pieces, which it does not modify.
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

// scrape answers with the metrics, if there are any.
func (a *API) scrape(w http.ResponseWriter, r *http.Request) {
	if a.deps.Metrics == nil {
		fail(w, r, http.StatusNotFound, "this gateway has no metrics")
		return
	}
	a.deps.Metrics.ServeHTTP(w, r)
}
