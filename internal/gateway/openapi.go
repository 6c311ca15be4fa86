package gateway

import (
	_ "embed"
	"net/http"
	"strings"
)

// openAPIDocument describes every route, by OpenAPI 3.1.
//
//go:embed openapi.json
var openAPIDocument string

// openAPIServer is where it says which address its paths are below.
const openAPIServer = `"servers": [{"url": "/"}]`

// openAPI answers with the description of the API, for the address that people use.
func (g *gateway) openAPI(w http.ResponseWriter, r *http.Request) {
	doc := openAPIDocument
	if g.plan.Load().cfg.PublicURL != nil {
		// What stands in a URL as it is needs no escaping in JSON (RFC 3986 §2).
		doc = strings.Replace(doc, openAPIServer, `"servers": [{"url": "`+g.absolute(r, g.link(""))+`"}]`, 1)
	}
	answerJSON(w, http.StatusOK, []byte(strings.TrimSpace(doc)))
}
