package api

import (
	"encoding/json"
	"net/http"

	"github.com/tidewire/tidewire/internal/wire"
)

// live answers whether the process answers.
func live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, wire.Health{Status: wire.HealthOK})
}

// ready answers whether the gateway should get requests. It should while its store fails: all but the past still works, and
// another gateway would not do better. Why the store fails is not for everybody.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case a.deps.Newer():
		answer(w, http.StatusServiceUnavailable, wire.Health{Status: wire.HealthUnavailable, Store: wire.StoreNewer})
	case !a.deps.Ready():
		health := wire.Health{Status: wire.HealthUnavailable}
		if a.deps.StoreFails() { // of replicas: others work
			health.Store = wire.StoreFailing
		}
		answer(w, http.StatusServiceUnavailable, health)
	case a.deps.StoreFails():
		answer(w, http.StatusOK, wire.Health{Status: wire.HealthDegraded, Store: wire.StoreFailing})
	default:
		live(w, nil)
	}
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

// scrape returns what answers with metrics, if there are any.
func scrape(metrics http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if metrics == nil {
			fail(w, r, http.StatusNotFound, "this gateway has no metrics")
			return
		}
		metrics.ServeHTTP(w, r)
	}
}
