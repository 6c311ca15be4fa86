package http

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An authoriser makes requests with a credential.
type authoriser interface {
	// roundTrip sends r by send, as often as it takes. It does not modify r, and leaves its body closed.
	roundTrip(r *http.Request, send sender) (*http.Response, error)
	// close ends what it does by itself. It can be used afterwards.
	close()
}

// A sender makes one request over the network.
type sender func(*http.Request) (*http.Response, error)

// again returns a copy of r, whose header may be modified, with a body of its own. It returns nil if r was sent before
// and its body cannot be had again.
func again(r *http.Request, sent bool) *http.Request {
	one := r.Clone(r.Context())
	if !sent || r.Body == nil || r.Body == http.NoBody {
		return one
	}
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil
	}
	one.Body = body
	return one
}

// isAuthorised reports whether r has a credential already: that of the source or job counts, as it does where the upstream
// has a header of the same name.
func isAuthorised(r *http.Request) bool { return r.Header.Get("Authorization") != "" }

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // nothing was read from it
	}
}

// drain reads the rest of an answer that nobody needs, so that its connection serves again, and closes it. A longer one
// costs the connection.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxSaid)
	_ = resp.Body.Close()
}

// A queryAuth is a key in the query of each request, which is in no URL that anybody else sees.
type queryAuth Parameter

func (q queryAuth) roundTrip(r *http.Request, send sender) (*http.Response, error) {
	one := again(r, false)
	// The rest stays as it is: an address that an answer names may have what package url does not take.
	query := slices.DeleteFunc(strings.Split(one.URL.RawQuery, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return pair == "" || err == nil && name == q.Name
	})
	one.URL.RawQuery = strings.Join(append(query, url.QueryEscape(q.Name)+"="+url.QueryEscape(q.Value)), "&")
	return send(one)
}

func (queryAuth) close() {}
