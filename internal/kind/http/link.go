package http

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// dialSocketWithin bounds the time in which a Unix socket takes a connection.
const dialSocketWithin = 10 * time.Second

// A Link is the way to an upstream that needs one of its own: because of its certificates, its socket, its proxy or its
// credential. Upstreams without any of these share the client of [kind.Env]. It is the [http.RoundTripper] of [ClientOf].
//
// It adds the credential to each request, and refuses a request to another origin than the upstream's, whoever makes it.
// A closed Link still works, for runs that have begun with it, but keeps no connection.
type Link struct {
	up     *Upstream
	direct *conns
	auth   authoriser // nil: requests need none
	closed atomic.Bool
}

// An authoriser makes requests with a credential.
type authoriser interface {
	// roundTrip sends r by send, as often as it takes. It does not modify r, and leaves its body closed.
	roundTrip(r *http.Request, send sender) (*http.Response, error)
	// close ends what it does by itself. It can be used afterwards.
	close()
}

// A sender makes one request over the network.
type sender func(*http.Request) (*http.Response, error)

// ClientOf returns the client for requests to an upstream whose [kind.Upstream.Open] has returned link: shared, which may
// be nil, if that was nothing.
func ClientOf(link io.Closer, shared *http.Client) *http.Client {
	if l, ok := link.(*Link); ok && l != nil {
		return &http.Client{Transport: l}
	}
	return shared
}

// needsLink reports whether requests to u cannot be made by a client that all share.
func (u *Upstream) needsLink() bool {
	return u.TLS != (kind.TLS{}) || u.Unix != "" || u.Proxy != nil || u.NoProxy || u.LinkLocal || u.Auth.needsLink() ||
		!u.KeepAlive && u.URL.Scheme == "https" // such a device gets no HTTP/2, whose connections are not for one request
}

// Open implements [kind.Upstream]: it returns a [*Link], or nil for an upstream that needs none.
func (u *Upstream) Open(env kind.UpstreamEnv) (io.Closer, error) {
	if !u.needsLink() {
		return nil, nil
	}
	files, err := u.TLS.Open(env.Log)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	l := &Link{up: u, direct: &conns{files: files, options: u.options()}}
	switch {
	case u.Auth.Digest != nil:
		l.auth = &digestAuth{login: *u.Auth.Digest}
	case u.Auth.OAuth2 != nil:
		l.auth = newTokens(u, l.direct, files, env.Secrets)
	case u.Auth.Query.Name != "":
		l.auth = queryAuth(u.Auth.Query)
	}
	return l, nil
}

// options are those of connections to u.
func (u *Upstream) options() httpclient.Options {
	o := httpclient.Options{Control: Guard, Proxy: u.proxy(), MaxConns: MaxConns, HTTP1: !u.KeepAlive}
	if u.LinkLocal {
		o.Control = GuardDevices
	}
	if u.Unix != "" {
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialSocketWithin}).DialContext(ctx, "unix", u.Unix)
		}
	}
	return o
}

// proxy returns what says by which proxy requests to u go.
func (u *Upstream) proxy() func(*http.Request) (*url.URL, error) {
	by := http.ProxyFromEnvironment
	switch {
	case u.NoProxy:
		by = func(*http.Request) (*url.URL, error) { return nil, nil }
	case u.Proxy != nil:
		by = http.ProxyURL(u.Proxy)
	}
	return guardProxied(by, u.LinkLocal)
}

// RoundTrip implements [http.RoundTripper].
func (l *Link) RoundTrip(r *http.Request) (*http.Response, error) {
	if !httpclient.SameOrigin(l.up.URL, r.URL) {
		closeBody(r)
		return nil, fmt.Errorf("refused to ask %s://%s: upstream %s is at another place", r.URL.Scheme, r.URL.Host, l.up.Name)
	}
	sent := r
	if l.closed.Load() {
		sent = r.WithContext(r.Context())
		sent.Close = true
	}
	var resp *http.Response
	var err error
	if l.auth != nil {
		resp, err = l.auth.roundTrip(sent, l.direct.RoundTrip)
	} else {
		resp, err = l.direct.RoundTrip(sent)
	}
	if resp != nil {
		resp.Request = r // as the caller of a RoundTripper expects
	}
	return resp, err
}

// CloseIdleConnections closes the connections that no request uses.
func (l *Link) CloseIdleConnections() { l.direct.close() }

// Close implements [io.Closer].
func (l *Link) Close() error {
	l.closed.Store(true)
	if l.auth != nil {
		l.auth.close()
	}
	l.direct.close()
	return nil
}

// conns are connections, which are made anew when files of certificates have changed.
type conns struct {
	options httpclient.Options
	files   *certificate.Client // nil: there are none
	only    bool                // of files only the authorities and the client's certificate count

	mu      sync.Mutex // guards the fields below
	current *httpclient.Transport
	config  *tls.Config // from which current was made
}

// RoundTrip implements [http.RoundTripper].
func (c *conns) RoundTrip(r *http.Request) (*http.Response, error) { return c.newest().RoundTrip(r) }

func (c *conns) newest() *httpclient.Transport {
	var config *tls.Config
	if c.files != nil {
		config = c.files.Config()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.config != config {
		if c.current != nil {
			c.current.CloseIdleConnections()
		}
		o := c.options
		if o.TLS = config; config != nil && c.only {
			o.TLS = config.Clone()
			o.TLS.ServerName, o.TLS.InsecureSkipVerify = "", false
		}
		c.current, c.config = httpclient.New(o), config
	}
	return c.current
}

// close closes the connections that no request uses.
func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.CloseIdleConnections()
	}
}

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
	query := one.URL.Query()
	query.Set(q.Name, q.Value)
	one.URL.RawQuery = query.Encode()
	return send(one)
}

func (queryAuth) close() {}

// hiding is the body of an answer that may repeat credentials which no configuration has.
type hiding struct {
	io.ReadCloser
	secrets *secret.Redactor
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
