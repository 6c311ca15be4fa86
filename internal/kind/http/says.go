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

// maxSaid is how many bytes of a refusing answer are read.
const maxSaid = 8 << 10

// Says returns the message for people in the body of an answer, as one line that is short
// enough for a card: a text, or the detail, message, error, reason or title of a JSON object.
// HTML and encoded bodies have none. The body may repeat parts of the request, so secrets are
// hidden in the message.
func Says(h http.Header, body []byte, secrets *secret.Redactor) string {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return ""
	}
	if len(body) > maxSaid {
		body = []byte(secrets.Cut(string(body[:maxSaid])))
	}
	body, err := value.UTF8(body, charsetOf(h))
	if err != nil {
		return ""
	}
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
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

// sentence finds the message for people in JSON.
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
