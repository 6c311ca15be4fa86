package api

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/tidewire/tidewire/internal/config"
)

// openAPIDocument describes every route, by OpenAPI 3.1. Its server is relative to the address that it is read from.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI answers with the description of the API.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, bytes.TrimSpace(openAPIDocument))
}

// schema answers with the JSON schema of configurations.
func schema(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, config.Schema()) }
