package httpclient

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// harmless are the headers of a request that describe it and never hold a credential. All others are sent only to the
// origin that they were meant for, since only that origin knows which of them are credentials.
var harmless = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type", "Idempotency-Key", "If-None-Match",
	"Last-Event-Id", "Prefer", "User-Agent",
}

// SameOrigin reports whether a credential for from may be sent to to: whether both have the same scheme, host and port.
// http and https on the standard ports of a host count as the same when the step is from http to https, since that does
// not reveal the credential to anyone new.
func SameOrigin(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	upgraded := from.Scheme == "http" && port(from) == "80" && to.Scheme == "https" && port(to) == "443"
	return upgraded || from.Scheme == to.Scheme && port(from) == port(to)
}

func port(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// KeepCredentials returns a copy of client, nil standing for [Default], that sends no credential to another origin:
// once a redirect has left the origin of the first request (see [SameOrigin]), the further requests have only headers
// that describe them, such as Accept. net/http itself drops only Authorization and Cookie, and sends even those to
// another port, to a subdomain and from https to http. The client's own CheckRedirect is called afterwards and may set
// headers again; without one, ten redirects are followed.
func KeepCredentials(client *http.Client) *http.Client {
	if client == nil {
		client = Default
	}
	kept := *client
	kept.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		first := via[0].URL
		away := func(r *http.Request) bool { return !SameOrigin(first, r.URL) }
		if away(req) || slices.ContainsFunc(via, away) { // another origin may redirect back to any path
			for name := range req.Header {
				if !slices.Contains(harmless, name) {
					delete(req.Header, name) // including Referer, whose query may hold a key
				}
			}
		}
		switch {
		case client.CheckRedirect != nil:
			return client.CheckRedirect(req, via)
		case len(via) >= 10:
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &kept
}
