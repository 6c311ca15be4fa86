package http

import (
	"mime"
	"net/http"
	"strings"
)

// charsetOf returns the charset that the Content-Type of an answer names, empty for none.
func charsetOf(h http.Header) string {
	media := h.Get("Content-Type")
	if !strings.Contains(media, ";") { // most answers: nothing is allocated
		return ""
	}
	_, params, _ := mime.ParseMediaType(media)
	return strings.TrimSpace(params["charset"])
}
