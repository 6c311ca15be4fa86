package http

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// maxSaid is how much of the body of an answer that is none is read, in bytes.
const maxSaid = 8 << 10

// Says is what the body of an answer says to people, in one line that is short enough for a
// card: a text, or what a JSON object has as its detail, message, error, reason or title.
// Pages for browsers say nothing, nor does what is encoded. It may repeat what the server
// was sent: secrets are hidden in it.
func Says(h http.Header, body []byte, secrets *secret.Redactor) string {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return ""
	}
	if len(body) > maxSaid {
		body = []byte(secrets.Cut(string(body[:maxSaid])))
	}
	contentType := h.Get("Content-Type")
	body, err := utf8Of(contentType, body)
	if err != nil {
		return ""
	}
	media, _, _ := mime.ParseMediaType(contentType)
	var v any
	switch {
	case !value.TooDeep(body) && json.Unmarshal(body, &v) == nil:
		if text := sentence(v, 0); text != "" {
			return kind.Brief(text, secrets)
		}
		return kind.Brief(string(body), secrets)
	case media == "", media == "text/plain", strings.HasSuffix(media, "json"):
		return kind.Brief(string(body), secrets)
	}
	return ""
}

// sentence finds in JSON what is said to people.
func sentence(v any, depth int) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		for _, name := range []string{"detail", "message", "error", "errors", "reason", "title", "description"} {
			if text := sentence(v[name], depth+1); text != "" {
				return text
			}
		}
	case []any:
		if len(v) > 0 && depth < 4 {
			return sentence(v[0], depth+1)
		}
	}
	return ""
}
