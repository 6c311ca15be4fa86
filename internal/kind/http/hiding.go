package http

import (
	"io"
	"net/http"
	"slices"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// hiding is the body of an answer that may repeat credentials which no configuration has.
type hiding struct {
	io.ReadCloser
	secrets *secret.Redactor
}

// Read implements [io.Reader]. Its error may quote what the server has sent.
func (h *hiding) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	return n, h.secrets.Error(err)
}

// hideHeader hides the same credentials in the header of an answer: expressions can use all of it, and errors say where a redirect
// leads.
func hideHeader(h http.Header, secrets *secret.Redactor) {
	for _, lines := range h {
		for i, line := range lines {
			lines[i] = secrets.Text(line)
		}
	}
}

// hidden returns data, of the body of resp, without the credentials that came to be by themselves, such as tokens.
func hidden(resp *http.Response, data []byte) []byte {
	if h, ok := resp.Body.(*hiding); ok {
		return []byte(h.secrets.Text(string(data)))
	}
	return data
}

// credentials are texts for [kind.Secrets] that are surely credentials.
func credentials(all ...string) kind.Secrets {
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	return kind.Secrets{Said: all, Values: all}
}
